package local

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// maxTitleRunes bounds the title of a conversation.
const maxTitleRunes = 80

// chat implements schema.Chat.
type chat struct{ *Runtime }

var _ schema.Chat = chat{}

// Send accepts a turn durably and then streams its events from the log.
func (s chat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		accepted, since, err := s.accept(ctx, r)
		if err != nil {
			yield(schema.ChatEvent{}, err)
			return
		}
		if !yield(schema.ChatEvent{Accepted: accepted}, nil) {
			return
		}
		for e, err := range s.events.Subscribe(ctx, schema.EventQuery{Since: since, RunID: accepted.RunID}) {
			switch {
			case err != nil:
				yield(schema.ChatEvent{}, err)
				return
			case e.Type == schema.EventGap:
				yield(schema.ChatEvent{}, schema.Errorf(schema.CodeUnavailable,
					"the events of run %s were evicted before they were read; read the conversation instead", accepted.RunID))
				return
			case !yield(schema.ChatEvent{Event: &e}, nil), e.Type.Terminal():
				return
			}
		}
	}
}

// intake is a send on its way to being accepted.
type intake struct {
	schema.SendRequest
	principal string
	fresh     bool // the conversation's id is one that we have just given
	route     *schema.RouteDecision
}

// accept makes the turn durable and queues it. The cursor is the one before its first event.
func (s chat) accept(ctx context.Context, r schema.SendRequest) (*schema.Accepted, schema.Cursor, error) {
	caller, err := someone(ctx)
	if err != nil {
		return nil, schema.Cursor{}, err
	}
	in := intake{SendRequest: r, principal: caller.Principal}
	if err := s.complete(ctx, &in); err != nil {
		return nil, schema.Cursor{}, err
	}
	if all, ok := s.turns.reserve(); !ok {
		return nil, schema.Cursor{}, busy("the host has %d turns to finish, which is all that it takes; try again", all)
	}
	var accepted *schema.Accepted
	var since schema.Cursor
	messageID := s.ids.next(messagePrefix)
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		accepted, since, err = s.take(tx, in, messageID)
		return err
	})
	if err != nil {
		s.turns.release()
		return nil, schema.Cursor{}, s.fault("accept message", err)
	}
	return accepted, since, nil
}

// complete decides what the request leaves open: who is spoken to, and the ids.
func (s chat) complete(ctx context.Context, in *intake) error {
	if in.RunID == "" {
		in.RunID = s.ids.next(runPrefix)
	} else if !validRunID(in.RunID) {
		return schema.Invalid("runId", "must be %q and the 26 characters of a lower-case ULID", runPrefix)
	}
	known := false
	if in.ConversationID == "" {
		in.ConversationID, in.fresh = s.ids.next(conversationPrefix), true
	} else {
		_, c, err := s.ownConversation(ctx, in.principal, in.ConversationID)
		switch {
		case err == nil:
			known = true
			if in.AgentID == "" {
				in.AgentID = c.AgentID
			}
		case !errors.Is(err, store.ErrNotFound):
			return s.fault("find conversation", err)
		}
	}
	if !known && !in.fresh && strings.HasPrefix(in.ConversationID, conversationPrefix) {
		return notFound("conversation", in.ConversationID)
	}
	if in.AgentID == "" {
		d, err := s.Route(ctx, schema.RouteRequest{Message: in.Message, Context: in.Context})
		if err != nil {
			return err
		}
		in.AgentID, in.route = d.AgentID, &d
	}
	if _, ok := s.registry.get(in.AgentID, s.now()); !ok {
		return notFound("agent", in.AgentID)
	}
	return nil
}

func (s chat) ownConversation(ctx context.Context, principal, id string) (key int64, c schema.ConversationSummary, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		key, c, err = r.ConversationOf(store.Viewer{Principal: principal}, id)
		return err
	})
	return key, c, err
}

// take writes the message, the run and the event, and queues the turn when they are durable.
func (s chat) take(tx store.Tx, in intake, messageID string) (*schema.Accepted, schema.Cursor, error) {
	var none schema.Cursor
	if s.closing.Load() {
		return nil, none, closing()
	}
	a, err := tx.Agent(in.AgentID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, none, notFound("agent", in.AgentID)
	case err != nil:
		return nil, none, err
	case a.Status != schema.AgentRunning:
		return nil, none, schema.Errorf(schema.CodeAgentNotRunning, "agent %s is %s; start it, or send to another one", a.ID, a.Status)
	}
	key, ahead, err := s.place(tx, in)
	if err != nil {
		return nil, none, err
	}
	now := s.now()
	m := schema.Message{
		ID: messageID, ConversationID: in.ConversationID, Role: schema.RoleUser, Content: in.Message,
		AgentID: in.AgentID, RunID: in.RunID, CreatedAt: now,
	}
	run := schema.Run{
		ID: in.RunID, ConversationID: in.ConversationID, AgentID: in.AgentID, Principal: in.principal,
		Status: schema.RunQueued, MessageID: messageID, QueuedAt: now,
	}
	if err := tx.InsertRun(key, run); err != nil {
		if errors.Is(err, store.ErrExists) {
			err = schema.Errorf(schema.CodeAlreadyExists, "there is a run %s already; leave runId out, or make a new ULID", run.ID)
		}
		return nil, none, err
	}
	if err := tx.InsertMessage(key, m); err != nil {
		return nil, none, err
	}
	e := runEvent(run, schema.EventQueued)
	if err := s.appendTo(tx, &e, schema.Queued{Position: ahead, Message: m}); err != nil {
		return nil, none, err
	}
	tx.OnCommit(func() {
		ctx, end := context.WithCancel(s.lifetime)
		s.turns.add(&turn{run: run, conversation: key, message: m, context: in.Context, ctx: ctx, end: end})
	})
	since := schema.Cursor{Epoch: e.Cursor.Epoch, Seq: e.Cursor.Seq - 1}
	return &schema.Accepted{
		RunID: run.ID, ConversationID: in.ConversationID, AgentID: in.AgentID, Message: m, Route: in.route, Position: ahead,
	}, since, nil
}

// place finds or makes the conversation and returns how many of its turns come before this one.
func (s chat) place(tx store.Tx, in intake) (key int64, ahead int, err error) {
	key, err = tx.ConversationKey(in.principal, in.ConversationID)
	if errors.Is(err, store.ErrNotFound) {
		now := s.now()
		key, err = tx.InsertConversation(schema.ConversationSummary{
			ID: in.ConversationID, Principal: in.principal, Title: title(in.Message), AgentID: in.AgentID, CreatedAt: now, UpdatedAt: now,
		})
		return key, 0, err
	}
	if err != nil {
		return 0, 0, err
	}
	if ahead, err = tx.UnfinishedRuns(key); err != nil {
		return 0, 0, err
	}
	if ahead > s.options.MaxWaiting {
		return 0, 0, busy("conversation %s has %d turns waiting, which is all that it takes; try again when one is over",
			in.ConversationID, ahead-1)
	}
	return key, ahead, tx.SetConversationAgent(key, in.AgentID)
}

// title returns the beginning of a message on one line.
func title(message string) string {
	s := strings.Join(strings.Fields(message), " ")
	if utf8.RuneCountInString(s) <= maxTitleRunes {
		return s
	}
	cut := string([]rune(s)[:maxTitleRunes-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		cut = cut[:i]
	}
	return cut + "…"
}

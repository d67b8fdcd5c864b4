package turns

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// maxTitleRunes bounds the title of a conversation.
const maxTitleRunes = 80

// Send accepts a turn durably and then streams its events from the log.
func (s *Chat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		accepted, err := s.accept(ctx, r)
		if err != nil {
			yield(schema.ChatEvent{}, err)
			return
		}
		if !yield(schema.ChatEvent{Accepted: &accepted}, nil) {
			return
		}
		o := schema.OnceFrom(ctx)
		for e, err := range s.follow(ctx, accepted, o != nil && o.Replayed()) {
			if err != nil {
				yield(schema.ChatEvent{}, err)
				return
			}
			if !yield(schema.ChatEvent{Event: &e}, nil) {
				return
			}
		}
	}
}

// follow yields the events of a run from its first one to the terminal one. Of a turn that was accepted earlier, only the
// terminal one is yielded if the log does not reach back.
func (s *Chat) follow(ctx context.Context, a schema.Accepted, before bool) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		onlyLast := false
		for e, err := range s.events.Subscribe(ctx, schema.EventQuery{Since: a.Since, RunID: a.RunID}) {
			switch {
			case err == nil && e.Type == schema.EventGap && before:
				run, err := s.Run(ctx, a.RunID)
				if err != nil || run.Status.Terminal() {
					yield(lastEvent(run), err)
					return
				}
				onlyLast = true // which is still to come
				continue
			case err == nil && e.Type == schema.EventGap:
				err = schema.Errorf(schema.CodeUnavailable,
					"the events of run %s were evicted before they were read; read the conversation instead", a.RunID)
			case onlyLast && !e.Type.Terminal():
				continue
			}
			if !yield(e, err) || err != nil || e.Type.Terminal() {
				return
			}
		}
	}
}

// lastEvent returns the terminal event of a run that is over, without its place, which may not be there any more.
func lastEvent(run schema.Run) schema.Event {
	e, payload := ending(run)
	e.Payload = schema.NewPayload(payload)
	if run.FinishedAt != nil {
		e.Time = *run.FinishedAt
	}
	return e
}

// intake is a send on its way to being accepted.
type intake struct {
	schema.SendRequest
	principal string
	scopes    []schema.Scope
	fresh     bool // the conversation's id is one that we have just given
	route     *schema.RouteDecision

	asker *Turn       // within which it is asked; nil = it was sent
	begun func(*Turn) // is told of the turn when it is accepted; nil = nobody is
}

// mayBegin reports whether the message may begin a conversation of its id.
func (in intake) mayBegin() bool {
	return in.fresh || !strings.HasPrefix(in.ConversationID, ids.Conversation)
}

// accept makes the turn durable and queues it, unless the request repeats one that did.
func (s *Chat) accept(ctx context.Context, r schema.SendRequest) (schema.Accepted, error) {
	caller, err := fault.Someone(ctx)
	if err != nil {
		return schema.Accepted{}, err
	}
	if a, ok, err := once.Earlier[schema.Accepted](ctx, s.once); ok {
		return a, err
	}
	return s.admit(ctx, intake{SendRequest: r, principal: caller.Principal, scopes: caller.Scopes})
}

// admit makes the turn durable and queues it.
func (s *Chat) admit(ctx context.Context, in intake) (schema.Accepted, error) {
	if err := s.complete(ctx, &in); err != nil {
		s.once.Failure(ctx, err)
		return schema.Accepted{}, err
	}
	if all, ok := s.turns.reserve(); !ok {
		return schema.Accepted{}, fault.Busy("the host has %d turns to finish, which is all that it takes; try again", all)
	}
	messageID, added := s.ids.Next(ids.Message), false
	explain := func(err error) error { return fault.Of(s.log, "accept message", err) }
	a, err := once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.Accepted, error) {
		tx.OnCommit(func() { added = true })
		return s.take(tx, in, messageID)
	})
	if !added {
		s.turns.release()
	}
	return a, err
}

// complete decides what the request leaves open: who is spoken to, and the ids.
func (s *Chat) complete(ctx context.Context, in *intake) error {
	if in.RunID == "" {
		in.RunID = s.ids.Next(ids.Run)
	} else if !ids.ValidRun(in.RunID) {
		return schema.Invalid("runId", "must be %q and the 26 characters of a lower-case ULID", ids.Run)
	}
	known := false
	if in.ConversationID == "" {
		in.ConversationID, in.fresh = s.ids.Next(ids.Conversation), true
	} else {
		_, c, err := s.ownConversation(ctx, in.principal, in.ConversationID)
		switch {
		case err == nil:
			known = true
			if in.AgentID == "" {
				in.AgentID = c.AgentID
			}
		case !errors.Is(err, store.ErrNotFound):
			return fault.Of(s.log, "find conversation", err)
		}
	}
	if !known && !in.mayBegin() {
		return fault.NotFound("conversation", in.ConversationID)
	}
	if in.AgentID == "" {
		d, err := s.Route(ctx, schema.RouteRequest{Message: in.Message, Context: in.Context})
		if err != nil {
			return err
		}
		in.AgentID, in.route = d.AgentID, &d
	}
	return nil
}

func (s *Chat) ownConversation(ctx context.Context, principal, id string) (key int64, c schema.ConversationSummary, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		key, c, err = r.ConversationOf(store.Viewer{Principal: principal}, id)
		return err
	})
	return key, c, err
}

// take writes the message, the run and the event, and queues the turn when they are durable.
func (s *Chat) take(tx store.Tx, in intake, messageID string) (schema.Accepted, error) {
	var none schema.Accepted
	if err := s.admissible(tx, in); err != nil {
		return none, err
	}
	key, ahead, err := s.place(tx, in)
	if err != nil {
		return none, err
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
	since, err := store.Append(tx, runEvent(run, schema.EventQueued), now, schema.Queued{Position: ahead, Message: m})
	if err != nil {
		return none, err
	}
	since.Seq--
	run.Since = since.String()
	if err := tx.InsertRun(key, run); err != nil {
		if errors.Is(err, store.ErrExists) {
			err = schema.Errorf(schema.CodeAlreadyExists, "there is a run %s already; leave runId out, or make a new ULID", run.ID)
		}
		return none, err
	}
	if err := tx.InsertMessage(key, m); err != nil {
		return none, err
	}
	tx.OnCommit(func() {
		ctx, end := context.WithCancel(s.lifetime)
		t := &Turn{Run: run, Message: m, Context: in.Context, Scopes: in.scopes, chat: s, conversation: key, ctx: ctx, end: end}
		if in.asker != nil {
			t.AskedBy, t.Depth = in.asker.Run.AgentID, in.asker.Depth+1
		}
		if in.begun != nil {
			in.begun(t)
		}
		s.turns.add(t)
	})
	return schema.Accepted{
		RunID: run.ID, ConversationID: in.ConversationID, AgentID: in.AgentID, Message: m, Route: in.route, Position: ahead, Since: since,
	}, nil
}

// admissible returns why no turn may begin, or nil: a chat that drains takes only what a turn needs that it has to finish.
func (s *Chat) admissible(tx store.Tx, in intake) error {
	if in.asker == nil && s.closing.Load() {
		return fault.Closing()
	}
	if in.asker != nil {
		_, err := runAt(tx, in.asker.Run.ID, schema.RunRunning)
		switch {
		case errors.Is(err, ErrOver):
			return schema.Errorf(schema.CodeCancelled, "the turn that asks is over")
		case err != nil:
			return err
		}
	}
	a, err := tx.Agent(in.AgentID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fault.NotFound("agent", in.AgentID)
	case err != nil:
		return err
	case a.Status != schema.AgentRunning:
		return schema.Errorf(schema.CodeAgentNotRunning, "agent %s is %s; start it, or send to another one", a.ID, a.Status)
	}
	return nil
}

// place finds or makes the conversation, carries out what the sender wants of an unfinished turn in it, and returns how many
// of its turns come before this one.
func (s *Chat) place(tx store.Tx, in intake) (key int64, ahead int, err error) {
	key, c, err := tx.ConversationOf(store.Viewer{Principal: in.principal}, in.ConversationID)
	if errors.Is(err, store.ErrNotFound) {
		if !in.mayBegin() { // it was deleted a moment ago
			return 0, 0, fault.NotFound("conversation", in.ConversationID)
		}
		now := s.now()
		key, err = tx.InsertConversation(schema.ConversationSummary{
			ID: in.ConversationID, Principal: in.principal, Title: in.title(), AgentID: in.AgentID, CreatedAt: now, UpdatedAt: now,
		})
		return key, 0, err
	}
	if err != nil {
		return 0, 0, err
	}
	unfinished, err := tx.UnfinishedRuns(key)
	if err != nil {
		return 0, 0, err
	}
	ahead = len(unfinished)
	switch {
	case ahead > 0 && in.OnBusy == schema.BusyReject:
		return 0, 0, conversationBusy(in.ConversationID, unfinished[0])
	case ahead > 0 && in.OnBusy == schema.BusyInterrupt:
		if err := s.cancelFor(tx, unfinished[0], schema.ReasonInterrupted); err != nil {
			return 0, 0, err
		}
		ahead--
	}
	if ahead > s.maxWaiting {
		return 0, 0, fault.Busy("conversation %s has %d turns waiting, which is all that it takes; try again when one is over",
			in.ConversationID, ahead-1)
	}
	return key, ahead, s.takeUp(tx, key, c, in)
}

// takeUp notes what a message changes in its conversation: whom it is with, and that it is not put away any more.
func (s *Chat) takeUp(tx store.Tx, key int64, c schema.ConversationSummary, in intake) error {
	before := c
	c.AgentID, c.Archived = in.AgentID, false
	if c.MessageCount == 0 && c.Title == "" {
		c.Title = in.title()
	}
	if c == before {
		return nil
	}
	c.UpdatedAt = s.now()
	return tx.UpdateConversation(key, c)
}

// cancelFor cancels an unfinished run because of something else that happens in the same transaction.
func (s *Chat) cancelFor(tx store.Tx, id, reason string) error {
	run, err := tx.Run(id)
	if err == nil {
		_, err = s.endRun(tx, run, schema.RunCancelled, reason, "")
	}
	return err
}

// title is what a conversation is called that begins with the message.
func (in intake) title() string {
	if in.asker != nil {
		return title(in.asker.Run.AgentID + " asks " + in.AgentID + ": " + in.Message)
	}
	return title(in.Message)
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

// conversationBusy names the run that is in the way.
func conversationBusy(conversation, holder string) error {
	e := schema.Errorf(schema.CodeConversationBusy,
		"conversation %s is busy with run %s; wait for its end, cancel it, or send with onBusy %q or %q", conversation, holder, schema.BusyEnqueue, schema.BusyInterrupt)
	e.Details = schema.Object{schema.DetailRunID: holder}
	return e
}

package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

func chatChecks() []check {
	own := []check{
		{"send", "a turn is accepted, queued, started and answered", "schema.Chat.Send", chatSend},
		{"send-text-is-kept", "a message is stored to the byte, up to MaxMessageBytes", "schema.Chat.Send", chatSendText},
		{"send-reads-own-writes", "what is accepted can be read at once, and so can the reply", "schema.Chat.Send", chatReadsOwnWrites},
		{"send-unknown-agent", "a message to an agent that is not there is CodeNotFound", "schema.Chat.Send", chatSendUnknown},
		{"send-stopped-agent", "a message to a stopped agent is CodeAgentNotRunning, and leaves nothing", "schema.Chat.Send", chatSendStopped},
		{"run-id-is-the-callers", "a run has the id that its sender chose", "schema.SendRequest", chatRunID},
		{"run-id-twice", "an id that is taken is CodeAlreadyExists, for everybody", "schema.SendRequest", chatRunIDTwice},
		{"run-id-twice-at-once", "of ten turns of one id at once one is accepted", "schema.SendRequest", chatRunIDTwiceAtOnce},
		{"run-unknown", "a run that is not there is CodeNotFound", "schema.Chat.Run", chatRunUnknown},
		{"run-foreign", "a run of somebody else is CodeNotFound, except for ScopeAdmin", "schema.Chat.Run", chatRunForeign},
		{"break-does-not-stop-the-turn", "who stops watching does not stop the turn", "schema.Chat.Send", chatBreak},
		{"cancelled-context-does-not-stop-the-turn", "a context that is cancelled after acceptance does not stop the turn", "schema.Chat.Send", chatContext},
		{"cancel-is-idempotent", "wherever a turn is when it is cancelled, its events, its run and the answers agree", "schema.Chat.Cancel", chatCancel},
		{"cancel-finished", "cancelling a run that is over returns it as it is", "schema.Chat.Cancel", chatCancelFinished},
		{"cancel-unknown", "cancelling a run that is not there is CodeNotFound", "schema.Chat.Cancel", chatCancelUnknown},
		{"stop-ends-unfinished-turns", "when an agent is stopped, each accepted turn ends, and says why", "schema.Agents.Stop", chatStopAgent},
	}
	return slices.Concat(own, conversationChecks(), conversationChangeChecks(), messageChecks(), conversationSearchChecks(), orderChecks(), routingChecks())
}

func chatSendUnknown(s *suite) {
	s.refused(s.user(), schema.SendRequest{AgentID: "nobody", Message: "hello"}, schema.CodeNotFound)
}

func chatRunUnknown(s *suite) {
	_, err := s.Chat.Run(s.admin(), newRunID())
	s.wantCode(err, schema.CodeNotFound)
}

func chatCancelUnknown(s *suite) {
	_, err := s.Chat.Cancel(s.admin(), newRunID())
	s.wantCode(err, schema.CodeNotFound)
}

func chatSend(s *suite) {
	ctx := s.user()
	t := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "Hello!"})
	a := t.accepted
	if !strings.HasPrefix(a.RunID, "run_") || !strings.HasPrefix(a.ConversationID, "conv_") || a.AgentID != nyx {
		s.Errorf("accepted as %+v", a)
	}
	if a.Route != nil || a.Position != 0 {
		s.Errorf("a direct first turn has route %+v and position %d", a.Route, a.Position)
	}
	m := a.Message
	if m.ID == "" || m.Role != schema.RoleUser || m.Content != "Hello!" || m.ConversationID != a.ConversationID ||
		m.RunID != a.RunID || m.CreatedAt.IsZero() {
		s.Errorf("the message is %+v", m)
	}
	for _, typ := range []schema.EventType{schema.EventQueued, schema.EventStarted, schema.EventReply} {
		if t.seqOf(typ) == 0 {
			s.Errorf("no event %s", typ)
		}
	}
	r := must1[schema.Message](s)(t.reply())
	if r.ID == "" || r.ID == m.ID || r.Role != schema.RoleAgent || r.AgentID != nyx || r.RunID != a.RunID ||
		r.ConversationID != a.ConversationID || strings.TrimSpace(r.Content) == "" {
		s.Errorf("the reply is %+v", r)
	}
}

func chatSendText(s *suite) {
	ctx := s.user()
	for _, text := range []string{
		"  leading, trailing  ", "two\nlines\ttab", "東京 🦊 e\u0301 \u202e", `{"type":"chat:reply"}`, "a\u0000b",
		"<script>&amp;</script>", strings.Repeat("x", schema.MaxMessageBytes),
	} {
		t := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: text})
		c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: t.accepted.ConversationID}))
		if t.accepted.Message.Content != text || len(c.Messages) == 0 || c.Messages[0].Content != text {
			s.Errorf("message %.40q was changed to %.40q", text, t.accepted.Message.Content)
		}
	}
}

func chatReadsOwnWrites(s *suite) {
	ctx := s.user()
	var accepted schema.Accepted
	for e, err := range s.Chat.Send(ctx, schema.SendRequest{AgentID: nyx, Message: "remember me"}) {
		s.must(err)
		if e.Accepted == nil {
			continue
		}
		accepted = *e.Accepted
		c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: accepted.ConversationID}))
		if len(c.Messages) == 0 || c.Messages[0].ID != accepted.Message.ID {
			s.Errorf("an accepted message is not in its conversation: %+v", c.Messages)
		}
		run := must1[schema.Run](s)(s.Chat.Run(ctx, accepted.RunID))
		if run.MessageID != accepted.Message.ID || run.AgentID != nyx || run.ConversationID != accepted.ConversationID {
			s.Errorf("the run is %+v", run)
		}
	}
	run := must1[schema.Run](s)(s.Chat.Run(ctx, accepted.RunID))
	if run.Status != schema.RunCompleted || run.ReplyID == "" || run.StartedAt == nil || run.FinishedAt == nil {
		s.Errorf("after its terminal event the run is %+v", run)
	}
	c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: accepted.ConversationID}))
	if len(c.Messages) != 2 || c.Messages[1].ID != run.ReplyID || c.MessageCount != 2 {
		s.Errorf("the conversation is %+v", c)
	}
}

func chatSendStopped(s *suite) {
	must1[schema.Agent](s)(s.Agents.Stop(s.admin(), aria))
	s.Cleanup(func() { s.start(aria) })
	user := s.user()
	s.refused(user, schema.SendRequest{AgentID: aria, Message: "hello"}, schema.CodeAgentNotRunning)
	page := must1[schema.ConversationPage](s)(s.Chat.Conversations(user, schema.ConversationsQuery{}))
	if len(page.Conversations) != 0 {
		s.Errorf("a refused turn left %+v", page.Conversations)
	}
}

// start brings an agent back, also while the subtest is being cleaned up.
func (s *suite) start(id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.admin()), conform.Patience(s.T))
	defer cancel()
	if _, err := s.Agents.Start(ctx, id); err != nil {
		s.Errorf("start %s again: %v", id, err)
	}
}

func chatRunID(s *suite) {
	ctx, id := s.user(), newRunID()
	t := s.say(ctx, schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"})
	if run := must1[schema.Run](s)(s.Chat.Run(ctx, id)); t.accepted.RunID != id || run.ID != id {
		s.Errorf("run %s and %s, want %s", t.accepted.RunID, run.ID, id)
	}
}

func chatRunIDTwice(s *suite) {
	ctx, id := s.user(), newRunID()
	t := s.say(ctx, schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"})
	s.refused(ctx, schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"}, schema.CodeAlreadyExists)
	s.refused(s.user(), schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"}, schema.CodeAlreadyExists)
	page := must1[schema.ConversationPage](s)(s.Chat.Conversations(ctx, schema.ConversationsQuery{}))
	if len(page.Conversations) != 1 || page.Conversations[0].ID != t.accepted.ConversationID {
		s.Errorf("a refused turn left a conversation: %+v", page.Conversations)
	}
}

func chatRunIDTwiceAtOnce(s *suite) {
	ctx, id := s.user(), newRunID()
	var accepted atomic.Int64
	s.atOnce(10, func(int) error {
		_, err := send(ctx, s.Chat, schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"})
		if err == nil {
			accepted.Add(1)
		}
		if err != nil && schema.CodeOf(err) != schema.CodeAlreadyExists {
			return err
		}
		return nil
	})
	if n := accepted.Load(); n != 1 {
		s.Errorf("%d turns were accepted under one id", n)
	}
}

func chatRunForeign(s *suite) {
	t := s.say(s.user(), schema.SendRequest{AgentID: nyx, Message: "hello"})
	_, err := s.Chat.Run(s.user(), t.accepted.RunID)
	s.wantCode(err, schema.CodeNotFound)
	_, err = s.Chat.Cancel(s.user(), t.accepted.RunID)
	s.wantCode(err, schema.CodeNotFound)
	must1[schema.Run](s)(s.Chat.Run(s.admin(), t.accepted.RunID))
}

func chatBreak(s *suite) {
	ctx := s.user()
	var id string
	for e, err := range s.Chat.Send(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"}) {
		s.must(err)
		id = e.Accepted.RunID
		break
	}
	if run := s.runOver(ctx, id); run.Status != schema.RunCompleted {
		s.Errorf("the run nobody watched is %+v", run)
	}
}

func chatContext(s *suite) {
	ctx := s.user()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var id string
	for e, err := range s.Chat.Send(watching, schema.SendRequest{AgentID: nyx, Message: "hello"}) {
		if err != nil {
			s.wantCode(err, schema.CodeCancelled)
			break
		}
		if e.Accepted != nil {
			id = e.Accepted.RunID
			stop()
		}
	}
	if run := s.runOver(ctx, id); run.Status != schema.RunCompleted {
		s.Errorf("the run nobody watched is %+v", run)
	}
}

// chatCancel cancels while the turn may be anywhere; whatever the outcome, all views of it agree.
func chatCancel(s *suite) {
	ctx := s.user()
	for range 10 {
		id := newRunID()
		var t turn
		var err error
		var first schema.Run
		cancelled := make(chan error, 1)
		for e, sendErr := range s.Chat.Send(ctx, schema.SendRequest{RunID: id, AgentID: nyx, Message: "hello"}) {
			s.must(sendErr)
			err = errors.Join(err, t.add(boolInt(t.accepted.RunID != ""), e))
			if e.Accepted != nil {
				go func() {
					var err error
					first, err = s.Chat.Cancel(ctx, id)
					cancelled <- err
				}()
			}
		}
		s.must(errors.Join(err, <-cancelled))
		again := must1[schema.Run](s)(s.Chat.Cancel(ctx, id))
		run := s.runOver(ctx, id)
		want := map[schema.RunStatus]schema.EventType{
			schema.RunCancelled: schema.EventCancelled, schema.RunCompleted: schema.EventReply,
		}[run.Status]
		if t.last().Type != want || first.ID != id || again.Status != run.Status {
			s.Errorf("the turn ended with %s, the run is %+v", t.last().Type, run)
		}
		if run.Status == schema.RunCancelled && (run.Reason != schema.ReasonCancelled || run.FinishedAt == nil) {
			s.Errorf("the cancelled run is %+v", run)
		}
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func chatCancelFinished(s *suite) {
	ctx := s.user()
	t := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
	before := must1[schema.Run](s)(s.Chat.Run(ctx, t.accepted.RunID))
	after := must1[schema.Run](s)(s.Chat.Cancel(ctx, t.accepted.RunID))
	if after.Status != schema.RunCompleted || !sameJSON(before, after) {
		s.Errorf("cancelling a finished run made %+v of %+v", after, before)
	}
}

// chatStopAgent stops an agent that has turns to do: every accepted turn ends, and says why.
func chatStopAgent(s *suite) {
	ctx := s.user()
	accepted := make(chan struct{}, 1)
	stopped := make(chan error, 1)
	go func() {
		<-accepted
		_, err := s.Agents.Stop(s.admin(), aria)
		stopped <- err
	}()
	s.atOnce(20, func(int) error {
		t, err := send(ctx, s.Chat, schema.SendRequest{AgentID: aria, Message: "hello", ConversationID: "to-be-stopped"})
		select {
		case accepted <- struct{}{}:
		default:
		}
		if code := schema.CodeOf(err); code == schema.CodeAgentNotRunning || code == schema.CodeBusy {
			return nil
		}
		if err != nil || t.last().Type == schema.EventReply {
			return err
		}
		run, err := s.Chat.Run(ctx, t.accepted.RunID)
		if err == nil && (run.Status != schema.RunCancelled || run.Reason != schema.ReasonAgentStopped) {
			return fmt.Errorf("a turn of a stopped agent is %s because of %q", run.Status, run.Reason)
		}
		return err
	})
	s.must(<-stopped)
	s.start(aria)
	began := time.Now()
	s.say(s.user(), schema.SendRequest{AgentID: aria, Message: "hello again"})
	if took := time.Since(began); took > conform.Patience(s.T)/2 {
		s.Errorf("the first turn after a restart took %v", took)
	}
}

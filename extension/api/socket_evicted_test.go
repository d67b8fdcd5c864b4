package api_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// onceHost has one turn, whose beginning its log does not reach back to, and which every message repeats.
type onceHost struct {
	*logHost
	run   schema.Run
	over  atomic.Bool
	asked func() // before the run is read
}

// newOnceHost returns a host whose log has lost its first four events, of the turn that it has; two more of that are there,
// and others behind them.
func newOnceHost() *onceHost {
	h := &onceHost{logHost: newLogHost(1000), asked: func() {}}
	h.run = schema.Run{
		ID: "run_1", ConversationID: "c", AgentID: "nyx", Principal: "alice", Status: schema.RunRunning, Since: fakeEpoch + "-1",
	}
	h.emit(anEvent())
	for _, kind := range []schema.EventType{schema.EventQueued, schema.EventStarted, schema.EventDelta, schema.EventDelta, schema.EventDelta} {
		h.emit(h.event(kind))
	}
	h.evict(5)
	return h
}

func (h *onceHost) event(kind schema.EventType) schema.Event {
	return schema.Event{Type: kind, AgentID: "nyx", ConversationID: "c", RunID: "run_1", Principal: "alice"}
}

func (h *onceHost) end() {
	h.over.Store(true)
	h.emit(h.event(schema.EventReply))
}

func (h *onceHost) services() schema.Services {
	s := h.logHost.services()
	s.Chat = onceChat{s.Chat, h}
	return s
}

type onceChat struct {
	schema.Chat
	h *onceHost
}

func (c onceChat) Send(ctx context.Context, _ schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		schema.OnceFrom(ctx).Replay()
		since, _ := schema.ParseCursor(c.h.run.Since)
		yield(schema.ChatEvent{Accepted: &schema.Accepted{RunID: "run_1", ConversationID: "c", AgentID: "nyx", Since: since}}, nil)
	}
}

func (c onceChat) Run(_ context.Context, id string) (schema.Run, error) {
	c.h.asked()
	run := c.h.run
	if id != run.ID {
		return schema.Run{}, schema.Errorf(schema.CodeNotFound, "there is no run %s", id)
	}
	if c.h.over.Load() {
		finished := time.Unix(1_700_000_000, 0)
		run.Status, run.FinishedAt = schema.RunCompleted, &finished
		run.Reply = &schema.Message{ID: "msg_1", ConversationID: run.ConversationID, Role: schema.RoleAgent, Content: "a reply", CreatedAt: finished}
	}
	return run, nil
}

// TestRepeatedAfterEviction: of a turn to whose beginning the log does not reach back only the end is told, once, whether the
// log has it, had it, or will have it.
func TestRepeatedAfterEviction(t *testing.T) {
	for name, c := range map[string]struct {
		before, meanwhile, later func(h *onceHost)
		place                    bool
	}{
		"the log has the end":  {before: (*onceHost).end, place: true},
		"the end is to come":   {later: (*onceHost).end, place: true},
		"the end comes now":    {meanwhile: (*onceHost).end, place: true},
		"the end is gone, too": {before: func(h *onceHost) { h.end(); h.think(3); h.evict(9) }},
	} {
		for _, subscribe := range []string{"", `{"type":"subscribe"}`} {
			t.Run(name+subscribe, func(t *testing.T) {
				h := newOnceHost()
				if c.before != nil {
					c.before(h)
				}
				if c.meanwhile != nil {
					h.asked = func() { c.meanwhile(h) }
				}
				w := start(t, "", h.services())
				s := w.login("alice")
				if subscribe != "" {
					s.ask(subscribe, "subscribed")
				}
				s.ask(hello, "ack")
				if c.later != nil {
					s.ask(nothing, "unsubscribed")
					c.later(h)
				}
				f := s.want("chat:reply")
				if f.text("runId") != "run_1" || (f.text("id") != "") != c.place || (f["seq"] != nil) != c.place {
					t.Errorf("the end is %v", f)
				}
				if reply, _ := f["reply"].(map[string]any); !c.place && reply["content"] != "a reply" {
					t.Errorf("the end is %v", f)
				}
				if ack := s.ask(hello, "ack"); ack["replayed"] != true {
					t.Errorf("again: %v", ack)
				}
				head, _ := h.events.Head(context.Background())
				w.hasRead(head.String())
				s.ask(nothing, "unsubscribed")
			})
		}
	}
}

// TestRepeatedWhenNothingIsLeft: neither the log nor the runtime knows what became of the turn, and the client is told so.
func TestRepeatedWhenNothingIsLeft(t *testing.T) {
	h := newOnceHost()
	h.run.ID = "run_2"
	s := start(t, "", h.services()).login("alice")
	s.ask(hello, "ack")
	if f := s.want("error"); f.text("runId") != "run_1" || f.text("code") != string(schema.CodeNotFound) {
		t.Errorf("got %v", f)
	}
	s.ask(nothing, "unsubscribed")
}

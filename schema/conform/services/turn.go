package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/stagehouse/stagehouse/schema"
)

// turn is one turn as its sender saw it.
type turn struct {
	accepted schema.Accepted
	events   []schema.Event
}

// send makes a turn, sees it through, and checks what holds for every turn.
func send(ctx context.Context, chat schema.Chat, r schema.SendRequest) (turn, error) {
	var t turn
	steps := 0
	for e, err := range chat.Send(ctx, r) {
		if err != nil {
			return t, err
		}
		if err := t.add(steps, e); err != nil {
			return t, err
		}
		steps++
	}
	switch {
	case steps == 0:
		return t, errors.New("the turn's stream was empty")
	case len(t.events) == 0 || !t.last().Type.Terminal():
		return t, fmt.Errorf("run %s: the stream ended without a terminal event", t.accepted.RunID)
	}
	return t, nil
}

// add checks one step of a turn and keeps it.
func (t *turn) add(index int, e schema.ChatEvent) error {
	switch {
	case (e.Accepted != nil) == (e.Event != nil):
		return fmt.Errorf("step %d: not exactly one field is set", index)
	case (e.Accepted != nil) != (index == 0):
		return fmt.Errorf("step %d: accepted must be the first step and only the first", index)
	case e.Accepted != nil:
		t.accepted = *e.Accepted
		return nil
	}
	ev := *e.Event
	if ev.RunID != t.accepted.RunID || ev.ConversationID != t.accepted.ConversationID {
		return fmt.Errorf("step %d: event %s belongs to run %q in %q", index, ev.Type, ev.RunID, ev.ConversationID)
	}
	if len(t.events) > 0 {
		if last := t.last(); last.Type.Terminal() {
			return fmt.Errorf("step %d: event %s after the terminal %s", index, ev.Type, last.Type)
		} else if ev.Cursor.Seq <= last.Cursor.Seq {
			return fmt.Errorf("step %d: seq %d after %d", index, ev.Cursor.Seq, last.Cursor.Seq)
		}
	}
	t.events = append(t.events, ev)
	return nil
}

func (t *turn) last() schema.Event { return t.events[len(t.events)-1] }

// seqOf returns the sequence number of the first event of a type, or 0.
func (t *turn) seqOf(typ schema.EventType) uint64 {
	for _, e := range t.events {
		if e.Type == typ {
			return e.Cursor.Seq
		}
	}
	return 0
}

// reply returns the reply of a turn that got one.
func (t *turn) reply() (schema.Message, error) {
	if last := t.last(); last.Type != schema.EventReply {
		return schema.Message{}, fmt.Errorf("run %s ended with %s %s", t.accepted.RunID, last.Type, last.Payload)
	}
	var p schema.Reply
	err := json.Unmarshal(t.last().Payload, &p)
	return p.Reply, err
}

// say makes a turn that must be answered.
func (s *suite) say(ctx context.Context, r schema.SendRequest) turn {
	s.Helper()
	t, err := send(ctx, s.Chat, r)
	s.must(err)
	if _, err := t.reply(); err != nil {
		s.Fatalf("%v", err)
	}
	return t
}

// refused makes a turn that must not be accepted.
func (s *suite) refused(ctx context.Context, r schema.SendRequest, codes ...schema.ErrorCode) {
	s.Helper()
	t, err := send(ctx, s.Chat, r)
	s.wantCode(err, codes...)
	if t.accepted.RunID != "" {
		s.Errorf("the turn was accepted as %s", t.accepted.RunID)
	}
}

// runOver waits until a run is over and returns it.
func (s *suite) runOver(ctx context.Context, id string) schema.Run {
	s.Helper()
	var run schema.Run
	s.eventually("run "+id+" is over", func() bool {
		run = must1[schema.Run](s)(s.Chat.Run(ctx, id))
		return run.Status.Terminal()
	})
	return run
}

// atOnce runs f n times concurrently and fails the test for every error.
func (s *suite) atOnce(n int, f func(i int) error) {
	s.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	s.must(errors.Join(errs...))
}

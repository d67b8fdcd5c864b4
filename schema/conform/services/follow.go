package services

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// errEnough ends a reader that has seen what it wanted.
var errEnough = errors.New("enough")

// read follows the log from q until see returns an error, which it returns unless it is errEnough. It checks what holds
// for every reader: one epoch, strictly increasing numbers, whole events, and an end with an error only.
func read(ctx context.Context, log schema.Events, q schema.EventQuery, see func(schema.Event) error) error {
	last := q.Since
	for e, err := range log.Subscribe(ctx, q) {
		if err != nil {
			return err
		}
		if e.Type != schema.EventGap {
			if err := whole(e); err != nil {
				return err
			}
			if last.Epoch == e.Cursor.Epoch && e.Cursor.Seq <= last.Seq {
				return fmt.Errorf("event %s of seq %d after %d", e.Type, e.Cursor.Seq, last.Seq)
			}
			last = e.Cursor
		}
		if err := see(e); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	return errors.New("the subscription ended without an error")
}

// whole checks that an event has everything it needs.
func whole(e schema.Event) error {
	_, err := e.MarshalJSON()
	switch {
	case err != nil:
		return err
	case !slices.Contains(schema.EventTypes(), e.Type):
		return fmt.Errorf("event type %q is not known", e.Type)
	case e.Cursor.Epoch == "" || e.Cursor.Seq == 0 || e.Time.IsZero():
		return fmt.Errorf("event %s has cursor %q and time %v", e.Type, e.Cursor, e.Time)
	}
	return nil
}

// head returns the head of the log.
func (s *suite) head() schema.Cursor {
	s.Helper()
	return must1[schema.Cursor](s)(s.Events.Head(s.admin()))
}

// between returns every event after from, up to and including the number to, that a caller may see. It follows on behalf
// of ctx and ends at the first event at or after to, so to must be visible, or something after it must be.
func (s *suite) between(ctx context.Context, q schema.EventQuery, to uint64) []schema.Event {
	s.Helper()
	out := []schema.Event{}
	if q.Since.Seq >= to {
		return out
	}
	s.must(read(ctx, s.Events, q, func(e schema.Event) error {
		if e.Cursor.Seq <= to {
			out = append(out, e)
		}
		if e.Cursor.Seq >= to {
			return errEnough
		}
		return nil
	}))
	return out
}

// markType is what mark makes happen.
func (s *suite) markType() schema.EventType {
	if s.has(updateAgent) {
		return schema.EventUpdated
	}
	return schema.EventStatus
}

// mark makes something happen that everybody may see, and returns its place in the log.
func (s *suite) mark() uint64 {
	s.Helper()
	since := s.head()
	if s.has(updateAgent) {
		patch := schema.AgentPatch{Description: schema.Set(unique("mark"))}
		must1[schema.Agent](s)(s.Agents.Update(s.admin(), aria, patch))
	} else {
		must1[schema.Agent](s)(s.Agents.Stop(s.admin(), aria))
		since = s.head()
		s.start(aria)
	}
	var at uint64
	q := schema.EventQuery{Since: since, Agents: []string{aria}, Types: []schema.EventType{s.markType()}}
	s.must(read(s.admin(), s.Events, q, func(e schema.Event) error {
		at = e.Cursor.Seq
		return errEnough
	}))
	return at
}

// seqs returns the numbers of events.
func seqs(events []schema.Event) []uint64 {
	var out []uint64
	for _, e := range events {
		out = append(out, e.Cursor.Seq)
	}
	return out
}

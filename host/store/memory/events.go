package memory

import (
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// last returns the number of the newest event.
func (s *state) last() uint64 { return s.first + uint64(len(s.log)) - 1 }

func (s *state) eventsAfter(seq uint64) []schema.Event {
	if seq < s.first {
		return s.log
	}
	return s.log[min(seq-s.first+1, uint64(len(s.log))):]
}

// Events returns what follows a number.
func (s *state) Events(after uint64, limit int) ([]schema.Event, error) {
	all := s.eventsAfter(after)
	return slices.Clone(all[:min(limit, len(all))]), nil
}

// OldestEventSince returns the number of the first event that is not older than at, or one more than the last.
func (s *state) OldestEventSince(at time.Time) (uint64, error) {
	i := slices.IndexFunc(s.log, func(e schema.Event) bool { return !e.Time.Before(at) })
	if i < 0 {
		i = len(s.log)
	}
	return s.first + uint64(i), nil
}

// EventBounds returns the first and the last number there is.
func (s *state) EventBounds() (first, last uint64, err error) { return s.first, s.last(), nil }

// AppendEvent gives an event the next number of the log and keeps it.
func (t *tx) AppendEvent(e *schema.Event) error {
	e.Cursor = schema.Cursor{Epoch: t.epoch, Seq: t.last() + 1}
	change(t, &t.log, append(t.log, *e))
	t.events = append(t.events, *e)
	return nil
}

// EvictEvents deletes old events.
func (t *tx) EvictEvents(first uint64, limit int) (int, error) {
	n := 0
	if first = min(first, t.last()); first > t.first {
		n = min(int(first-t.first), limit)
	}
	change(t, &t.log, t.log[n:]) // the next append that needs room lets go of what is deleted
	change(t, &t.first, t.first+uint64(n))
	return n, nil
}

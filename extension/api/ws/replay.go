package ws

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the seam between what has happened and what happens.
const (
	nearHead   = 256              // events from the hub's head at which its events are kept
	maxKept    = 256              // of them, and no more bytes than a quarter of the queue
	replayWait = 30 * time.Second // for a log that cannot be read
)

// replay is how a session sends what has happened since a place in the log, and then goes over to what the hub sends:
//
//  1. It reads the log up to the hub's head, as the caller and with the filter, at the pace of the socket, again and again
//     until it is near the head. What the hub sends meanwhile is let go: it is in the log.
//  2. Near the head, and between two events, it begins to keep what the hub sends, and reads up to exactly there.
//  3. It sends what it has kept, and from then on the session has its events from the hub. If too much has come to be
//     kept, it goes on with 1.
//
// The worker alone reads the log. What it shares with the hub is guarded by session.mu.
type replay struct {
	named []string // agents; nil = every one, and events about none
	set   events
	pos   schema.Cursor // up to where the log has been read
	gap   *event        // the log does not reach back to where the client was, and pos is where it begins; nil = it does

	told  []string // turns of the socket whose frames it has been sent already, up to
	began uint64   // the number of the hub's last event when the subscription was made

	keeping bool // shared, as are the next two
	kept    []*event
	bytes   int // of kept
}

// newReplay asks whether the log reaches back to since, and prepares to go on from there.
func (s *session) newReplay(ctx context.Context, since schema.Cursor, named []string, set events) (*replay, error) {
	s.mu.Lock()
	err := s.earlier.resumable(since)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	r := &replay{named: named, set: set, pos: since}
	for e, err := range s.srv.opts.Events.Subscribe(ctx, schema.EventQuery{Since: since, Until: since}) {
		if err != nil {
			return nil, err
		}
		if r.gap = s.srv.hub.render(e, 0); r.gap == nil {
			return nil, schema.Errorf(schema.CodeInternal, "the gap in the event log cannot be encoded")
		}
		r.pos = e.Cursor
		break // nothing but a gap is after since and not after it
	}
	return r, nil
}

// begin takes note of where the hub is, and returns the head to name to the client: it may have been ahead of this hub.
func (r *replay) begin(s *session, head schema.Cursor) schema.Cursor {
	r.told, r.began = slices.Concat(s.runs, s.earlier.runs), head.Seq
	if r.gap == nil && r.pos.Seq > head.Seq {
		return r.pos
	}
	return head
}

// see is given what the hub sends meanwhile. room is for what is kept, in bytes.
func (r *replay) see(e *event, room int) {
	if !r.keeping {
		return
	}
	if r.bytes += len(e.json) + frameCost; r.bytes > room || len(r.kept) == maxKept {
		r.keeping, r.kept = false, nil
		return
	}
	r.kept = append(r.kept, e)
}

// catchUp carries the replay out. It returns when the session has its events from the hub, or is to end. While the log
// cannot be read it tries again; in the end the client is told to come again, which it can, from where it is.
func (s *session) catchUp(id []byte, r *replay) {
	joined := false
	defer func() { // and not only when it returns: a panic must not leave a socket that is sent nothing
		if !joined && !s.isLeaving() {
			s.out.finish(farewell{code: CloseRestart, reason: "the event log cannot be read; connect again"})
		}
	}()
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = firstRetry, lastRetry
	for giveUp := time.Now().Add(replayWait); !s.over() && !s.isLeaving(); {
		from := r.pos
		err := s.tellBacklogs()
		if err == nil && s.stopping() {
			return
		}
		last := false
		if err == nil {
			last, err = s.goOn(r)
		}
		if err == nil && last && !s.isLeaving() {
			if joined = s.join(r); joined {
				return
			}
		}
		if err == nil || r.pos != from {
			giveUp = time.Now().Add(replayWait)
			retry.Reset()
		}
		if err == nil {
			continue
		}
		if time.Now().After(giveUp) {
			s.fail(id, err)
			return
		}
		s.idle(retry.NextBackOff())
	}
}

// goOn sends the next stretch of what has happened, and reports whether it was the last one.
func (s *session) goOn(r *replay) (last bool, err error) {
	to, last := s.stage(r)
	return last, s.stretch(r, to)
}

// over reports whether the session is to end.
func (s *session) over() bool { return s.ctx.Err() != nil || s.out.finishing() }

func (s *session) idle(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.leaving:
	case <-s.out.ended:
	case <-s.ctx.Done():
	}
}

// stage says up to where to read next. The last time, everything after it is kept.
func (s *session) stage(r *replay) (to schema.Cursor, last bool) {
	if head := s.srv.hub.head(); head.Seq > r.pos.Seq+nearHead {
		return head, false
	}
	s.srv.hub.between(func(head schema.Cursor) {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.keeping, r.kept, r.bytes = true, nil, 0
		to = head
	})
	return to, true
}

// stretch sends what there is from where the replay is up to a place.
func (s *session) stretch(r *replay, to schema.Cursor) error {
	caller, _ := s.who()
	q, some := s.query(r, to)
	if some {
		for e, err := range s.srv.opts.Events.Subscribe(schema.WithCaller(s.ctx, caller), q) {
			if err != nil {
				return err
			}
			if s.wait(s.out.laden); s.over() || s.isLeaving() {
				return nil
			}
			s.repeat(r, e)
		}
	}
	if to.Seq > r.pos.Seq {
		r.pos = to
	}
	return nil
}

// query returns what to ask the log for; some is false if that cannot be anything.
func (s *session) query(r *replay, to schema.Cursor) (q schema.EventQuery, some bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q = schema.EventQuery{Since: r.pos, Until: to}
	switch {
	case to.Seq <= r.pos.Seq:
		return q, false
	case len(s.runs) > 0: // whose frames come whatever the filter
		return q, true
	case r.set == 0, r.named != nil && len(r.named) == 0: // an empty list asks the log for everything
		return q, false
	}
	q.Agents = r.named
	if r.set != s.srv.catalogue.all {
		q.Types = s.srv.catalogue.list(r.set)
	}
	return q, true
}

// repeat sends an event that has happened, unless the socket has got it before it subscribed.
func (s *session) repeat(r *replay, e schema.Event) {
	s.mu.Lock()
	prev := s.last.Seq
	s.mu.Unlock()
	rendered := s.srv.hub.render(e, prev) // while the hub need not wait, which has nothing to send here
	s.mu.Lock()
	defer s.mu.Unlock()
	r.pos = e.Cursor
	if rendered == nil || e.Cursor.Seq <= r.began && s.srv.catalogue.ofTurn(rendered) && slices.Contains(r.told, e.RunID) {
		return
	}
	s.passLocked(rendered)
}

// join sends what was kept and ends the replay. It reports whether it did: it does not when too much has happened.
func (s *session) join(r *replay) bool {
	s.wait(s.out.laden)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.keeping {
		return false
	}
	for _, e := range r.kept {
		s.passLocked(e)
	}
	s.replay = nil
	return true
}

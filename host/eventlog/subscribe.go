package eventlog

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

const (
	storePage = 256  // events read from the store at once
	tailScan  = 2048 // events of the tail looked at while the log is locked
)

// follower is one running subscription.
type follower struct {
	log    *Log
	caller schema.Caller
	filter schema.EventQuery
	signal chan struct{} // of capacity 1

	// pending is the number of the first event that was published and matches since the reader was last up to date, 0 if
	// there is none. A reader that is up to date goes on from there, and not from where it was: what lies between is none of
	// its business, and may have left the tail. The publisher sets it with the log locked, the reader clears it with the log
	// locked for reading.
	pending uint64
}

// notify tells the follower of a new event, if it matches or if it is where the follower ends. The log is locked.
func (f *follower) notify(e *schema.Event) {
	if f.pending == 0 && (f.matches(e) || f.ended(e.Cursor.Seq)) {
		f.pending = e.Cursor.Seq
		f.wake()
	}
}

func (f *follower) wake() {
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

func (f *follower) matches(e *schema.Event) bool {
	q := &f.filter
	return (q.RunID == "" || q.RunID == e.RunID) &&
		(len(q.Types) == 0 || slices.Contains(q.Types, e.Type)) &&
		(len(q.Agents) == 0 || e.AgentID != "" && slices.Contains(q.Agents, e.AgentID)) &&
		f.caller.MaySee(e.Principal)
}

// ended reports whether nothing after that number is wanted.
func (f *follower) ended(seq uint64) bool {
	u, since := f.filter.Until, f.filter.Since
	nothing := u.Epoch == since.Epoch && u.Seq <= since.Seq || u.Epoch != f.log.epoch
	return !u.IsZero() && (nothing || seq >= u.Seq)
}

// beyond reports whether an event comes after the last one that is wanted. A gap never does: it tells of what came before.
func (f *follower) beyond(e *schema.Event) bool {
	return e.Type != schema.EventGap && f.ended(e.Cursor.Seq-1)
}

// Subscribe replays what follows q.Since and then follows. "Now" is the moment of this call, not of the first step of the
// loop. Ranging over the sequence again begins again.
func (l *Log) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	l.mu.RLock()
	if q.Since.IsZero() {
		q.Since = l.cursor(l.tail.last)
	}
	l.mu.RUnlock()
	return func(yield func(schema.Event, error) bool) {
		f := &follower{log: l, caller: schema.CallerFrom(ctx), filter: q, signal: make(chan struct{}, 1)}
		l.add(f)
		defer l.remove(f)
		f.run(ctx, yield)
	}
}

// run yields until the consumer stops, something ends the subscription, or it has come to its end.
func (f *follower) run(ctx context.Context, yield func(schema.Event, error) bool) {
	pos, gap := f.begin()
	if gap != nil && !yield(*gap, nil) {
		return
	}
	for !f.ended(pos) {
		if err := ctx.Err(); err != nil {
			yield(schema.Event{}, cancelled(err))
			return
		}
		events, next, current, err := f.read(ctx, pos)
		if err != nil {
			yield(schema.Event{}, err)
			return
		}
		for i := range events {
			if f.beyond(&events[i]) || !yield(events[i], nil) {
				return
			}
		}
		pos = next
		if !current || f.ended(pos) {
			continue
		}
		if pos, err = f.wait(ctx); err != nil {
			yield(schema.Event{}, err)
			return
		}
	}
}

func cancelled(err error) error {
	return schema.Errorf(schema.CodeOf(err), "the subscription was ended by its reader: %w", err)
}

// unreadable says that the store failed, and leaves out how: that is for whoever runs it, and stands in the cause.
func unreadable(err error) error {
	var known *schema.Error
	if errors.As(err, &known) {
		return known
	}
	return &schema.Error{
		Code: schema.CodeInternal, Message: "the event log cannot be read; subscribe again from the last event's id", Cause: err,
	}
}

func closed() error {
	return schema.Errorf(schema.CodeUnavailable, "the event log is closing; subscribe again from the last event's id")
}

// begin returns the number after which the reader goes on, and a gap if that is not where it asked to go on.
func (f *follower) begin() (uint64, *schema.Event) {
	l := f.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	since := f.filter.Since
	if since.Epoch == l.epoch && since.Seq <= l.tail.last && since.Seq+1 >= l.first {
		return since.Seq, nil
	}
	return l.first - 1, l.gap(since)
}

// gap says that there is nothing between requested and the oldest event. The log is locked. Its own cursor is just before
// that event, so that a client may go on from it.
func (l *Log) gap(requested schema.Cursor) *schema.Event {
	return &schema.Event{
		Type:   schema.EventGap,
		Cursor: l.cursor(l.first - 1),
		Payload: schema.NewPayload(schema.Gap{
			Requested: requested.String(), FirstAvailable: l.cursor(l.first).String(), Head: l.cursor(l.tail.last).String(),
		}),
	}
}

// read returns matching events after pos, the number up to which it looked, and whether that is the end of the log.
func (f *follower) read(ctx context.Context, pos uint64) (events []schema.Event, next uint64, current bool, err error) {
	events, next, current, ok := f.readTail(pos)
	if !ok {
		events, next, err = f.readStore(ctx, pos)
	}
	return events, next, current, err
}

func (f *follower) readTail(pos uint64) (events []schema.Event, next uint64, current, ok bool) {
	l := f.log
	l.mu.RLock()
	defer l.mu.RUnlock()
	if !l.tail.holds(pos) {
		return nil, pos, false, false
	}
	next = min(l.tail.last, pos+tailScan)
	for seq := pos + 1; seq <= next; seq++ {
		if e := l.tail.at(seq); f.matches(e) {
			events = append(events, *e)
		}
	}
	if next == l.tail.last {
		f.pending, current = 0, true
	}
	return events, next, current, true
}

// readStore reads a page from the store. If its beginning was evicted in the meantime, the gap comes first.
func (f *follower) readStore(ctx context.Context, pos uint64) ([]schema.Event, uint64, error) {
	l := f.log
	page, err := l.store.Events(ctx, pos, storePage)
	if ctx.Err() != nil {
		return nil, pos, cancelled(ctx.Err())
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case err != nil && l.closed:
		return nil, pos, closed()
	case err != nil:
		return nil, pos, unreadable(err)
	case len(page) == 0:
		return nil, pos, schema.Errorf(schema.CodeInternal, "read event log: nothing after event %s, and the newest is %s",
			l.cursor(pos), l.cursor(l.tail.last))
	}
	var events []schema.Event
	if first := page[0].Cursor.Seq; first != pos+1 {
		l.first = max(l.first, first)
		events = append(events, *l.gap(l.cursor(pos)))
	}
	last := pos
	for i := range page {
		// What a commit has written and Publish has not shown yet is not there yet: others may not have seen it either.
		if page[i].Cursor.Seq > l.tail.last {
			break
		}
		last = page[i].Cursor.Seq
		if f.matches(&page[i]) {
			events = append(events, page[i])
		}
	}
	return events, last, nil
}

// wait returns when there is something new for a reader that is up to date, with the number after which to go on.
func (f *follower) wait(ctx context.Context) (uint64, error) {
	l := f.log
	for {
		l.mu.RLock()
		next, ended := f.pending, l.closed
		l.mu.RUnlock()
		switch {
		case next > 0:
			return next - 1, nil
		case ended:
			return 0, closed()
		}
		select {
		case <-f.signal:
		case <-ctx.Done():
			return 0, cancelled(ctx.Err())
		}
	}
}

// Package eventlog shows the events of a store to whoever follows them: first what has happened, then what happens,
// without a seam between the two, each event once and in the order of the log.
//
// It stores nothing and numbers nothing. A store gives events their numbers durably and then hands them to [Log.Publish];
// the log keeps the newest ones in memory and wakes those who wait for them. A reader that falls behind what is in memory
// reads from the store, at its own pace: it delays nobody and misses nothing.
//
// A runtime whose state is in a store.Store, in a database or in memory, has the whole of it by [Open], with the eviction of
// what is too old. Any other runtime writes the one method of [Store], and makes its log by [New].
package eventlog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the events that are kept in memory for readers who are nearly up to date.
const (
	DefaultTailEvents = 8192
	DefaultTailBytes  = 16 << 20 // of payload
)

// Store is where the events are.
type Store interface {
	// Events returns up to limit events with a number above after, in order. Numbers have no holes but for what was evicted
	// from the beginning.
	Events(ctx context.Context, after uint64, limit int) ([]schema.Event, error)
}

// StoreFunc is a Store that is a function.
type StoreFunc func(ctx context.Context, after uint64, limit int) ([]schema.Event, error)

// Events calls f.
func (f StoreFunc) Events(ctx context.Context, after uint64, limit int) ([]schema.Event, error) {
	return f(ctx, after, limit)
}

// State is where a log stands when it is opened.
type State struct {
	Epoch string // identifies the log; the store made it once
	First uint64 // number of the oldest event there is, or Last+1 if there is none
	Last  uint64 // number of the newest event, 0 if there never was one
}

// Log follows one store. All methods are safe for concurrent use. It implements schema.Events.
type Log struct {
	store Store
	epoch string

	mu     sync.RWMutex
	first  uint64 // oldest event in the store
	tail   tail   // its end is the head of the log
	all    map[*follower]struct{}
	byRun  map[string]map[*follower]struct{} // those who follow one run only, without an end of their own
	closed bool

	retention retention // of Open
	evictor   *evictor  // nil unless the log was made by Open
}

var _ schema.Events = (*Log)(nil)

// Option changes how a Log is made.
type Option func(*Log)

// WithTail bounds what is kept in memory: at most that many events, and at most that many bytes of payload.
// Default: DefaultTailEvents and DefaultTailBytes.
func WithTail(events, bytes int) Option {
	return func(l *Log) { l.tail.maxEvents, l.tail.maxBytes = events, bytes }
}

// New returns a log that stands at s.
func New(store Store, s State, opts ...Option) *Log {
	l := &Log{
		store: store, epoch: s.Epoch, first: s.First,
		tail:  tail{last: s.Last, maxEvents: DefaultTailEvents, maxBytes: DefaultTailBytes},
		all:   map[*follower]struct{}{},
		byRun: map[string]map[*follower]struct{}{},

		retention: retention{events: DefaultRetainEvents, now: time.Now, log: slog.New(slog.DiscardHandler)},
	}
	for _, o := range opts {
		o(l)
	}
	return l
}

// Publish shows events that are durable. The numbers must follow on from those of the call before; calls are made one at a
// time. It never waits for a reader.
func (l *Log) Publish(events []schema.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := &events[i]
		l.tail.append(*e)
		for f := range l.all {
			f.notify(e)
		}
		for f := range l.byRun[e.RunID] {
			f.notify(e)
		}
	}
}

// Evicted says that the store holds nothing before first any more.
func (l *Log) Evicted(first uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first = max(l.first, first)
}

// Head returns the cursor of the newest event.
func (l *Log) Head(context.Context) (schema.Cursor, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.cursor(l.tail.last), nil
}

// Close ends every subscription, with CodeUnavailable, after what it has not read yet. It waits for none of them. Nothing is
// deleted from a store any more when it returns.
func (l *Log) Close() {
	if l.evictor != nil {
		l.evictor.close()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for f := range l.all {
		f.wake()
	}
	for _, fs := range l.byRun {
		for f := range fs {
			f.wake()
		}
	}
}

func (l *Log) cursor(seq uint64) schema.Cursor { return schema.Cursor{Epoch: l.epoch, Seq: seq} }

func (l *Log) add(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if run := f.filter.RunID; run == "" || !f.filter.Until.IsZero() {
		l.all[f] = struct{}{}
	} else {
		if l.byRun[run] == nil {
			l.byRun[run] = map[*follower]struct{}{}
		}
		l.byRun[run][f] = struct{}{}
	}
}

func (l *Log) remove(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.all, f)
	run := f.filter.RunID
	delete(l.byRun[run], f)
	if len(l.byRun[run]) == 0 {
		delete(l.byRun, run)
	}
}

package eventlog

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
)

const (
	evictSlack = 4096 // events beyond what is retained before any is deleted, so that it does not happen at every commit
	evictChunk = 1024 // events deleted in one transaction, so that others need not wait long

	evictOften  = 10 * time.Millisecond // how often it is looked for events that are too old: at most,
	evictSeldom = time.Minute           // and at least
)

// evictor deletes the oldest events when there are more than shall be retained, and those that are too old. It owns one
// goroutine.
type evictor struct {
	store  store.Store
	events *Log
	retain uint64
	age    time.Duration // 0 = no event is too old
	now    func() time.Time
	log    *slog.Logger
	first  uint64 // oldest event; only the goroutine touches it
	last   atomic.Uint64
	signal chan struct{} // of capacity 1
	cancel context.CancelFunc
	done   chan struct{}
}

func newEvictor(s store.Store, l *Log, at State, r retention) *evictor {
	ctx, cancel := context.WithCancel(context.Background())
	e := &evictor{
		store: s, events: l, retain: uint64(r.events), age: r.age, now: r.now, log: r.log,
		first: at.First, signal: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	go e.run(ctx)
	e.grown(at.Last)
	return e
}

// grown says how far the log goes. It does not block.
func (e *evictor) grown(last uint64) {
	e.last.Store(last)
	select {
	case e.signal <- struct{}{}:
	default:
	}
}

func (e *evictor) close() {
	e.cancel()
	<-e.done
}

func (e *evictor) run(ctx context.Context) {
	defer close(e.done)
	var clock <-chan time.Time
	if e.age > 0 {
		t := time.NewTicker(min(max(e.age/10, evictOften), evictSeldom))
		defer t.Stop()
		clock = t.C
		e.evictOld(ctx)
	}
	for {
		select {
		case <-e.signal:
			e.evictMany(ctx)
		case <-clock:
			e.evictOld(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// evictMany deletes what is more than shall be retained.
func (e *evictor) evictMany(ctx context.Context) {
	last := e.last.Load()
	slack := min(evictSlack, e.retain/4)
	if last >= e.first+e.retain+slack {
		e.evict(ctx, last-e.retain+1)
	}
}

// evictOld deletes what is too old, up to the first event that is not: the log has no holes, whatever the clock did.
func (e *evictor) evictOld(ctx context.Context) {
	var keep uint64
	err := e.store.View(ctx, func(r store.Reader) (err error) {
		keep, err = r.OldestEventSince(e.now().Add(-e.age))
		return err
	})
	if err != nil {
		e.failed(ctx, err)
		return
	}
	e.evict(ctx, keep)
}

// evict deletes the events before keep, but never the newest one.
func (e *evictor) evict(ctx context.Context, keep uint64) {
	for e.first < keep && ctx.Err() == nil {
		n := 0
		err := e.store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.EvictEvents(keep, evictChunk)
			return err
		})
		if err != nil {
			e.failed(ctx, err)
			return
		}
		if n == 0 {
			return
		}
		e.first += uint64(n)
		e.events.Evicted(e.first)
	}
}

func (e *evictor) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		e.log.Error("cannot delete old events; trying again later", "error", err)
	}
}

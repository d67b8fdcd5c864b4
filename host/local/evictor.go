package local

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/store"
)

const (
	evictSlack = 4096 // events beyond what is retained before any is deleted, so that it does not happen at every commit
	evictChunk = 1024 // events deleted in one transaction, so that others need not wait long
)

// evictor deletes the oldest events when there are more than shall be retained. It owns one goroutine.
type evictor struct {
	store  store.Store
	events *eventlog.Log
	retain uint64
	log    *slog.Logger
	first  uint64 // oldest event; only the goroutine touches it
	last   atomic.Uint64
	signal chan struct{} // of capacity 1
	cancel context.CancelFunc
	done   chan struct{}
}

func newEvictor(s store.Store, l *eventlog.Log, retain int, at eventlog.State, log *slog.Logger) *evictor {
	ctx, cancel := context.WithCancel(context.Background())
	e := &evictor{
		store: s, events: l, retain: uint64(retain), log: log, first: at.First,
		signal: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
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
	for {
		select {
		case <-e.signal:
			e.evict(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (e *evictor) evict(ctx context.Context) {
	last := e.last.Load()
	slack := min(evictSlack, e.retain/4)
	if last < e.first+e.retain+slack {
		return
	}
	for keep := last - e.retain + 1; e.first < keep && ctx.Err() == nil; {
		n := 0
		err := e.store.Update(ctx, func(tx store.Tx) (err error) {
			n, err = tx.EvictEvents(keep, evictChunk)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				e.log.Error("cannot delete old events; trying again when there are new ones", "error", err)
			}
			return
		}
		if n == 0 {
			return
		}
		e.first += uint64(n)
		e.events.Evicted(e.first)
	}
}

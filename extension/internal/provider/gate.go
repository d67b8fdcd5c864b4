package provider

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// gate lets so many in at a time. Of the others so many wait, and are let in in the order in which they came.
type gate struct {
	open    int // how many are in at most
	waiting int // how many wait at most

	mu    sync.Mutex
	in    int
	queue list.List // of chan struct{}, which is closed for who is let in
}

func newGate(open, waiting int) *gate { return &gate{open: open, waiting: waiting} }

// enter returns when the caller is in, who leaves once. CodeBusy: too many wait already. The error of ctx, which ends the waiting.
func (g *gate) enter(ctx context.Context) error {
	turn, mine, err := g.join()
	if turn == nil {
		return err
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn: // let in at the same moment, so that somebody else has to have the place
		g.next()
	default:
		g.queue.Remove(mine)
	}
	return context.Cause(ctx)
}

// join returns nil for the turn if the caller is in, or may not even wait.
func (g *gate) join() (turn chan struct{}, mine *list.Element, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.in < g.open:
		g.in++
		return nil, nil, nil
	case g.queue.Len() >= g.waiting:
		err := schema.Errorf(schema.CodeBusy, "%d steps ask the server already, and %d wait for their turn", g.in, g.queue.Len())
		err.RetryAfter = time.Second
		return nil, nil, err
	}
	turn = make(chan struct{})
	return turn, g.queue.PushBack(turn), nil
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next()
}

// next gives the place of one who leaves to who waits longest.
func (g *gate) next() {
	first := g.queue.Front()
	if first == nil {
		g.in--
		return
	}
	close(g.queue.Remove(first).(chan struct{}))
}

// load returns how many are in, and how many wait.
func (g *gate) load() (in, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.in, g.queue.Len()
}

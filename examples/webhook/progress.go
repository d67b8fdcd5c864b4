package main

import (
	"sync"

	"github.com/stagehouse/stagehouse/sdk"
)

// skipped is how many events that nobody wants are read before it is worth saving that.
const skipped = 1000

// place is an event that was read and is to be delivered.
type place struct {
	event sdk.Event
	done  bool
}

// progress knows up to where everything was delivered, while later events may be delivered before earlier ones of other agents.
type progress struct {
	changed chan struct{} // of capacity 1: upTo has grown

	mu      sync.Mutex
	base    sdk.Cursor // everything up to here is done
	last    sdk.Cursor // everything up to here was read
	pending []*place   // what was read after base and is not done, or stands after such, in order
	skips   int
}

func newProgress(from sdk.Cursor) *progress {
	return &progress{changed: make(chan struct{}, 1), base: from, last: from}
}

// read returns where to go on reading.
func (p *progress) read() sdk.Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// upTo returns where to go on after a restart.
func (p *progress) upTo() sdk.Cursor {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base
}

// add takes note of an event that is to be delivered.
func (p *progress) add(e sdk.Event) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := &place{event: e}
	p.last, p.pending = e.Cursor, append(p.pending, at)
	return at
}

// skip takes note of an event that is not.
func (p *progress) skip(c sdk.Cursor) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = c
	if len(p.pending) == 0 {
		p.base = c
	}
	if p.skips++; p.skips%skipped == 0 {
		p.tell()
	}
}

// done takes note that an event is delivered.
func (p *progress) done(at *place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at.done = true
	for len(p.pending) > 0 && p.pending[0].done {
		p.base, p.pending = p.pending[0].event.Cursor, p.pending[1:]
	}
	if len(p.pending) == 0 {
		p.base = p.last
	}
	p.tell()
}

// tell wakes who saves.
func (p *progress) tell() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

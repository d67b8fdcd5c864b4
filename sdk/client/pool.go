package client

import (
	"sync"
	"time"
)

// Bounds of the sockets that wait for the next message.
const (
	maxIdle     = 8
	idleTimeout = time.Minute
)

// pool keeps sockets between two turns. Each carries one turn at a time, so that a turn that is read slowly holds up no other.
// The zero pool is empty.
type pool struct {
	mu     sync.Mutex
	idle   map[*talk]*time.Timer
	closed bool
}

// put keeps a socket, or closes it if there are enough.
func (p *pool) put(t *talk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle {
		t.close()
		return
	}
	if p.idle == nil {
		p.idle = map[*talk]*time.Timer{}
	}
	p.idle[t] = time.AfterFunc(idleTimeout, func() {
		if p.remove(t) {
			t.close()
		}
	})
}

// take returns a socket that still stands, or nil. A frame that has come for nobody can only be about its end.
func (p *pool) take() *talk {
	for {
		t := p.any()
		if t == nil {
			return nil
		}
		select {
		case <-t.frames:
			t.close()
		default:
			return t
		}
	}
}

func (p *pool) any() *talk {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, timer := range p.idle {
		timer.Stop()
		delete(p.idle, t)
		return t
	}
	return nil
}

func (p *pool) remove(t *talk) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.idle[t]
	delete(p.idle, t)
	return there
}

// close closes what is kept, and everything that is put from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for t, timer := range p.idle {
		timer.Stop()
		t.close()
	}
	p.idle = nil
}

package client

import (
	"sync"
	"time"
)

// Bounds of the sockets that wait for the next message.
const (
	maxIdle     = 8
	idleTimeout = time.Minute // so that the place which a socket holds is not an old one
)

// pool keeps sockets between two turns. Each carries one turn at a time, so that a turn that is read slowly holds up no other.
// The zero pool is empty.
type pool struct {
	mu     sync.Mutex
	idle   map[*follower]*time.Timer
	closed bool
}

// put keeps a socket, or closes it if there are enough.
func (p *pool) put(f *follower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdle {
		f.close()
		return
	}
	if p.idle == nil {
		p.idle = map[*follower]*time.Timer{}
	}
	p.idle[f] = time.AfterFunc(idleTimeout, func() {
		if p.remove(f) {
			f.close()
		}
	})
}

// take returns a socket that still stands, or nil. A frame that has come for nobody can only be about its end.
func (p *pool) take() *follower {
	for {
		f := p.any()
		if f == nil {
			return nil
		}
		select {
		case <-f.sock.frames:
			f.close()
		default:
			return f
		}
	}
}

func (p *pool) any() *follower {
	p.mu.Lock()
	defer p.mu.Unlock()
	for f, timer := range p.idle {
		timer.Stop()
		delete(p.idle, f)
		return f
	}
	return nil
}

func (p *pool) remove(f *follower) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, there := p.idle[f]
	delete(p.idle, f)
	return there
}

// close closes what is kept, and everything that is put from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for f, timer := range p.idle {
		timer.Stop()
		f.close()
	}
	p.idle = nil
}

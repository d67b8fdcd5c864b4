// Package inflight counts the calls of a process that is to go away once they are over. Both sides of the boundary count:
// the process, so that it finishes what it has, and the host, so that it ends the process only when it has the answers, which
// are on their way for a moment after the process is done with them.
package inflight

import (
	"context"
	"sync"
)

// Calls counts what has begun and not ended, until it is closed and idle. The zero value is ready; it may be used concurrently.
type Calls struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when it is closed and n is 0; nil before
}

// Begin reports whether a call may begin; who does calls End.
func (c *Calls) Begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.n++
	return true
}

// End ends a call that began.
func (c *Calls) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.idle)
	}
}

// Close lets no call begin any more. Only the first one does something.
func (c *Calls) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed, c.idle = true, make(chan struct{})
	if c.n == 0 {
		close(c.idle)
	}
}

// Wait waits until all have ended or ctx is done, and returns how many have not. It is called after Close.
func (c *Calls) Wait(ctx context.Context) int {
	select {
	case <-c.idle:
		return 0
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.n
	}
}

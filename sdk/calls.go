package sdk

import (
	"context"
	"sync"
)

// calls counts what was called and has not returned, until it is closed.
type calls struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when it is closed and n is 0; nil before
}

// begin reports whether a call may begin; who does calls end.
func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.n++
	return true
}

func (c *calls) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.idle)
	}
}

// close lets no call begin any more.
func (c *calls) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.idle = true, make(chan struct{})
	if c.n == 0 {
		close(c.idle)
	}
}

// wait waits until all have returned or ctx is done, and returns how many have not. It is called after close.
func (c *calls) wait(ctx context.Context) int {
	select {
	case <-c.idle:
		return 0
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.n
	}
}

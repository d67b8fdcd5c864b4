package apitest

import (
	"io"
	"sync"
)

// heard is what came from one side, until it is read. Writing never waits: who talks is not held up by who reads along.
type heard struct {
	mu      sync.Mutex
	changed *sync.Cond
	unread  []byte
	written int // bytes in all
	settled int // of these, how many its reader had, and was done with, when it came for more
	closed  bool
	left    bool // its reader does not come for more
}

func newHeard() *heard {
	h := &heard{}
	h.changed = sync.NewCond(&h.mu)
	return h
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unread = append(h.unread, b...)
	h.written += len(b)
	h.changed.Broadcast()
	return len(b), nil
}

// close says that there is no more.
func (h *heard) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.changed.Broadcast()
}

// leave says that its reader does not want more.
func (h *heard) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = true
	h.changed.Broadcast()
}

// Read waits for something to read. It is for one reader.
func (h *heard) Read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = h.written - len(h.unread)
	h.changed.Broadcast()
	for len(h.unread) == 0 {
		if h.closed {
			return 0, io.EOF
		}
		h.changed.Wait()
	}
	n := copy(b, h.unread)
	h.unread = h.unread[n:]
	return n, nil
}

// settle waits until its reader is done with what is there now, as far as that can be: with whole messages.
func (h *heard) settle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for now := h.written; h.settled < now && !h.left; {
		h.changed.Wait()
	}
}

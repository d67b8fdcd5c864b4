package ws

import (
	"context"
	"time"
)

// Waits of a drain, and what refused clients are told to wait.
const (
	drainRetry = time.Second      // until a successor may be asked
	fullRetry  = 5 * time.Second  // until a socket may be free
	cutWait    = 2 * closeTimeout // for the sessions to end after they have been cut off
)

// drain closes every socket and waits until all sessions have ended. The first call sets the code.
func (h *hub) drain(ctx context.Context, code int) error {
	h.mu.Lock()
	if h.draining == 0 {
		h.draining = code
		if len(h.sessions) == 0 {
			close(h.empty)
		}
		goodbye := encode(drainingFrame{Type: "server:draining", RetryAfterMs: drainRetry.Milliseconds()})
		for _, s := range h.sessions {
			s.out.put(goodbye)
			s.out.finish(farewell{code: h.draining, reason: drainReason(code)})
		}
	}
	h.mu.Unlock()
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
	}
	h.cut()
	select {
	case <-h.empty:
	case <-time.After(cutWait):
	}
	return ctx.Err()
}

// cut ends every session without a word.
func (h *hub) cut() {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, s := range h.sessions {
		s.cut()
	}
}

func drainReason(code int) string {
	if code == CloseShutdown {
		return "the host is shutting down"
	}
	return "the server restarts; connect again"
}

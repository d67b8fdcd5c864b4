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

// drain closes every socket, tells the guests, and waits until all sessions have ended. The first call sets the code.
func (h *hub) drain(ctx context.Context, code int) error {
	h.mu.Lock()
	if h.draining == 0 {
		h.draining = code
		if len(h.sessions) == 0 {
			h.emptied.Do(func() { close(h.empty) })
		}
		for _, s := range h.sessions {
			s.drain(code)
		}
		h.dismissLocked()
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

// drain tells the client that the server goes, and from where it can follow events at the next one.
func (s *session) drain(code int) {
	s.mu.Lock() // whatever is queued before the frame is before the place that it names
	defer s.mu.Unlock()
	goodbye := drainingFrame{Type: frameDraining, RetryAfterMs: drainRetry.Milliseconds()}
	if !s.subs.empty() {
		goodbye.Resume = s.sentLocked().String()
	}
	s.out.put(encode(goodbye))
	s.out.finish(farewell{code: code, reason: drainReason(code)})
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

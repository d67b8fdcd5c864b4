package ws

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// How the tokens of open sockets are checked again.
const (
	// With the second for which Options.Authenticate may remember a good token, a socket outlives its token by 1.5 s at the
	// most; and a host is asked once a second.
	recheckEvery   = 500 * time.Millisecond
	recheckTimeout = 2 * time.Second // of one question
	recheckers     = 8               // questions at a time
)

// recheck asks again and again, until ctx ends, whether the tokens of open sockets are still good: once for all the sockets
// of a token, and in nobody's way, least of all the hub's.
func (s *Server) recheck(ctx context.Context) {
	again := time.NewTicker(recheckEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			s.recheckAll(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// recheckAll asks about every token, a few at a time, and returns when all has been answered.
func (s *Server) recheckAll(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	slots := make(chan struct{}, recheckers)
	for token, holders := range s.hub.tokens() {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asking.Go(func() {
			defer func() { <-slots }()
			caller, err := s.ask(ctx, token)
			for _, held := range holders {
				held.settle(token, caller, err)
			}
		})
	}
}

// ask asks about one token. A panic means that nothing is known.
func (s *Server) ask(ctx context.Context, token string) (caller schema.Caller, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.opts.Logger.Error("panic while a token was checked", "panic", v, "stack", string(debug.Stack()))
			err = schema.Errorf(schema.CodeInternal, "panic")
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, recheckTimeout)
	defer cancel()
	return s.opts.Authenticate(ctx, token)
}

// holder is what rests on a token: a session, or a guest.
type holder interface {
	settle(token string, caller schema.Caller, err error) bool
}

// tokens returns what is open by the token that it rests on; those without one are left out.
func (h *hub) tokens() map[string][]holder {
	h.mu.RLock()
	defer h.mu.RUnlock()
	by := map[string][]holder{}
	for _, s := range h.sessions {
		if token := s.credential(); token != "" {
			by[token] = append(by[token], s)
		}
	}
	for g := range h.guests {
		if token := g.Token(); token != "" {
			by[token] = append(by[token], guest{g})
		}
	}
	return by
}

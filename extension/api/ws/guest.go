package ws

import "github.com/stagehouse/stagehouse/schema"

// Guest is something else that stays open like a socket and rests on a token: an event stream over HTTP. It takes the
// place of a socket (Limits.Sockets), its token is checked again as theirs are, and it is told when the server goes. No
// method may wait for anything; Settle and Leave may be called at the same time, and after the guest has gone.
type Guest interface {
	// Token returns the token that the guest rests on, "" where authentication is off. It never changes.
	Token() string
	// Settle says what has become of the token: who is behind it now, or, with CodeUnauthenticated, that it is valid no
	// longer. Any other error means that nothing is known.
	Settle(caller schema.Caller, err error)
	// Leave says that the server is going.
	Leave()
}

// Welcome gives a guest its place until left is called. The error, which is an *schema.Error, means that there is none. A
// guest that comes when the server is going is told so at once.
func (s *Server) Welcome(g Guest) (left func(), err error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.fullLocked(); err != nil {
		return nil, err
	}
	h.guests[g] = struct{}{}
	if h.dismissed {
		g.Leave()
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.guests, g)
	}, nil
}

// Dismiss tells the guests that the server is going, and those who are still to come. Drain does so too.
func (s *Server) Dismiss() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.dismissLocked()
}

func (h *hub) dismissLocked() {
	h.dismissed = true
	for g := range h.guests {
		g.Leave()
	}
}

// guest is a Guest where sessions are.
type guest struct{ Guest }

func (g guest) settle(_ string, caller schema.Caller, err error) bool {
	g.Settle(caller, err)
	return true
}

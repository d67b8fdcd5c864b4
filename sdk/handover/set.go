package handover

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// settle is how often connections that are still open are looked at while the process leaves: a server may have been
// between two of its own steps the last time.
const settle = 20 * time.Millisecond

// Set is all listeners of one process and their connections. It is safe for concurrent use.
type Set struct {
	log     *slog.Logger
	serving <-chan struct{}
	leaving chan struct{}
	grace   time.Duration

	to    atomic.Pointer[sender] // set before leaving is closed
	since atomic.Int64           // when it was closed, in nanoseconds of Unix time
	moved atomic.Int64

	words    words
	arrivals arrivals

	full sync.Once // told that a connection could not be taken

	mu        sync.Mutex
	listeners []*Listener
	conns     map[*Conn]struct{} // those that are not detached
	emptied   chan struct{}      // closed when somebody waits and conns is empty
	sessions  func(c *Conn, state []byte)
	from      *net.UnixConn

	running sync.WaitGroup
}

// New returns a set whose listeners accept once serving is closed.
func New(serving <-chan struct{}, log *slog.Logger) *Set {
	s := &Set{log: log, serving: serving, leaving: make(chan struct{}), grace: defaultGrace, conns: map[*Conn]struct{}{}}
	s.words.come = make(chan struct{})
	return s
}

// Listen returns a listener of the set on top of ln, which it owns from now on.
func (s *Set) Listen(ln net.Listener, p Place) *Listener {
	l := &Listener{
		Listener: ln, set: s, place: p,
		fresh: make(chan net.Conn), signal: make(chan struct{}, 1), closed: make(chan struct{}),
	}
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.running.Go(l.accept)
	return l
}

// OnSession says who takes the connections that were moved with a state. f owns the connection and does not take long: it is
// called for a few at a time, and is waited for by Close. Without it they stay where they are. It is called before Receive.
func (s *Set) OnSession(f func(c *Conn, state []byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions = f
}

// Receive takes over, in the background, what comes from the generation before, until that has nothing more, or Close. It
// owns from and is called at most once, before Close.
func (s *Set) Receive(from *net.UnixConn) {
	s.mu.Lock()
	s.from = from
	s.mu.Unlock()
	s.running.Go(func() {
		defer func() { _ = from.Close() }() // the other side is done or gone
		defer s.words.settle(nil)
		if err := receive(from, s.take); err != nil {
			s.log.Warn("take over the connections of the generation before", "error", err.Error())
		}
	})
}

// take gives what has come to whom it belongs, and reports whether there is anybody.
func (s *Set) take(c stream, r record) bool {
	if r.kind == told && c == nil {
		return s.words.settle(r.state)
	}
	s.words.settle(nil) // it would have come before
	switch {
	case r.kind == asked && c == nil:
		return s.words.answer(r.state)
	case r.kind != ofRequests && r.kind != ofSession:
		return false
	case c == nil:
		s.full.Do(func() {
			s.log.Warn("connections of the generation before cannot be taken over; their clients have to come again. This process may have too many files open")
		})
		return false
	}
	s.mu.Lock()
	l, sessions := s.at(r.idle.Place), s.sessions
	s.mu.Unlock()
	switch {
	case l == nil, r.kind == ofSession && sessions == nil:
		return false
	case r.kind == ofSession:
		conn := &Conn{stream: c, l: l, pre: r.unread}
		conn.detached.Store(true)
		s.arrivals.add(&s.running, func() { sessions(conn, r.state) })
	default:
		conn := &Conn{stream: c, l: l, pre: r.unread, until: r.idle.Until}
		conn.served.Store(r.idle.Served)
		conn.waiting.Store(r.idle.Served || !r.idle.Until.IsZero())
		s.hold(conn)
		l.inherit(conn)
	}
	return true
}

// at returns the listener of a place, or the only one: an extension that moves to another port takes its clients along.
func (s *Set) at(p Place) *Listener {
	for _, l := range s.listeners {
		if l.place == p {
			return l
		}
	}
	if len(s.listeners) == 1 {
		return s.listeners[0]
	}
	return nil
}

func (s *Set) hold(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

// Leave hands everything over: listeners stop accepting, and connections move as they become idle. Those that cannot move
// are served until they have had their last answer (see [Conn.Last]), or nothing has happened on them for a grace; with a nil
// to that is all of them. move moves those that are detached, or tells their clients to come again; it is called at
// once, and again when servers have no connection in use any more, for those that were detached meanwhile. Leave returns
// then, or when ctx is done, and how many connections are still in use. left is called when nothing is accepted any more.
//
// tell, if it is not nil, is called first, if there is a way to the generation after, and returns what that one is told (see
// [Set.Told]). Leave owns to, and is called once.
func (s *Set) Leave(ctx context.Context, to *net.UnixConn, tell func() []byte, left func(), move func(context.Context)) int {
	if to != nil {
		out := newSender(to)
		defer out.close()
		s.to.Store(out)
		s.tell(tell)
	}
	s.since.Store(time.Now().UnixNano())
	close(s.leaving)
	s.mu.Lock()
	for _, l := range s.listeners {
		_ = l.Listener.Close() // our copy only: the successor has the same queue
	}
	s.mu.Unlock()
	left()
	moved := make(chan struct{})
	go func() { defer close(moved); move(ctx) }()
	n := s.empty(ctx)
	<-moved
	move(ctx)
	return n
}

// empty waits until servers have no connection in use any more, and returns how many they have when ctx is done.
func (s *Set) empty(ctx context.Context) int {
	again := time.NewTicker(settle)
	defer again.Stop()
	for {
		all, emptied := s.open()
		used := 0
		now := time.Now()
		for _, c := range all {
			c.nudge()
			if !c.spent(now) {
				used++
			}
		}
		if used == 0 {
			return 0
		}
		select {
		case <-emptied:
			return 0
		case <-again.C:
		case <-ctx.Done():
			return used
		}
	}
}

// open returns the connections of servers, and what is closed when there is none any more.
func (s *Set) open() (all []*Conn, emptied <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emptied = make(chan struct{})
	return slices.Collect(maps.Keys(s.conns)), s.emptied
}

func (s *Set) forget(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.emptied != nil {
		close(s.emptied)
		s.emptied = nil
	}
}

func (s *Set) isLeaving() bool {
	select {
	case <-s.leaving:
		return true
	default:
		return false
	}
}

// Moved returns how many connections the generation after has taken.
func (s *Set) Moved() int { return int(s.moved.Load()) }

// successor returns the way to the generation after; nil = there is none, or none any more.
func (s *Set) successor() *sender {
	to := s.to.Load()
	if to == nil || to.isBroken() {
		return nil
	}
	return to
}

// Close closes the listeners, takes nothing over any more, and waits until none of the set's goroutines is left.
func (s *Set) Close() {
	s.mu.Lock()
	listeners, from := s.listeners, s.from
	s.mu.Unlock()
	if from != nil {
		_ = from.Close() // it may be over
	}
	for _, l := range listeners {
		_ = l.Close() // whoever served on it may have closed it
	}
	s.running.Wait()
}

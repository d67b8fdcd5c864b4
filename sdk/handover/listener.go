package handover

import (
	"errors"
	"net"
	"sync"
	"time"
)

// acceptPause is how long nothing is accepted after the system could not.
const acceptPause = 100 * time.Millisecond

// Place is what a listener was asked for. Connections move between listeners of the same place.
type Place struct {
	Network string `json:"network"`
	Address string `json:"address"`
}

// Listener accepts connections that can move: those of the listener below it, once the process is to serve, and those of
// the generation before.
type Listener struct {
	net.Listener
	set   *Set
	place Place

	fresh  chan net.Conn
	signal chan struct{} // of capacity 1: something is in moved
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	moved []net.Conn
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if c := l.inherited(); c != nil {
			return c, nil
		}
		select {
		case c := <-l.fresh:
			return c, nil
		case <-l.signal:
		case <-l.closed:
			return nil, &net.OpError{Op: "accept", Net: l.place.Network, Addr: l.Addr(), Err: net.ErrClosed}
		}
	}
}

func (l *Listener) inherited() net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.moved) == 0 {
		return nil
	}
	c := l.moved[0]
	l.moved[0] = nil
	if l.moved = l.moved[1:]; len(l.moved) > 0 {
		l.ring()
	}
	return c
}

func (l *Listener) inherit(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moved = append(l.moved, c)
	l.ring()
}

func (l *Listener) ring() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// Close stops accepting. Connections that nobody has accepted are closed.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		err = nil
		close(l.closed)
		_ = l.Listener.Close() // it may be closed already, because the process leaves
		for c := l.inherited(); c != nil; c = l.inherited() {
			_ = c.Close()
		}
	})
	return err
}

// accept accepts from the listener below until that is closed. It begins when the process is to serve.
func (l *Listener) accept() {
	select {
	case <-l.set.serving:
	case <-l.closed:
		return
	}
	var failures uint64
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default: // too many open files, say
			if failures++; failures&(failures-1) == 0 { // it may go on for long
				l.set.log.Warn("accept a connection; trying again", "address", l.Addr().String(), "times", failures, "error", err.Error())
			}
			select {
			case <-time.After(acceptPause):
				continue
			case <-l.closed:
				return
			}
		}
		s, ok := c.(stream)
		if !ok {
			_ = c.Close() // no listener of ours accepts such a one
			continue
		}
		conn := &Conn{stream: s, l: l}
		l.set.hold(conn)
		l.offer(conn)
	}
}

// offer gives a new connection to the server, or to the successor if that is quicker.
func (l *Listener) offer(c *Conn) {
	select {
	case l.fresh <- c:
		return
	case <-l.set.leaving:
		if c.moves() {
			c.give.Store(true)
			_ = c.Close() // which hands it over
			return
		}
	case <-l.closed:
	}
	select {
	case l.fresh <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

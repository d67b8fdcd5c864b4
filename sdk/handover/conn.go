package handover

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// past is a deadline that makes a read return.
var past = time.Unix(1, 0)

// Errors of a connection.
var (
	errMoving  = errors.New("handover: the connection moves to the next generation")
	errNowhere = errors.New("handover: the connection has nowhere to move to")
)

// stream is what connections of TCP and of unix sockets have in common.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// Conn is a connection that can move. It is a net.Conn, with the same rules for concurrent use.
type Conn struct {
	stream
	l *Listener

	busy     atomic.Bool // bytes of a request have been read, and the server has not said that it is done with it
	served   atomic.Bool // a request has been answered on it, here or before it moved
	waiting  atomic.Bool // it has moved, and nothing has been read of it here
	give     atomic.Bool // the server is about to close it, and it moves instead
	detached atomic.Bool

	// Of those that cannot move, see Last.
	sealed  atomic.Bool  // what is read is of TLS
	ahead   atomic.Bool  // the server may have read more than the request that it has answered
	working atomic.Bool  // the server has a request that it has not answered
	touched atomic.Int64 // when something happened on it, in nanoseconds of Unix time

	// Of the goroutine that reads.
	pre  []byte // read by the generation before and not dealt with
	seen period
	body int64 // of the request, see Expect
	tap  func([]byte)

	mu    sync.Mutex
	want  time.Time     // the read deadline that the server has set
	span  time.Duration // until then, when it was set
	until time.Time     // while waiting: the deadline of the server before; zero = none
}

// period is what was read since the connection was idle.
type period struct {
	bytes  int64
	header int64   // how many of them up to the end of the header of the request; 0 = it has not been seen
	last   [3]byte // of the bytes before, where the end of a header may have begun
}

var headerEnd = []byte("\r\n\r\n")

// feed counts b.
func (p *period) feed(b []byte) {
	if p.header == 0 {
		p.find(b)
	}
	p.bytes += int64(len(b))
}

// find looks for the end of the header in b, and across its beginning.
func (p *period) find(b []byte) {
	var across [2 * len(p.last)]byte
	n := copy(across[:], p.last[:])
	n += copy(across[n:], b)
	if i := bytes.Index(across[:n], headerEnd); i >= 0 {
		p.header = p.bytes + int64(i+len(headerEnd)-len(p.last))
	} else if i := bytes.Index(b, headerEnd); i >= 0 {
		p.header = p.bytes + int64(i+len(headerEnd))
	}
	if len(b) >= len(p.last) {
		copy(p.last[:], b[len(b)-len(p.last):])
		return
	}
	copy(p.last[:], p.last[len(b):])
	copy(p.last[len(p.last)-len(b):], b)
}

// Of returns the Conn that c is, or that is below its wrappers with a method NetConn; nil if there is none.
func Of(c net.Conn) *Conn {
	for c != nil {
		switch x := c.(type) {
		case *Conn:
			return x
		case interface{ NetConn() net.Conn }:
			c = x.NetConn()
		default:
			return nil
		}
	}
	return nil
}

// Read reads. While its process leaves, a read that waits for the first byte of a request fails as if its deadline had
// passed; the Close that follows hands the connection over.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.pre) > 0 {
		n := copy(b, c.pre)
		c.pre = c.pre[n:]
		c.note(b[:n])
		return n, nil
	}
	for {
		n, err := c.stream.Read(b)
		if n > 0 {
			c.note(b[:n])
			return n, err
		}
		if err == nil || c.detached.Load() || !errors.Is(err, os.ErrDeadlineExceeded) || !c.l.set.isLeaving() || !c.interrupted() {
			return n, err
		}
	}
}

func (c *Conn) note(b []byte) {
	if c.tap != nil {
		c.tap(b)
		return
	}
	c.touch()
	if !c.busy.Load() {
		c.busy.Store(true)
		c.arrive()
		if b[0] == tlsHandshake && !c.served.Load() {
			c.sealed.Store(true)
		}
	}
	if !c.sealed.Load() {
		c.seen.feed(b)
	}
}

// arrive is called at the first byte of a request. Of a connection that has moved, the server believes that it is new, and
// has armed the deadline of a first request; its time begins now.
func (c *Conn) arrive() {
	if !c.waiting.Swap(false) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.want.IsZero() {
		c.want = time.Now().Add(c.span)
	}
	_ = c.stream.SetReadDeadline(c.want) // it fails where the connection is closed already
}

// deadline returns the read deadline that holds unless the connection is to move. c.mu is held.
func (c *Conn) deadline() time.Time {
	if c.waiting.Load() {
		return c.until
	}
	return c.want
}

// interrupted decides what a read is worth that a deadline has ended while the process leaves. It reports whether to read
// again: the deadline was meant for a connection that has become busy meanwhile, or has nowhere to move to any more.
func (c *Conn) interrupted() (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.deadline()
	switch {
	case c.moves():
		c.give.Store(true)
		return false
	case !until.IsZero() && !time.Now().Before(until):
		return false
	}
	return c.stream.SetReadDeadline(until) == nil
}

// moves reports whether the connection is to move as soon as its server lets go of it.
func (c *Conn) moves() bool {
	return !c.busy.Load() && !c.detached.Load() && c.l.set.isLeaving() && c.l.set.successor() != nil
}

// Write writes. What a server says to a connection that it has given up, such as that the client was too slow, is not for
// the client of one that moves, nor for one that has been waiting between two requests all the time.
func (c *Conn) Write(b []byte) (int, error) {
	if c.give.Load() || c.waiting.Load() && c.served.Load() {
		return len(b), nil
	}
	return c.stream.Write(b)
}

// CloseWrite closes the sending side, unless the connection is about to move.
func (c *Conn) CloseWrite() error {
	if c.give.Load() {
		return errMoving
	}
	return c.stream.CloseWrite()
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.stream.SetWriteDeadline(t), c.SetReadDeadline(t))
}

// SetReadDeadline sets the read deadline. One that is idle while its process leaves has none but the moment itself.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want, c.span = t, time.Until(t)
	if c.moves() {
		return c.stream.SetReadDeadline(past)
	}
	return c.stream.SetReadDeadline(c.deadline())
}

// idling returns what the next generation has to know of a connection that waits for a request.
func (c *Conn) idling() idle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return idle{Place: c.l.place, Served: c.served.Load(), Until: c.deadline()}
}

// nudge interrupts a read that waits for a request.
func (c *Conn) nudge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.moves() {
		_ = c.stream.SetReadDeadline(past) // it fails where the connection is closed already
	}
}

// Active says that the server has begun with a request, of which it had read some already.
func (c *Conn) Active() {
	c.busy.Store(true)
	c.working.Store(true)
}

// Idle says that the server has answered a request and is going to wait for the next one. It is called before the server
// reads again, by the goroutine that reads, and only by a server that has nothing left of what it has read before it does.
// A connection of TLS stays busy all the same.
func (c *Conn) Idle() {
	c.rest()
	if c.sealed.Load() {
		return
	}
	c.ahead.Store(false)
	c.seen = period{}
	c.served.Store(true)
	c.busy.Store(false)
	if c.l.set.isLeaving() {
		c.nudge()
	}
}

// rest says that no request is in flight.
func (c *Conn) rest() {
	c.touch()
	c.working.Store(false)
}

// Expect says how long the body of the request is that the server has begun with; below 0 it is not known. It is called by
// the goroutine that reads, or, on a connection of TLS, by any.
func (c *Conn) Expect(length int64) {
	if !c.sealed.Load() {
		c.body = length
	}
}

// IdleAfterRequest is Idle for a server that may have read more than the request that it has answered, and has said what to
// expect. Where more was read, or less, the connection stays busy, which is safe: it does not move then.
//
// One byte more is what net/http reads while a handler runs, to see whether the client is still there: the next request has
// begun, and the connection moves after its answer. More than that nobody can hand over; the answer to the next request is
// the last one then (see Last).
func (c *Conn) IdleAfterRequest() {
	extra := c.seen.bytes - c.seen.header - c.body
	if c.sealed.Load() || c.body >= 0 && c.seen.header > 0 && extra == 0 {
		c.Idle()
		return
	}
	c.rest()
	begun := c.body >= 0 && c.seen.header > 0 && extra == 1
	c.ahead.Store(!begun)
	c.seen = period{}
	if begun {
		c.seen.bytes = extra
	}
	c.served.Store(true)
}

// Detach takes the connection from the HTTP server, which has just answered the request that asked for it: it moves only
// by Move from now on. tap, if it is not nil, is shown every byte that is read, before whoever reads sees it. It reports
// whether the connection can move at all: not if the client has sent more than its request before it was answered, which
// somebody else has read. It is called before anything else is read. One that has moved while it was detached still is; then
// Detach only takes tap.
func (c *Conn) Detach(tap func([]byte)) (movable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tap = tap
	if c.detached.Swap(true) {
		return true
	}
	c.l.set.forget(c)
	return c.seen.header > 0 && c.seen.bytes == c.seen.header
}

// SetWriteBuffer sets the size of the kernel's buffer, where it has one.
func (c *Conn) SetWriteBuffer(n int) error {
	if b, ok := c.stream.(interface{ SetWriteBuffer(int) error }); ok {
		return b.SetWriteBuffer(n)
	}
	return nil
}

// Moves reports whether there is a way to the generation after, which Move needs.
func (c *Conn) Moves() bool { return c.l.set.successor() != nil }

// Move hands a detached connection to the generation after, with what was read of it and not dealt with, and with a state.
// Nobody may read or write it meanwhile. Without an error it is closed here and lives on there; with one nothing has
// changed.
func (c *Conn) Move(unread, state []byte) error {
	to := c.l.set.successor()
	if to == nil || !c.detached.Load() {
		return errNowhere
	}
	if err := to.send(c.stream, record{kind: ofSession, idle: idle{Place: c.l.place}, unread: unread, state: state}); err != nil {
		return err
	}
	c.l.set.moved.Add(1)
	c.l.set.forget(c)
	return c.stream.Close()
}

// Close closes the connection, or hands it over.
func (c *Conn) Close() error {
	if c.give.Swap(false) {
		if to := c.l.set.successor(); to != nil {
			if to.send(c.stream, record{idle: c.idling()}) == nil {
				c.l.set.moved.Add(1)
			} // else it is closed, as the server wants
		}
	}
	c.l.set.forget(c)
	return c.stream.Close()
}

package tether

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// client is the process's end of a tether.
type client struct {
	conn      *net.UnixConn
	extension string
	serving   chan struct{}
	leaving   chan *net.UnixConn // of capacity 1
	gone      chan struct{}

	mu          sync.Mutex
	next        uint64
	waiting     map[uint64]chan answer
	begun       bool
	predecessor *net.UnixConn
}

var _ Line = (*client)(nil)

type answer struct {
	ln  net.Listener
	err error
}

func dial(fd int, extension string) (Line, error) {
	unix.CloseOnExec(fd)
	conn, err := unixConn(fd)
	if err != nil {
		return nil, err
	}
	c := &client{
		conn: conn, extension: extension, serving: make(chan struct{}), leaving: make(chan *net.UnixConn, 1),
		gone: make(chan struct{}), waiting: map[uint64]chan answer{},
	}
	go c.loop()
	return c, nil
}

func (c *client) Gone() <-chan struct{}    { return c.gone }
func (c *client) Serving() <-chan struct{} { return c.serving }

func (c *client) Left() { _, _ = c.conn.Write(encode(request{Op: opLeft})) }

func (c *client) Predecessor() *net.UnixConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.predecessor
}

func (c *client) Successor(ctx context.Context) *net.UnixConn {
	select {
	case to := <-c.leaving:
		return to
	default:
	}
	select {
	case to := <-c.leaving:
		return to
	case <-c.gone:
	case <-ctx.Done():
	}
	return nil
}

func (c *client) Close() error {
	err := c.conn.Close()
	<-c.gone
	return err
}

func (c *client) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	ch := make(chan answer, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.waiting[id] = ch
	c.mu.Unlock()
	_, err := c.conn.Write(encode(request{ID: id, Op: opListen, Network: network, Address: address}))
	if err != nil {
		c.forget(id, ch)
		return nil, fmt.Errorf("ask the host for a listener on %s: %w", address, err)
	}
	select {
	case a := <-ch:
		var le *ListenError
		if errors.As(a.err, &le) {
			le.Extension, le.Network, le.Address = c.extension, network, address
		}
		return a.ln, a.err
	case <-c.gone:
		return nil, fmt.Errorf("ask the host for a listener on %s: the host is gone", address)
	case <-ctx.Done():
		c.forget(id, ch)
		return nil, fmt.Errorf("ask the host for a listener on %s: %w", address, ctx.Err())
	}
}

// forget takes back a question, and closes the listener if it has been answered in between.
func (c *client) forget(id uint64, ch <-chan answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
	select {
	case a := <-ch:
		if a.ln != nil {
			_ = a.ln.Close() // nobody has used it
		}
	default:
	}
}

// loop reads answers until the tether ends, or the host sends what nobody can read.
func (c *client) loop() {
	defer close(c.gone)
	defer func() { _ = c.conn.Close() }() // it is over either way
	buf, oob := make([]byte, maxMessage+1), make([]byte, unix.CmsgSpace(4*maxDescriptors))
	var spare spares
	defer spare.release()
	for {
		spare.keep()
		c.await()
		spare.release() // what comes may come with descriptors, for which a process that is full has no room
		n, oobn, _, _, err := c.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		fds := descriptors(oob[:oobn])
		r, err := parseReply(buf[:n])
		switch {
		case err != nil:
			closeAll(fds)
			return
		case r.ID == 0:
			c.notice(r, fds)
		default:
			c.deliver(r, fds)
		}
	}
}

// await returns when there is something to read.
func (c *client) await() {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return // reading says the same
	}
	_ = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}

// spares are descriptors that are kept for the hand-over: one that comes, and those that taking it over needs for a moment.
type spares [3]*os.File

func (s *spares) keep() {
	for i := range s {
		if s[i] == nil {
			s[i], _ = os.Open(os.DevNull) // nil where the process is full already
		}
	}
}

func (s *spares) release() {
	for i, f := range s {
		if f != nil {
			_ = f.Close() // nobody has used it
			s[i] = nil
		}
	}
}

// maxDescriptors is how many descriptors can come with one message.
const maxDescriptors = 4

// deliver never blocks: each channel has room for its one answer.
func (c *client) deliver(r reply, fds []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.waiting[r.ID]
	delete(c.waiting, r.ID)
	switch {
	case ch == nil:
		closeAll(fds)
	case r.Error != "":
		closeAll(fds)
		ch <- answer{err: &ListenError{Errno: syscall.Errno(r.Errno), Message: r.Error}}
	default:
		ln, err := listenerOf(fds)
		ch <- answer{ln: ln, err: err}
	}
}

// notice never blocks either. What it does not know comes from a host of a later version, and is left alone.
func (c *client) notice(r reply, fds []int) {
	var end *net.UnixConn
	if len(fds) == 1 {
		end, _ = unixConn(fds[0]) // nil is as good as no hand-over: clients come again
		fds = nil
	}
	closeAll(fds)
	switch {
	case r.Op == opServe && !c.begun:
		c.begun = true
		c.mu.Lock()
		c.predecessor = end
		c.mu.Unlock()
		close(c.serving)
		return
	case r.Op == opLeave:
		select {
		case c.leaving <- end:
			return
		default:
		}
	}
	if end != nil {
		_ = end.Close() // nobody has used it
	}
}

// descriptors takes the descriptors out of a control message. They are close-on-exec: net asks the kernel for that.
func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for _, m := range messages {
		got, err := unix.ParseUnixRights(&m)
		if err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// listenerOf takes fds over. os.NewFile leaves a non-blocking descriptor non-blocking, so FileListener does not clear the
// flag that other processes depend on.
func listenerOf(fds []int) (net.Listener, error) {
	if len(fds) != 1 {
		closeAll(fds)
		return nil, fmt.Errorf("the host answered with %d descriptors; one was expected", len(fds))
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		closeAll(fds)
		return nil, fmt.Errorf("take over a listener: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer func() { _ = f.Close() }() // the listener has a duplicate
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("take over a listener: %w", err)
	}
	return ln, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // nobody has used it
	}
}

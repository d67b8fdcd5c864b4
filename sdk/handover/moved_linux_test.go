package handover

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"
)

const patience = 10 * time.Second

// process is one of two generations in a test.
type process struct {
	*Set
	ln *Listener
}

func newProcess(t *testing.T, serving <-chan struct{}, ln net.Listener) *process {
	t.Helper()
	p := &process{Set: New(serving, slog.New(slog.DiscardHandler))}
	p.ln = p.Listen(ln, Place{Network: "tcp", Address: "here"})
	t.Cleanup(p.Close)
	return p
}

// bridge returns two connected ends.
func bridge(t *testing.T) (older, younger *net.UnixConn) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/b", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	older, err = net.DialUnix("unix", nil, ln.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	younger, err = ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	return older, younger
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// always is for a process that serves from the beginning.
func always() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// two returns an old process with one connection, and its client, and a new one.
func two(t *testing.T) (old, next *process, served *Conn, client net.Conn) {
	t.Helper()
	old, next = newProcess(t, always(), listen(t)), newProcess(t, always(), listen(t))
	client, err := net.Dial("tcp", old.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(patience))
	c, err := old.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return old, next, Of(c), client
}

// leave has old hand everything to next and returns how many connections were left.
func leave(t *testing.T, old, next *process, move func(context.Context)) int {
	t.Helper()
	older, younger := bridge(t)
	next.Receive(younger)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if move == nil {
		move = func(context.Context) {}
	}
	return old.Leave(ctx, older, nil, func() {}, move)
}

// server reads one byte as a server that waits for a request does, and closes the connection when there is none.
func server(c net.Conn, done chan<- error) {
	_, err := c.Read(make([]byte, 1))
	if err != nil {
		_, _ = c.Write([]byte("HTTP/1.1 408 Request Timeout\r\n\r\n"))
		_ = c.Close()
	}
	done <- err
}

// TestAnIdleConnectionWaitsOn: a server takes it for a new one and arms the deadline of a first request. Its client, which
// waits between two requests, sees nothing of that.
func TestAnIdleConnectionWaitsOn(t *testing.T) {
	old, next, c, client := two(t)
	c.Active()
	c.Idle() // a request was answered
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	done := make(chan error, 1)
	go server(c, done)
	if n := leave(t, old, next, nil); n != 0 {
		t.Fatalf("%d connections are left", n)
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the old server saw %v", err)
	}
	moved, err := next.ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	const first = 20 * time.Millisecond
	_ = moved.SetReadDeadline(time.Now().Add(first))
	if n, err := moved.Write([]byte("HTTP/1.1 408")); n != 12 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	got := make(chan error, 1)
	go func() { _, err := moved.Read(make([]byte, 1)); got <- err }()
	select {
	case err := <-got:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(5 * first):
	}
	if _, err := client.Write([]byte("G")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) { // the request is not complete in time
		t.Errorf("the rest of the request: %v", err)
	}
	if _, err := moved.Write([]byte("answer\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(client).ReadString('\n'); line != "answer\n" || err != nil {
		t.Errorf("the client reads %q, %v", line, err)
	}
}

// TestABusyConnectionStays until its request is answered.
func TestABusyConnectionStays(t *testing.T) {
	old, next, c, client := two(t)
	if _, err := client.Write([]byte("GET")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	left := make(chan int)
	go func() { left <- leave(t, old, next, nil) }()
	<-old.leaving
	if _, err := client.Write([]byte(" /")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 2)); err != nil { // whatever deadline was set meanwhile
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	c.Idle()
	done := make(chan error, 1)
	server(c, done)
	if n := <-left; n != 0 || <-done == nil {
		t.Errorf("%d connections are left", n)
	}
	if c, err := next.ln.Accept(); err != nil || c.Close() != nil {
		t.Error(err)
	}
}

// TestASessionMovesWithItsState, and is still there where its successor is not.
func TestASessionMovesWithItsState(t *testing.T) {
	old, next, c, client := two(t)
	if _, err := client.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if !c.Detach(nil) {
		t.Fatal("it cannot move")
	}
	state := make([]byte, 1<<20) // more than a bridge holds at once
	state[0], state[len(state)-1] = 'a', 'z'
	type arrived struct {
		text  string
		state []byte
	}
	there := make(chan arrived, 1)
	next.OnSession(func(c *Conn, state []byte) {
		defer c.Close()
		b := make([]byte, 6)
		n, _ := c.Read(b)
		_, _ = c.Write([]byte("hello\n"))
		there <- arrived{string(b[:n]), state}
	})
	if n := leave(t, old, next, func(context.Context) {
		if !c.detached.Load() {
			return
		}
		if err := c.Move([]byte("unread"), state); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.detached.Store(false) // Leave calls twice
	}); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	got := <-there
	if got.text != "unread" || len(got.state) != len(state) || got.state[0] != 'a' || got.state[len(state)-1] != 'z' {
		t.Errorf("%q arrived with a state of %d bytes", got.text, len(got.state))
	}
	if line, err := bufio.NewReader(client).ReadString('\n'); line != "hello\n" || err != nil {
		t.Errorf("the client reads %q, %v", line, err)
	}
}

// TestASuccessorThatDies leaves what it has not taken where it was.
func TestASuccessorThatDies(t *testing.T) {
	old, _, c, client := two(t)
	c.Detach(nil)
	older, younger := bridge(t)
	head := make([]byte, 1)
	go func() { // it reads a little, and is gone
		_, _ = younger.Read(head)
		_ = younger.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var moved error
	old.Leave(ctx, older, nil, func() {}, func(context.Context) { moved = c.Move(nil, make([]byte, 1<<20)) })
	if moved == nil {
		t.Fatal("it has moved to nowhere")
	}
	if _, err := c.Write([]byte("come again\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(client).ReadString('\n'); line != "come again\n" || err != nil {
		t.Errorf("the client reads %q, %v", line, err)
	}
}

// TestNothingIsAcceptedBeforeItsTime: connects wait for the moment from which the process serves.
func TestNothingIsAcceptedBeforeItsTime(t *testing.T) {
	serving := make(chan struct{})
	p := newProcess(t, serving, listen(t))
	client, err := net.Dial("tcp", p.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := p.ln.Accept(); err == nil {
			accepted <- c
		}
	}()
	select {
	case <-accepted:
		t.Fatal("it was accepted too early")
	case <-time.After(50 * time.Millisecond):
	}
	close(serving)
	_ = (<-accepted).Close()
}

// FuzzDecode feeds a bridge whatever there is.
func FuzzDecode(f *testing.F) {
	b, _ := record{kind: ofSession, idle: idle{Place: Place{"tcp", "x"}}, unread: []byte("u"), state: []byte("s")}.encode()
	f.Add(b[:headerBytes], b[headerBytes:])
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		if len(head) != headerBytes {
			return
		}
		r, err := decode(head, &limited{rest})
		if err != nil {
			return
		}
		again, err := r.encode()
		if err != nil || again[0] != head[0] || len(again) > len(head)+len(rest)+maxPlace {
			t.Fatalf("%x %x became %x, %v", head, rest, again, err)
		}
	})
}

// limited is a reader that says so when a record asks for more than there is, and makes no room for it first.
type limited struct{ rest []byte }

func (l *limited) Read(b []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, errors.New("no more")
	}
	n := copy(b, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

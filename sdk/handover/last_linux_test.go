package handover

import (
	"context"
	"net"
	"testing"
	"time"
)

// exchange has c's server answer a request of its client.
func exchange(t *testing.T, c *Conn, client net.Conn, request string) {
	t.Helper()
	if _, err := client.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, len(request))); err != nil {
		t.Fatal(err)
	}
	c.Active()
	c.Expect(0)
	c.IdleAfterRequest()
}

const whole = "GET / HTTP/1.1\r\n\r\n"

// TestWhatCannotMoveHasOneMoreAnswer, and is left alone until then, or for the grace.
func TestWhatCannotMoveHasOneMoreAnswer(t *testing.T) {
	for name, first := range map[string]string{
		"TLS":          "\x16\x03\x01" + whole,
		"a read ahead": whole + "GET /",
		"nowhere":      whole,
	} {
		old, next, c, client := two(t)
		old.grace = 100 * time.Millisecond
		exchange(t, c, client, first)
		if c.Last() {
			t.Errorf("%s: the last answer before anybody leaves", name)
		}
		var to, from *net.UnixConn
		if name != "nowhere" {
			to, from = bridge(t)
			next.Receive(from)
		}
		c.Active() // with one that takes a while
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		left := make(chan int, 1)
		go func() { left <- old.Leave(ctx, to, nil, func() {}, func(context.Context) {}) }()
		<-old.leaving
		if !c.Last() {
			t.Errorf("%s: it could move", name)
		}
		select {
		case <-left:
			t.Fatalf("%s: nobody waited for the answer", name)
		case <-time.After(3 * old.grace):
		}
		begun := time.Now()
		c.rest()
		if n := <-left; n != 0 || time.Since(begun) < old.grace {
			t.Errorf("%s: %d connections are in use after %v", name, n, time.Since(begun))
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Errorf("%s: it was closed: %v", name, err)
		}
		cancel()
	}
}

// TestWhatWasReadAheadIsForgotten as soon as the server has dealt with it.
func TestWhatWasReadAheadIsForgotten(t *testing.T) {
	old, next, c, client := two(t)
	exchange(t, c, client, whole+"GET /")
	done := make(chan error, 1)
	left := make(chan int, 1)
	go func() { left <- leave(t, old, next, nil) }()
	<-old.leaving
	if !c.Last() {
		t.Error("it could move")
	}
	c.IdleAfterRequest() // the rest of the second request, as if it had been read
	exchange(t, c, client, whole)
	if c.Last() {
		t.Error("it cannot move")
	}
	server(c, done)
	if n := <-left; n != 0 || <-done == nil {
		t.Errorf("%d connections are left", n)
	}
}

// TestASuccessorThatIsGoneIsNone: an idle connection is not closed for it.
func TestASuccessorThatIsGoneIsNone(t *testing.T) {
	old, _, c, client := two(t)
	exchange(t, c, client, whole)
	older, younger := bridge(t)
	_ = younger.Close()
	read := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	left := make(chan int, 1)
	moving := make(chan struct{})
	go func() {
		left <- old.Leave(ctx, older, nil, func() {
			for old.successor() != nil { // it takes a moment to be seen
				<-time.After(time.Millisecond)
			}
			close(moving)
		}, func(context.Context) {})
	}()
	<-moving
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	if _, err := client.Write([]byte("G")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Errorf("the next request: %v", err)
	}
	if !c.Last() {
		t.Error("it could move")
	}
	_ = c.Close()
	if n := <-left; n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

package handover

import (
	"context"
	"net"
	"testing"
	"time"
)

// told is Told with a deadline.
func (p *process) told(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b := p.Told(ctx)
	if ctx.Err() != nil {
		t.Fatal("nobody says that there is nothing to tell")
	}
	return string(b)
}

// TestAWordComesFirst: what is told is there before anything moves, and questions are answered by who was told.
func TestAWordComesFirst(t *testing.T) {
	old, next, c, client := two(t)
	c.Detach(nil)
	if _, err := old.Ask([]byte("now?")); err == nil {
		t.Error("there is somebody to ask before there is a successor")
	}
	next.OnAsked(func(question []byte) bool {
		return string(question) == "yes?" && string(next.Told(t.Context())) == "word"
	})
	moved := make(chan string, 1)
	next.OnSession(func(c *Conn, _ []byte) {
		_ = c.Close()
		moved <- string(next.Told(t.Context()))
	})
	older, younger := bridge(t)
	next.Receive(younger)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	early := make(chan bool, 1)
	tell := func() []byte { // and what is asked because of it waits until it is told
		go func() {
			ok, err := old.Ask([]byte("yes?"))
			early <- ok && err == nil
		}()
		<-time.After(20 * time.Millisecond)
		return []byte("word")
	}
	old.Leave(ctx, older, tell, func() {}, func(context.Context) {
		if c.detached.Swap(false) {
			for question, want := range map[string]bool{"yes?": true, "no?": false, "": false} {
				if got, err := old.Ask([]byte(question)); err != nil || got != want {
					t.Errorf("%q: %t, %v", question, got, err)
				}
			}
			c.detached.Store(true)
			if err := c.Move(nil, nil); err != nil {
				t.Error(err)
			}
			c.detached.Store(false)
		}
	})
	if !<-early {
		t.Error("a question has overtaken the word")
	}
	if word := <-moved; word != "word" {
		t.Errorf("before it moved, %q was told", word)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("it is still open")
	}
	if ok, err := old.Ask([]byte("yes?")); ok || err == nil {
		t.Errorf("after the end: %t, %v", ok, err)
	}
}

// TestNothingIsTold by an older version, by none, and by one that dies.
func TestNothingIsTold(t *testing.T) {
	for name, say := range map[string]func(t *testing.T, p *process, younger, older *net.UnixConn){
		"no predecessor": func(_ *testing.T, p *process, _, _ *net.UnixConn) { p.Alone() },
		"it dies": func(_ *testing.T, p *process, younger, older *net.UnixConn) {
			p.Receive(younger)
			_ = older.Close()
		},
		"it moves something, of an unknown kind": func(t *testing.T, p *process, younger, older *net.UnixConn) {
			p.Receive(younger)
			to := newSender(older)
			t.Cleanup(to.close)
			if err := to.send(nil, record{kind: 99}); err == nil {
				t.Error("it was taken")
			}
		},
	} {
		older, younger := bridge(t)
		t.Cleanup(func() { _, _ = older.Close(), younger.Close() })
		p := newProcess(t, always(), listen(t))
		say(t, p, younger, older)
		if word := p.told(t); word != "" {
			t.Errorf("%s: it was told %q", name, word)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if b := newProcess(t, always(), listen(t)).Told(ctx); b != nil {
		t.Errorf("it was told %q before its time", b)
	}
}

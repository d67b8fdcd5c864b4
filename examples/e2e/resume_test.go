//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// follower is a client that resumes: it holds the place of the last event that it has, and comes back to there.
type follower struct {
	*socket
	at   string
	seq  float64
	seen []float64
	gaps int
}

// follow opens a socket and subscribes to everything, from where f is, or from now on the first time.
func (s *server) follow(f *follower) frame {
	s.t.Helper()
	f.socket = s.authenticated(s.token)
	subscribe := frame{"type": "subscribe"}
	if f.at != "" {
		subscribe["since"] = f.at
	}
	f.send(subscribe)
	answer := f.until("subscribed", "error")
	if f.at == "" {
		f.place(answer.str("head"))
	}
	return answer
}

// place says where f is.
func (f *follower) place(at string) {
	f.t.Helper()
	_, seq, _ := strings.Cut(at, "-")
	if _, err := fmt.Sscan(seq, &f.seq); err != nil {
		f.t.Fatalf("%q is no place in the log: %v", at, err)
	}
	f.at = at
}

// take reads events until one of the type comes, or until the socket breaks and mayBreak. Nothing may be lost without a gap
// that says so, or come twice.
func (f *follower) take(kind string, mayBreak bool) frame {
	f.t.Helper()
	for {
		e, err := f.next()
		switch {
		case err != nil && mayBreak:
			return nil
		case err != nil:
			f.t.Fatalf("after %s: %v", f.at, err)
		case e.str("type") == "gap":
			f.gaps++
			f.place(e.str("id"))
			continue
		case e["prevSeq"] == nil:
			continue // not an event
		case e["prevSeq"] != f.seq:
			f.t.Fatalf("after %s comes %v", f.at, e)
		}
		f.at, f.seq = e.str("id"), e["seq"].(float64)
		f.seen = append(f.seen, f.seq)
		if e.str("type") == kind {
			return e
		}
	}
}

// TestResumeAfterKills follows the log while agents are talked to, and comes back after kill -9 of the API process, after
// kill -9 of the host, and after its restart. What it has seen in the end is the whole log.
func TestResumeAfterKills(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	talk := func(n int) {
		c := newClient(t)
		for i := range n {
			s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": fmt.Sprintf("Hello %d!", i)})
		}
	}
	f := &follower{}
	s.follow(f)
	first := f.seq
	talk(2)
	f.take("chat:reply", false)

	var talking sync.WaitGroup
	talking.Go(func() { // through the next process: what is sent while there is none waits in the listener
		c := newClient(t)
		for i := range 50 {
			_, _ = s.try(c, s.token, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "aria", "message": fmt.Sprintf("Hello %d!", i)})
		}
	})
	f.take("chat:reply", false)
	if err := syscall.Kill(s.children()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	f.take("none", true)
	if a := s.follow(f); a["recovered"] != true {
		t.Fatalf("after kill -9 of the API process: %v", a)
	}
	talking.Wait()
	for range 3 {
		f.take("chat:reply", false)
	}

	s.kill9()
	f.take("none", true)
	s = start(t, data, "--set", "extensions.api.port=0")
	if a := s.follow(f); a["recovered"] != true {
		t.Fatalf("after kill -9 of the host: %v", a)
	}
	talk(1)
	f.take("chat:reply", false)

	s.signal(syscall.SIGTERM)
	var goodbye frame
	for {
		e, err := f.next()
		if err != nil {
			break
		}
		if e.str("type") == "server:draining" {
			goodbye = e
		} else if e["prevSeq"] != nil {
			f.at, f.seq = e.str("id"), e["seq"].(float64)
			f.seen = append(f.seen, f.seq)
		}
	}
	if goodbye.str("resume") != f.at {
		t.Errorf("the goodbye is %v, the last event %s", goodbye, f.at)
	}
	s.wait()
	s = start(t, data, "--set", "extensions.api.port=0")
	if a := s.follow(f); a["recovered"] != true {
		t.Fatalf("after a restart of the host: %v", a)
	}
	talk(1)
	f.take("chat:reply", false)
	for i, seq := range f.seen {
		if seq != first+1+float64(i) {
			t.Fatalf("of the events after %v the one numbered %d is %v", first, i, seq)
		}
	}
	if f.gaps > 0 {
		t.Errorf("%d gaps", f.gaps)
	}
	t.Logf("%d events over 4 API processes", len(f.seen))
}

// TestRetention keeps few events: who was away for long is told, and gets what is there.
func TestRetention(t *testing.T) {
	for name, set := range map[string]string{"by count": "events.retain=20", "by age": "events.retainMs=1000"} {
		t.Run(name, func(t *testing.T) {
			s := start(t, t.TempDir(), "--set", "extensions.api.port=0", "--set", set)
			away := &follower{}
			s.follow(away)
			_ = away.ws.CloseNow()
			c := newClient(t)
			eventually(t, "a gap", func() error {
				s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"})
				back := *away
				if a := s.follow(&back); a["recovered"] == true {
					return fmt.Errorf("the log reaches back to %s", away.at)
				}
				gap := back.read()
				if gap.str("type") != "gap" || gap.str("requested") != away.at {
					t.Fatalf("got %v, want a gap", gap)
				}
				back.place(gap.str("id"))
				s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"})
				back.take("chat:reply", false)
				return nil
			})
		})
	}
}

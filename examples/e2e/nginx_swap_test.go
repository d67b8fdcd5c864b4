//go:build linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// reload replaces the API process, and waits until the old one is gone.
func (s *server) reload() {
	s.t.Helper()
	old := s.extension("api").PID
	if _, stderr, code := s.ext("reload", "api"); code != 0 {
		s.t.Fatal(stderr)
	}
	eventually(s.t, "the old generation to be gone", func() error { return gone(old) })
}

// revisions are those of an agent that a client is told of, where it is to be told of all. The value is the last one.
type revisions struct{ atomic.Int64 }

// next checks that an event is of the next one.
func (r *revisions) next(f frame) error {
	if got, _ := f["revision"].(float64); int64(got) != r.Load()+1 {
		return fmt.Errorf("behind revision %d came %v", r.Load(), f)
	}
	r.Add(1)
	return nil
}

// crowd is clients that are busy until they are told to stop.
type crowd struct {
	t    *testing.T
	stop atomic.Bool
	wg   sync.WaitGroup
}

// repeats makes the same kind of request again and again, and counts; body gets the number of it. Every one has to succeed.
func (b *crowd) repeats(s *server, count *atomic.Int64, method, path string, body func(n int64) map[string]any) {
	b.wg.Go(func() {
		c := newForeignClient(b.t)
		for n := int64(0); !b.stop.Load(); n++ {
			var content any
			if body != nil {
				content = body(n)
			}
			a, err := s.try(c, s.token, method, path, content)
			if err != nil || a.StatusCode != http.StatusOK {
				b.t.Errorf("%s %s, number %d: %v, %v\n%s", method, path, n, a.Response, err, a.raw)
				return
			}
			count.Add(1)
		}
	})
}

// follows reads a stream, and opens it again when it ends, until the context does.
func (b *crowd) follows(ctx context.Context, c *http.Client, x *stream, told *revisions) {
	b.wg.Go(func() {
		for {
			f, err := x.next()
			for err != nil {
				_ = x.resp.Body.Close()
				if err = x.open(ctx, c); ctx.Err() != nil {
					return
				}
				if err != nil {
					b.t.Errorf("open the stream again behind revision %d: %v", told.Load(), err)
					return
				}
				f, err = x.next()
			}
			if err := told.next(f); err != nil {
				b.t.Errorf("the stream: %v", err)
				return
			}
		}
	})
}

// listens reads a socket until the test closes it.
func (b *crowd) listens(k *socket, told *revisions) {
	b.wg.Go(func() {
		for {
			f, err := k.next()
			if err == nil {
				err = told.next(f)
			}
			if err != nil {
				if !b.stop.Load() {
					b.t.Errorf("the socket behind revision %d: %v", told.Load(), err)
				}
				return
			}
		}
	})
}

// TestSwapsBehindNginx replaces the API process again and again under load: nginx has no answer of its own for anybody, each
// message is sent once, and a stream and a socket are told of every event once and in order.
func TestSwapsBehindNginx(t *testing.T) {
	needsNginx(t)
	const swaps, conversations = 10, 3
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	n := s.behindNginx(documented(t))
	ctx, cancel := context.WithCancel(t.Context())
	b := &crowd{t: t}
	defer func() { b.stop.Store(true); cancel(); b.wg.Wait() }()

	k := n.authenticated(s.token)
	k.send(frame{"type": "subscribe", "events": []string{"updated"}})
	k.until("subscribed")
	x, c := &stream{s: n.server, query: "?events=updated"}, streamClient(t, true)
	if err := x.open(ctx, c); err != nil {
		t.Fatal(err)
	}
	own := newClient(t)
	begin := int64(s.do(own, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil).json["revision"].(float64))
	var framed, streamed revisions
	framed.Store(begin)
	streamed.Store(begin)
	b.listens(k, &framed)
	b.follows(ctx, c, x, &streamed)
	var reads, updates atomic.Int64
	var turns [conversations]atomic.Int64
	b.repeats(n.server, &reads, http.MethodGet, "/api/agents", nil)
	b.repeats(n.server, &reads, http.MethodGet, "/api/chat/conversations", nil)
	b.repeats(n.server, &updates, http.MethodPut, "/api/agents/nyx", func(n int64) map[string]any {
		return map[string]any{"metadata": map[string]any{"n": n}}
	})
	for i := range turns {
		b.repeats(n.server, &turns[i], http.MethodPost, "/api/chat/send", func(n int64) map[string]any {
			return map[string]any{"agentId": "aria", "conversationId": fmt.Sprint("c", i), "message": fmt.Sprint("message ", n)}
		})
	}

	all := func() []int64 {
		counts := []int64{reads.Load(), updates.Load(), framed.Load(), streamed.Load()}
		for i := range turns {
			counts = append(counts, turns[i].Load())
		}
		return counts
	}
	for range swaps {
		before := all()
		s.reload()
		eventually(t, "everybody to go on", func() error {
			for i, now := range all() {
				if now < before[i]+3 && !t.Failed() {
					return fmt.Errorf("before %v, now %v", before, all())
				}
			}
			return nil
		})
		if t.Failed() {
			return
		}
	}
	b.stop.Store(true)
	eventually(t, "the end of the load", func() error {
		now := s.do(own, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil).json["revision"].(float64)
		if want := begin + updates.Load(); int64(now) != want || framed.Load() != want || streamed.Load() != want {
			return fmt.Errorf("nyx has revision %v, the socket %d, the stream %d, want %d", now, framed.Load(), streamed.Load(), want)
		}
		return nil
	})
	_ = k.ws.CloseNow()
	cancel()
	b.wg.Wait()
	for i := range turns {
		a := s.do(own, http.StatusOK, http.MethodGet, fmt.Sprint("/api/chat/conversations/c", i), nil)
		if want := float64(2 * turns[i].Load()); a.json["messageCount"] != want {
			t.Errorf("conversation %d has %v messages, want %v", i, a.json["messageCount"], want)
		}
	}
	n.wantQuiet()
	t.Logf("%d swaps: reads, updates, the last revisions, turns: %v", swaps, all())
}

// TestKeptConnectionsOfNginxMove: those that are idle at a swap are the same behind it, and every one still works, for
// requests that nginx sends only once too.
func TestKeptConnectionsOfNginxMove(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	n := s.behindNginx(documented(t))
	const clients = 8
	burst := func() {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				a, err := n.try(newForeignClient(t), s.token, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "conversationId": fmt.Sprint("c", i), "message": "Hello!"})
				if err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("POST = %v, %v", a.Response, err)
				}
			})
		}
		wg.Wait()
	}
	burst()
	first := connections(t, s.base)
	if len(first) == 0 {
		t.Fatal("nginx keeps no connections")
	}
	for range 5 {
		kept := connections(t, s.base)
		s.reload()
		if now := connections(t, s.base); !slices.Equal(now, kept) {
			t.Errorf("before the swap nginx had the connections %v, and now %v", kept, now)
		}
		burst()
	}
	if last := connections(t, s.base); !slices.ContainsFunc(last, func(c string) bool { return slices.Contains(first, c) }) {
		t.Errorf("at first nginx had the connections %v, and at last %v", first, last)
	}
	n.wantQuiet()
}

// connections returns the addresses from which there are connections to a server, in order.
func connections(t *testing.T, base string) []string {
	t.Helper()
	table, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	var port int
	if _, err := fmt.Sscanf(base, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	const established = "01"
	var found []string
	for lines := bufio.NewScanner(table); lines.Scan(); {
		// "sl local_address rem_address st …", in hexadecimal
		if f := strings.Fields(lines.Text()); len(f) > 3 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) && f[3] == established {
			found = append(found, f[1])
		}
	}
	slices.Sort(found)
	return found
}

// TestATurnThroughNginxIsResumed: a swap ends its stream in the middle of the reply, and the rest is told to who comes again
// with the last id.
func TestATurnThroughNginxIsResumed(t *testing.T) {
	needsNginx(t)
	h := halting{make(chan struct{})}
	m, _, api := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return h, nil })
	s := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}
	n := s.behindNginx(documented(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := streamClient(t, true)
	x := n.post(ctx, c, map[string]any{"agentId": "nyx", "message": "Hello!"})
	ack, err := x.next()
	if err != nil {
		t.Fatal(err)
	}
	x.reads("chat:queued", "chat:started", "chat:delta")
	swap(t, m, api)
	if f, err := x.next(); !errors.Is(err, io.EOF) {
		t.Fatalf("behind the swap came %v, %v", f, err)
	}
	x.query = "?runId=" + ack.str("runId")
	if err := x.open(ctx, c); err != nil {
		t.Fatal(err)
	}
	h.resume <- struct{}{}
	x.reads("chat:delta", "chat:reply")
	if f, err := x.next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the end of the turn came %v, %v", f, err)
	}
	n.wantQuiet()
}

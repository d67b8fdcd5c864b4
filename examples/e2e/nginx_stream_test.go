//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// update changes nyx, which is one event, and returns its revision.
func (s *server) update(c *http.Client, n int) float64 {
	s.t.Helper()
	a := s.do(c, http.StatusOK, http.MethodPut, "/api/agents/nyx", map[string]any{"metadata": map[string]any{"n": n}})
	return a.json["revision"].(float64)
}

// streamClient returns a client for streams, whose answers nginx compresses if it may.
func streamClient(t *testing.T, compressed bool) *http.Client {
	c := newForeignClient(t)
	c.Timeout = 0
	c.Transport.(*http.Transport).DisableCompression = !compressed
	return c
}

// TestNginxPassesEveryEventOn: each event is at the client before the next one is caused, although nginx buffers.
func TestNginxPassesEveryEventOn(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	for name, conf := range map[string]string{"documented": documented(t), "untold": untold} {
		n := s.behindNginx(conf)
		for _, compressed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, compressed %t", name, compressed), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				x := &stream{s: n.server, query: "?events=updated&agents=nyx"}
				if err := x.open(ctx, streamClient(t, compressed)); err != nil {
					t.Fatal(err)
				}
				defer x.resp.Body.Close()
				if x.resp.Uncompressed != compressed {
					t.Errorf("the stream has headers %v", x.resp.Header)
				}
				c := newForeignClient(t)
				for i := range 20 {
					revision := s.update(c, i)
					if f, err := x.next(); err != nil || f["revision"] != revision {
						t.Fatalf("behind update %d came %v, %v", i, f, err)
					}
				}
			})
		}
		n.wantQuiet()
	}
}

// TestNginxHoldsEventsBack where it is told to ignore what streams ask for, in what it compresses, until the stream ends:
// the test above would notice.
func TestNginxHoldsEventsBack(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	n := s.behindNginx(with(documented(t), "proxy_ignore_headers X-Accel-Buffering;"))
	c := newForeignClient(t)
	head := s.do(c, http.StatusOK, http.MethodGet, "/api/events", nil).str("head")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	seen := make(chan float64)
	done := make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		x := &stream{s: n.server, query: "?events=updated&agents=nyx&since=" + head}
		if err := x.open(ctx, streamClient(t, true)); err != nil {
			t.Errorf("open a stream: %v", err)
			return
		}
		defer x.resp.Body.Close()
		for f, err := x.next(); err == nil; f, err = x.next() {
			select {
			case seen <- f["revision"].(float64):
			case <-ctx.Done():
				return
			}
		}
	}()
	var revisions []float64
	tick := time.NewTicker(20 * time.Millisecond) // which is long, compared to what an event takes
	defer tick.Stop()
	for n := range 50 {
		revisions = append(revisions, s.update(c, n))
		select {
		case revision := <-seen:
			t.Fatalf("revision %v was passed on at once, as one of %v", revision, revisions)
		case <-tick.C:
		}
	}
	if _, stderr, code := s.ext("reload", "api"); code != 0 {
		t.Fatal(stderr)
	}
	for _, want := range revisions {
		select {
		case revision := <-seen:
			if revision != want {
				t.Errorf("got revision %v, want %v", revision, want)
			}
		case <-done:
			t.Fatalf("the stream has ended before revision %v", want)
		}
	}
}

// post sends a message and returns the stream of its turn.
func (s *server) post(ctx context.Context, c *http.Client, message map[string]any) *stream {
	s.t.Helper()
	body, err := json.Marshal(message)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/api/chat/send", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("POST /api/chat/send = %s", resp.Status)
	}
	return &stream{s: s, resp: resp, in: bufio.NewReader(resp.Body)}
}

// reads fails the test unless the next events are of these types.
func (x *stream) reads(types ...string) {
	x.s.t.Helper()
	for _, want := range types {
		f, err := x.next()
		if err != nil || f.str("type") != want {
			x.s.t.Fatalf("the next event is %v, %v; want %s", f, err, want)
		}
	}
}

// TestNginxPassesATurnOn: what is said of a reply is at the client before the rest is said.
func TestNginxPassesATurnOn(t *testing.T) {
	needsNginx(t)
	s, resume := slowly(t)
	for name, conf := range map[string]string{"documented": documented(t), "untold": untold} {
		n := s.behindNginx(conf)
		for _, compressed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, compressed %t", name, compressed), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				x := n.post(ctx, streamClient(t, compressed), map[string]any{"agentId": "nyx", "message": "Hello!"})
				if x.resp.Uncompressed != compressed {
					t.Errorf("the stream has headers %v", x.resp.Header)
				}
				x.reads("ack", "chat:queued", "chat:started", "chat:delta")
				resume <- struct{}{}
				x.reads("chat:delta", "chat:reply")
				if f, err := x.next(); !errors.Is(err, io.EOF) {
					t.Errorf("behind the end of the turn came %v, %v", f, err)
				}
			})
		}
		n.wantQuiet()
	}
}

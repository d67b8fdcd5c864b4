//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNginxNoticesThatTheClientHasGone, and so does the server, which has a turn cancelled if the client wanted that.
func TestNginxNoticesThatTheClientHasGone(t *testing.T) {
	needsNginx(t)
	s, _ := slowly(t)
	c := newForeignClient(t)
	for name, conf := range map[string]string{"documented": documented(t), "untold": untold} {
		n := s.behindNginx(conf)
		ctx, leave := context.WithTimeout(t.Context(), patience)
		defer leave()
		x := n.post(ctx, streamClient(t, false), map[string]any{"agentId": "nyx", "message": "Hello!", "onDisconnect": "cancel"})
		ack, err := x.next()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		x.reads("chat:queued", "chat:started", "chat:delta")
		if run := s.do(c, http.StatusOK, http.MethodGet, "/api/runs/"+ack.str("runId"), nil); run.str("status") != "running" {
			t.Errorf("%s: before the client goes the run is %s", name, run.raw)
		}
		leave()
		s.awaitRun(c, "/api/runs/"+ack.str("runId"), "cancelled")
	}
}

// TestNginxEndsTheStreamOfAClientThatHasGone: the server has its place again.
func TestNginxEndsTheStreamOfAClientThatHasGone(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0", "--set", "extensions.api.limits.sockets=1")
	n := s.behindNginx(documented(t))
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	c := streamClient(t, false)
	first, second := &stream{s: n.server}, &stream{s: n.server}
	if err := first.open(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := second.open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("a second stream: %v", err)
	}
	leave()
	eventually(t, "the place of the first stream", func() error { return second.open(t.Context(), c) })
	_ = second.resp.Body.Close()
}

// TestNginxTakesNothingForDead: comments keep a stream, and pings a socket, for twice as long as nginx waits.
func TestNginxTakesNothingForDead(t *testing.T) {
	needsNginx(t)
	s, n, x, k := quietly(t, 500)
	silent := make(chan error, 1) // pings are answered while somebody reads
	go func() { _, err := k.next(); silent <- err }()
	for range 8 {
		line, err := x.in.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, ":") {
			t.Fatalf("got %q, %v", line, err)
		}
		if line, err = x.in.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("got %q, %v", line, err)
		}
	}
	revision := s.update(newForeignClient(t), 0)
	if f, err := x.next(); err != nil || f["revision"] != revision {
		t.Errorf("behind the comments came %v, %v", f, err)
	}
	k.send(frame{"type": "ping"})
	if err := <-silent; err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
	n.wantQuiet()
}

// TestNginxCutsWhatIsSilent for longer than it waits: the test above would notice.
func TestNginxCutsWhatIsSilent(t *testing.T) {
	needsNginx(t)
	_, n, x, k := quietly(t, 15_000)
	if line, err := x.in.ReadString('\n'); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream goes on with %q, %v", line, err)
	}
	if f, err := k.next(); err == nil {
		t.Errorf("the socket goes on with %v", f)
	}
	eventually(t, "nginx to say why", func() error {
		if log := n.log.String(); !strings.Contains(log, "upstream timed out") {
			return fmt.Errorf("it says %q", log)
		}
		return nil
	})
}

// quietly opens a stream and a socket through an nginx that waits for two seconds, to a server with a heartbeat.
func quietly(t *testing.T, heartbeatMs int) (*server, *nginx, *stream, *socket) {
	t.Helper()
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0", "--set", fmt.Sprint("extensions.api.limits.heartbeatMs=", heartbeatMs))
	conf := documented(t)
	impatient := strings.Replace(conf, "proxy_read_timeout 150s;", "proxy_read_timeout 2s;", 1)
	if impatient == conf {
		t.Fatalf("there is no timeout in %s", conf)
	}
	n := s.behindNginx(impatient)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	x := &stream{s: n.server}
	if err := x.open(ctx, streamClient(t, false)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.resp.Body.Close() })
	return s, n, x, n.authenticated(s.token)
}

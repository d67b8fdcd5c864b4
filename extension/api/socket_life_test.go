package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

func TestHeartbeat(t *testing.T) {
	w := start(t, `"limits":{"heartbeatMs":20}`, newFakeHost().services())
	t.Run("keeps a client that answers", func(t *testing.T) {
		s := w.dial(as("alice")...)
		got := make(chan error, 1)
		go func() { _, _ = s.next(); _, err := s.next(); got <- err }()
		select {
		case err := <-got: // auth:ok comes, and after it nothing does
			t.Errorf("the socket ended: %v", err)
		case <-time.After(300 * time.Millisecond):
		}
		_ = s.conn.CloseNow()
		<-got
	})
	t.Run("cuts off one that does not", func(t *testing.T) {
		raw := dialRaw(t, w, "alice")
		begin := time.Now()
		if code := raw.readUntilClose(t, false); code != 1013 {
			t.Errorf("closed with %d after %v", code, time.Since(begin))
		}
	})
}

func TestSocketsAreBounded(t *testing.T) {
	w := start(t, `"limits":{"sockets":2}`, newFakeHost().services())
	first := w.dial()
	w.dial()
	a := w.do("GET", "/ws", "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	a.problem(t, 503, schema.CodeUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	_ = first.conn.Close(websocket.StatusNormalClosure, "")
	eventually(t, "room for another socket", func() bool { _, err := w.tryDial(); return err == nil })
}

func TestCloseIsAnswered(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	s := w.login("alice")
	if err := s.conn.Close(4321, "bye"); err != nil {
		t.Errorf("the closing handshake: %v", err)
	}
}

func TestDrainClosesSockets(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	var sockets []*socket
	for range 20 {
		sockets = append(sockets, w.login("alice"))
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- w.running.Drain(ctx)
	}()
	for _, s := range sockets {
		frames := s.wantClose(1012)
		if len(frames) != 1 || frames[0].kind() != "server:draining" {
			t.Errorf("before the close came %v", frames)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestDrainFinishesRequests(t *testing.T) {
	f := newFakeHost()
	entered, release := make(chan struct{}), make(chan struct{})
	f.list = func(ctx context.Context) (schema.AgentPage, error) {
		close(entered)
		<-release
		return schema.AgentPage{}, nil
	}
	w := start(t, "", f.services())
	got := make(chan answer, 1)
	go func() { a, _ := w.try("GET", "/api/agents", "", as("alice")...); got <- a }()
	<-entered
	done := make(chan error, 1)
	go func() { done <- w.running.Drain(context.Background()) }()
	eventually(t, "nobody listens", func() bool { _, err := w.try("GET", "/healthz", ""); return err != nil })
	close(release)
	if a := <-got; a.status != 200 || !a.closes {
		t.Errorf("the request in flight: %d %v %s", a.status, a.header, a.body)
	}
	if err := <-done; err != nil {
		t.Errorf("drain: %v", err)
	}
}

package api_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// TestSlowClientIsCutOff has one client that does not read beside one that does, and events enough to fill what the
// kernel hides as well.
func TestSlowClientIsCutOff(t *testing.T) {
	f := newFakeHost()
	w := start(t, `"limits":{"queueFrames":64}`, f.services())
	stuck := dialRaw(t, w, "alice")
	stuck.send(t, `{"type":"subscribe","events":["thought"]}`)
	for range 3 { // welcome, auth:ok, subscribed
		if _, _, err := stuck.frame(); err != nil {
			t.Fatal(err)
		}
	}
	quick := w.login("alice")
	quick.ask(`{"type":"subscribe","events":["thought"]}`, "subscribed")

	const events = 200
	payload := schema.NewPayload(schema.Thought{Thought: strings.Repeat("x", 16<<10)})
	begin := time.Now()
	for i := range events { // in step with the quick one, so that its own queue never fills
		f.emit(schema.Event{Type: schema.EventThought, AgentID: "nyx", Payload: payload})
		if got := quick.want("agent:thought"); got["seq"] != float64(i+1) {
			t.Fatalf("event %d is %v", i+1, got["seq"])
		}
	}
	t.Logf("%d events to the quick client in %v", events, time.Since(begin))
	if code := stuck.readUntilClose(t, false); code != 1013 {
		t.Errorf("the stuck client was closed with %d", code)
	}
	quick.ask(`{"type":"ping"}`, "pong")
}

// TestClientThatNeverReadsAgain must not keep its session alive.
func TestClientThatNeverReadsAgain(t *testing.T) {
	f := newFakeHost()
	w := start(t, `"limits":{"queueFrames":8,"sockets":1}`, f.services())
	stuck := dialRaw(t, w, "alice")
	stuck.send(t, `{"type":"subscribe","events":["thought"]}`)
	payload := schema.NewPayload(schema.Thought{Thought: strings.Repeat("x", 64<<10)})
	stop := make(chan struct{})
	var emitting sync.WaitGroup
	emitting.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				f.emit(schema.Event{Type: schema.EventThought, AgentID: "nyx", Payload: payload})
			}
		}
	})
	eventuallyWithin(t, 3*patience, "room for another socket", func() bool {
		s, err := w.tryDial()
		return err == nil && s.conn.CloseNow() == nil
	})
	close(stop)
	emitting.Wait()
}

// TestNoFrameReachesAStranger opens and ends many short-lived sockets of many principals while frames for each of them
// are on their way. The library pools connections: a writer that outlived its handler would write into another's socket.
func TestNoFrameReachesAStranger(t *testing.T) {
	f := newFakeHost()
	f.authenticate = func(token string) (schema.Caller, error) {
		return schema.Caller{Principal: token, Scopes: []schema.Scope{schema.ScopeChat}}, nil
	}
	w := start(t, "", f.services())
	const principals, rounds = 16, 12
	stop := make(chan struct{})
	var emitting, clients sync.WaitGroup
	emitting.Go(func() { // everybody's secrets, without end
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Microsecond):
			}
			owner := fmt.Sprintf("user%d", i%principals)
			f.emit(schema.Event{Type: schema.EventThought, AgentID: "nyx", Principal: owner, Payload: schema.NewPayload(schema.Thought{Thought: owner})})
		}
	})
	for p := range principals {
		clients.Go(func() {
			me := fmt.Sprintf("user%d", p)
			for round := range rounds {
				shortLife(t, w, me, round)
			}
		})
	}
	clients.Wait()
	close(stop)
	emitting.Wait()
}

// shortLife is one socket: it listens, talks, and goes away in one of the ways that clients do, mostly in the middle of
// frames that are being written to it.
func shortLife(t *testing.T, w *world, me string, round int) {
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	raw := upgraded(t, c, me)
	if raw == nil {
		return
	}
	raw.send(t, `{"type":"subscribe"}`)
	raw.send(t, `{"type":"chat:message","agentId":"nyx","message":"secret of `+me+`"}`)
	for range 3 + round {
		op, payload, err := raw.frame()
		if err != nil || op == 8 {
			break
		}
		if other := strings.Index(string(payload), "user"); op == 1 && other >= 0 && !strings.Contains(string(payload), me+`"`) {
			t.Errorf("%s got %.300s", me, payload)
			return
		}
	}
	switch round % 3 {
	case 0: // a close frame, and gone
		_, _ = c.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8})
	case 1: // a reset
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// TestHangingHost keeps the worker of one socket busy: the socket still answers pings, others do not notice, and closing
// it ends the call.
func TestHangingHost(t *testing.T) {
	f := newFakeHost()
	entered, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		if r.Message != "hang" {
			f.echo(ctx, r, yield)
			return
		}
		entered <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		yield(schema.ChatEvent{}, ctx.Err())
	}
	w := start(t, "", f.services())
	hanging, other := w.login("alice"), w.login("alice")
	hanging.send(`{"type":"chat:message","agentId":"nyx","message":"hang"}`)
	<-entered
	hanging.ask(`{"type":"ping","id":"still here"}`, "pong")
	other.ask(`{"type":"chat:message","agentId":"nyx","message":"x"}`, "ack")
	_ = hanging.conn.CloseNow()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the call to the host outlives its socket")
	}
}

// eventuallyWithin is eventually with another bound.
func eventuallyWithin(t testing.TB, bound time.Duration, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(bound)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, bound)
		}
		<-time.After(20 * time.Millisecond)
	}
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// masked returns a masked text frame as a client sends it; the mask is zero, the text short.
func masked(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// wantText reads the next text frame, which must be of that type, and returns it.
func (r *rawSocket) wantText(t testing.TB, kind string) frame {
	t.Helper()
	op, payload, err := r.frame()
	var f frame
	if err != nil || op != 1 || json.Unmarshal(payload, &f) != nil || f.kind() != kind {
		t.Fatalf("got frame %d %.300q, %v; want a %s", op, payload, err, kind)
	}
	return f
}

// TestBurstOfEvents is what a long reply looks like: thousands of small events that are there at once. A client that reads
// them gets them all.
func TestBurstOfEvents(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	watchers := make([]*socket, 4)
	for i := range watchers {
		watchers[i] = w.login("alice")
		watchers[i].ask(`{"type":"subscribe"}`, "subscribed")
	}
	const events = 5000
	f.mu.Lock() // the hub gets all of them in one go
	for i := range events {
		f.log = append(f.log, whole(schema.Event{
			Cursor: schema.Cursor{Epoch: fakeEpoch, Seq: uint64(i + 1)}, Type: schema.EventDelta, AgentID: "nyx", Principal: "alice",
		}))
	}
	f.wakeLocked()
	f.mu.Unlock()
	for _, s := range watchers {
		for i := range events {
			if got := s.want("chat:delta"); got["seq"] != float64(i+1) {
				t.Fatalf("event %d is %v", i+1, got)
			}
		}
	}
}

// TestBurstOfPings sends many pings of both kinds in one write.
func TestBurstOfPings(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	raw := dialRaw(t, w, "alice")
	raw.wantText(t, "welcome")
	raw.wantText(t, "auth:ok")
	const pings = 1000
	var all []byte
	for i := range pings {
		all = append(append(all, masked(fmt.Sprintf(`{"type":"ping","id":%d}`, i))...), 0x89, 0x80, 0, 0, 0, 0)
	}
	if _, err := raw.conn.Write(all); err != nil {
		t.Fatal(err)
	}
	for i := range pings {
		if f := raw.wantText(t, "pong"); f["id"] != float64(i) {
			t.Fatalf("pong %d is %v", i, f)
		}
		if op, _, err := raw.frame(); op != 0xA || err != nil {
			t.Fatalf("got frame %d, %v; want a pong", op, err)
		}
	}
}

// TestAnswersWaitForTheirReader has a client send much more than it reads for a while, on a queue that is small: its own
// answers hold it up, and cost it nothing.
func TestAnswersWaitForTheirReader(t *testing.T) {
	w := start(t, `"limits":{"queueFrames":8,"heartbeatMs":250}`, newFakeHost().services())
	raw := dialRaw(t, w, "alice")
	_ = raw.conn.(*net.TCPConn).SetReadBuffer(256 << 10) // less than one segment of the loopback makes TCP crawl
	const commands = 10_000
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for i := 0; i < commands; i += 100 {
			var b bytes.Buffer
			for j := i; j < i+100; j++ {
				kind := "ping" // answered by the reader
				if j%2 == 1 {
					kind = "nonsense" // and by the worker
				}
				b.Write(masked(fmt.Sprintf(`{"type":%q,"id":%d}`, kind, j)))
			}
			if _, err := raw.conn.Write(b.Bytes()); err != nil {
				t.Errorf("send: %v", err)
				return
			}
		}
	})
	<-time.After(1500 * time.Millisecond) // more heartbeats than a client may miss
	next := [2]int{0, 1}
	for next[0] < commands || next[1] < commands+1 {
		op, payload, err := raw.frame()
		switch {
		case err != nil || op == 8:
			t.Fatalf("after %v: frame %d %q, %v", next, op, payload, err)
		case op != 1 || bytes.Contains(payload, []byte(`"welcome"`)) || bytes.Contains(payload, []byte(`"auth:ok"`)):
			continue
		}
		var f struct {
			Type string
			ID   int
		}
		if err := json.Unmarshal(payload, &f); err != nil || f.ID != next[f.ID%2] {
			t.Fatalf("got %s, want %v", payload, next)
		}
		next[f.ID%2] += 2
	}
}

// hangingHost has messages "hang" wait until release is closed, and says on entered when one does.
func hangingHost() (f *fakeHost, entered, release chan struct{}) {
	f = newFakeHost()
	entered, release = make(chan struct{}, 1), make(chan struct{})
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		if r.Message == "hang" {
			entered <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				entered <- struct{}{}
				yield(schema.ChatEvent{}, ctx.Err())
				return
			}
		}
		f.echo(ctx, r, yield)
	}
	return f, entered, release
}

// TestPipelinedCommands sends many commands behind one that takes its time: none is refused, the order is kept, and the
// heartbeat does not take a client that is held up for one that is gone.
func TestPipelinedCommands(t *testing.T) {
	f, entered, release := hangingHost()
	w := start(t, `"limits":{"heartbeatMs":20}`, f.services())
	s := w.login("alice")
	answers := make(chan frame, 400)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer func() { _ = s.conn.CloseNow() }()
	reading.Go(func() { // which answers pings too
		defer close(answers)
		for {
			f, err := s.next()
			if err != nil {
				return
			}
			answers <- f
		}
	})
	s.send(`{"type":"chat:message","id":"hang","agentId":"nyx","message":"hang"}`)
	<-entered
	const commands = 200
	for i := range commands {
		s.send(fmt.Sprintf(`{"type":"subscribe","id":%d,"events":[]}`, i))
	}
	select {
	case f := <-answers:
		t.Fatalf("got %v before the first command was answered", f)
	case <-time.After(300 * time.Millisecond): // many heartbeats
	}
	close(release)
	if f := <-answers; f.kind() != "ack" || f["id"] != "hang" {
		t.Fatalf("got %v, want the ack", f)
	}
	for i := 0; i < commands; {
		switch f := <-answers; {
		case strings.HasPrefix(f.kind(), "chat:"): // of the turn
		case f.kind() == "subscribed" && f["id"] == float64(i):
			i++
		default:
			t.Fatalf("got %v, want the answer to command %d", f, i)
		}
	}
}

// TestHeldUpClientEnds ends sockets whose reader waits for a worker that hangs.
func TestHeldUpClientEnds(t *testing.T) {
	heldUp := func(t *testing.T) (*world, *socket, chan struct{}) {
		f, entered, _ := hangingHost()
		w := start(t, `"limits":{"heartbeatMs":20}`, f.services())
		s := w.login("alice")
		s.send(`{"type":"chat:message","agentId":"nyx","message":"hang"}`)
		<-entered
		for range 200 {
			s.send(`{"type":"subscribe"}`)
		}
		return w, s, entered
	}
	ended := func(t *testing.T, hung chan struct{}) {
		select {
		case <-hung:
		case <-time.After(patience):
			t.Error("the call to the host outlives its socket")
		}
	}
	t.Run("when the server drains", func(t *testing.T) {
		w, s, hung := heldUp(t)
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- w.running.Drain(context.Background()) }()
		s.wantClose(1012)
		ended(t, hung)
		if err := <-done; err != nil || time.Since(begin) > 3*time.Second {
			t.Errorf("the drain took %v: %v", time.Since(begin), err)
		}
	})
	t.Run("when the client goes", func(t *testing.T) {
		_, s, hung := heldUp(t)
		_ = s.conn.CloseNow()
		ended(t, hung)
	})
}

// TestRetryAfterIsEnough obeys refusals to the millisecond.
func TestRetryAfterIsEnough(t *testing.T) {
	const window = 3 * time.Millisecond
	w := start(t, `"rateLimit":{"windowMs":3,"max":1}`, newFakeHost().services())
	raw := dialRaw(t, w, "alice")
	raw.wantText(t, "welcome")
	raw.wantText(t, "auth:ok")
	<-time.After(window) // the upgrade counts too
	ping := masked(`{"type":"ping"}`)
	for refusals := 0; refusals < 50; {
		if _, err := raw.conn.Write(slices.Concat(ping, ping)); err != nil {
			t.Fatal(err)
		}
		raw.wantText(t, "pong")
		_, payload, err := raw.frame()
		var f frame
		if err != nil || json.Unmarshal(payload, &f) != nil {
			t.Fatalf("got %q, %v", payload, err)
		}
		wait := window
		if f.kind() == "error" { // and not a pong, which comes if the second one was late
			refusals++
			ms, _ := f["retryAfterMs"].(float64)
			wait = time.Duration(ms) * time.Millisecond
		}
		if wait <= 0 {
			t.Fatalf("refused with %v", f)
		}
		<-time.After(wait)
	}
}

// TestManyParallelSends has somebody watch many turns of their own that run at once over REST.
func TestManyParallelSends(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	s := w.login("alice")
	s.ask(`{"type":"subscribe","events":["chat:*"]}`, "subscribed")
	const turns = 200
	var sending sync.WaitGroup
	defer sending.Wait()
	for i := range turns {
		sending.Go(func() {
			a, err := w.try("POST", "/api/chat/send", fmt.Sprintf(`{"agentId":"nyx","message":"m%d"}`, i), as("alice")...)
			if err != nil || a.status != 200 {
				t.Errorf("send: %v %d %s", err, a.status, a.body)
			}
		})
	}
	seq := 0.0
	for range 2 * turns { // chat:queued and chat:reply of each
		f := s.read()
		if n, _ := f["seq"].(float64); n <= seq {
			t.Fatalf("after %v came %v", seq, f)
		}
		seq = f["seq"].(float64)
	}
}

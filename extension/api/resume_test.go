package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/schema"
)

// logHost is a fakeHost with a real event log, which gives each what it asks for and may see.
type logHost struct {
	*fakeHost
	events *eventlog.Log
	first  atomic.Uint64 // the oldest event that has not been evicted
	read   func()        // before the store is read; nil = nothing
}

func newLogHost(tail int) *logHost {
	h := &logHost{fakeHost: newFakeHost()}
	h.first.Store(1)
	h.events = eventlog.New(eventlog.StoreFunc(h.page), eventlog.State{Epoch: fakeEpoch, First: 1}, eventlog.WithTail(tail, 1<<30))
	h.emitted = func(e schema.Event) { h.events.Publish([]schema.Event{e}) }
	return h
}

func (h *logHost) page(_ context.Context, after uint64, limit int) ([]schema.Event, error) {
	if h.read != nil {
		h.read()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	after = max(after, h.first.Load()-1)
	return slices.Clone(h.log[after:min(after+uint64(limit), uint64(len(h.log)))]), nil
}

func (h *logHost) evict(first uint64) {
	h.first.Store(first)
	h.events.Evicted(first)
}

func (h *logHost) services() schema.Services {
	s := h.fakeHost.services()
	s.Events = h.events
	return s
}

func (h *logHost) think(n int) {
	for range n {
		h.emit(thoughtOf("nyx", ""))
	}
}

// hasRead waits until the server's own reading of the log has come as far as head.
func (w *world) hasRead(head string) {
	w.t.Helper()
	s := w.login("alice")
	eventually(w.t, "the server has read the log", func() bool {
		return s.ask(`{"type":"unsubscribe"}`, "unsubscribed").text("head") == head
	})
}

func thoughtOf(agent, principal string) schema.Event {
	return schema.Event{Type: schema.EventThought, AgentID: agent, Principal: principal, Payload: schema.NewPayload(schema.Thought{Thought: "t"})}
}

// anEvent is any event, of anybody's.
func anEvent() schema.Event {
	types := []schema.EventType{schema.EventThought, schema.EventStatus, schema.EventReply, schema.EventDelta}
	return schema.Event{
		Type: types[rand.IntN(len(types))], AgentID: []string{"nyx", "aria", "later", ""}[rand.IntN(4)],
		Principal: []string{"", "alice", "bob"}[rand.IntN(3)],
	}
}

// subscriptions by what they let through.
var subscriptions = map[string]func(schema.Event) bool{
	``:                               func(schema.Event) bool { return true },
	`,"agents":["*"],"events":["*"]`: func(schema.Event) bool { return true },
	`,"events":["thought","reply"]`:  func(e schema.Event) bool { return e.Type == schema.EventThought || e.Type == schema.EventReply },
	`,"agents":["nyx","aria"]`:       func(e schema.Event) bool { return e.AgentID == "nyx" || e.AgentID == "aria" },
	`,"agents":["aria"],"events":["agent:*"]`: func(e schema.Event) bool { return e.AgentID == "aria" && strings.HasPrefix(string(e.Type), "agent:") },
	`,"agents":[]`: func(schema.Event) bool { return false },
	`,"events":[]`: func(schema.Event) bool { return false },
}

// chain follows what a client holds: an event frame that does not follow on from it means loss.
type chain struct {
	t    testing.TB
	held float64
}

func (c *chain) add(f frame) float64 {
	c.t.Helper()
	seq, _ := f["seq"].(float64)
	if prev, ok := f["prevSeq"].(float64); !ok || prev != c.held || seq <= c.held {
		c.t.Fatalf("held %v, got %v", c.held, f)
	}
	c.held = seq
	return seq
}

// TestResumeIsExact has clients come back at any moment, to any place and with any filter, while events are published as
// fast as can be: each gets what its filter lets through and it may see, once, in order, replayed or live.
func TestResumeIsExact(t *testing.T) {
	const clients, bursts = 6, 40
	for _, tail := range []int{16, 100_000} {
		h := newLogHost(tail)
		w := start(t, "", h.services())
		h.think(10)
		stop := make(chan struct{})
		var publishing, resuming sync.WaitGroup
		publishing.Go(func() {
			for range bursts {
				for range 1 + rand.IntN(200) {
					h.emit(anEvent())
				}
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
		for range clients {
			resuming.Go(func() { resumeAnywhere(t, w, h) })
		}
		resuming.Wait()
		close(stop)
		publishing.Wait()
	}
}

// resumeAnywhere is one client of TestResumeIsExact. It reads 300 events beyond the head that it is told, or as many as
// come until the last one it looks for has been published.
func resumeAnywhere(t *testing.T, w *world, h *logHost) {
	for options, lets := range subscriptions {
		token := []string{"alice", "admin"}[rand.IntN(2)]
		s, err := w.tryDial(as(token)...)
		if err != nil {
			t.Error(err)
			return
		}
		head, _ := h.events.Head(context.Background())
		since := rand.Uint64N(head.Seq + 1)
		if _, err := s.next(); err != nil { // welcome
			t.Error(err)
		}
		s.want("auth:ok")
		f := s.ask(fmt.Sprintf(`{"type":"subscribe","since":"%s-%d"%s}`, fakeEpoch, since, options), "subscribed")
		if f["recovered"] != true {
			t.Errorf("subscribed: %v", f)
		}
		mine := schema.Event{Type: schema.EventReply, AgentID: "aria", RunID: "mark " + fmt.Sprint(rand.Int())}
		if options == `,"agents":["aria"],"events":["agent:*"]` {
			mine.Type = schema.EventThought
		}
		last := h.emit(mine)
		if !lets(last) {
			s.ask(`{"type":"ping"}`, "pong")
			s.ask(`{"type":"subscribe","events":[]}`, "subscribed") // after everything that the replay would send
			_ = s.conn.CloseNow()
			continue
		}
		var got, want []float64
		c := chain{t, float64(since)}
		for c.held < float64(last.Cursor.Seq) {
			got = append(got, c.add(s.read()))
		}
		h.mu.Lock()
		for _, e := range h.log[since:last.Cursor.Seq] {
			if lets(e) && (token == "admin" || e.Principal == "" || e.Principal == token) {
				want = append(want, float64(e.Cursor.Seq))
			}
		}
		h.mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("%s after %d: got %d events %v, want %d %v", options, since, len(got), got, len(want), want)
		}
		_ = s.conn.CloseNow()
	}
}

func TestResumeFromEverywhere(t *testing.T) {
	h := newLogHost(1000)
	w := start(t, "", h.services())
	h.think(10)
	w.hasRead("fake-10")
	h.evict(5)
	for name, c := range map[string]struct {
		since     string
		recovered bool
		first     float64 // the first event, 11 = the next that happens
	}{
		"the middle":      {"fake-7", true, 8},
		"the oldest":      {"fake-4", true, 5},
		"the head":        {"fake-10", true, 11},
		"evicted":         {"fake-3", false, 5},
		"the beginning":   {"fake-0", false, 5},
		"another epoch":   {"other-7", false, 5},
		"beyond the head": {"fake-12", false, 5},
		"far beyond it":   {"fake-18446744073709551615", false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.of(t)
			s := w.login("alice")
			f := s.ask(`{"type":"subscribe","id":1,"events":["thought"],"since":"`+c.since+`"}`, "subscribed")
			if f["recovered"] != c.recovered || f["id"] != 1.0 || f.text("head") != "fake-10" {
				t.Errorf("subscribed: %v", f)
			}
			_, seq, _ := strings.Cut(c.since, "-")
			at := chain{t: t}
			_, _ = fmt.Sscan(seq, &at.held)
			if !c.recovered {
				g := s.want("gap")
				if g.text("requested") != c.since || g.text("firstAvailable") != "fake-5" || g.text("head") != "fake-10" || g.text("id") != "fake-4" {
					t.Errorf("gap: %v", g)
				}
				at.held = 4
			}
			for next := c.first; next <= 10; next++ {
				if seq := at.add(s.read()); seq != next {
					t.Fatalf("got %v, want %v", seq, next)
				}
			}
			s.ask(`{"type":"ping"}`, "pong")
		})
	}
	s := w.login("alice")
	s.ask(`{"type":"subscribe","since":"fake-10"}`, "subscribed")
	h.think(1)
	at := chain{t, 10}
	at.add(s.want("agent:thought"))
	e := s.wantError(`{"type":"subscribe","id":"x","since":"fake-1"}`, schema.CodeInvalidArgument)
	if e["id"] != "x" || !strings.Contains(fmt.Sprint(e["errors"]), "location:since") || !strings.Contains(e.text("detail"), "another socket") {
		t.Errorf("a second since: %v", e)
	}
	s.ask(`{"type":"unsubscribe"}`, "unsubscribed")
	s.wantError(`{"type":"subscribe","since":"fake-1"}`, schema.CodeInvalidArgument)
}

// TestPrevSeqTellsFilteredFromLost walks through everything that names a place.
func TestPrevSeqTellsFilteredFromLost(t *testing.T) {
	h := newLogHost(1000)
	w := start(t, "", h.services())
	s, all := w.login("alice"), w.login("admin")
	all.ask(`{"type":"subscribe"}`, "subscribed")
	h.think(3)
	at := chain{t, 0}
	s.ask(`{"type":"chat:message","agentId":"nyx","message":"x"}`, "ack") // 4, 5 (a thought), 6
	at.add(s.want("chat:queued"))
	at.add(s.want("chat:reply"))
	h.think(3)
	for seq := range 9 {
		if f := all.read(); f["seq"] != float64(seq+1) || f["prevSeq"] != float64(seq) {
			t.Fatalf("got %v", f)
		}
	}
	if f := s.ask(`{"type":"subscribe","agents":["aria"],"events":["thought"]}`, "subscribed"); f.text("head") != "fake-9" {
		t.Fatalf("subscribed: %v", f)
	}
	at.held = 9
	h.think(4) // 13
	h.emit(thoughtOf("aria", "bob"))
	h.emit(thoughtOf("aria", "")) // 15
	if at.add(s.want("agent:thought")) != 15 {
		t.Errorf("held %v", at.held)
	}
	h.think(1) // 16
	for range 16 - 9 {
		all.read()
	}
	if f := s.ask(`{"type":"unsubscribe","agents":["nyx"]}`, "unsubscribed"); f.text("head") != "fake-16" {
		t.Fatalf("unsubscribed: %v", f)
	}
	h.emit(thoughtOf("aria", "")) // 17
	if at.add(s.want("agent:thought")) != 17 {
		t.Errorf("held %v", at.held)
	}
}

// TestResumeAfterTalking resumes on a socket that has begun turns: their frames come once.
func TestResumeAfterTalking(t *testing.T) {
	h := newLogHost(1000)
	release := make(chan struct{})
	h.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		if r.Message == "at once" {
			h.echo(ctx, r, yield)
			return
		}
		e := schema.Event{AgentID: r.AgentID, RunID: r.RunID, Principal: "alice", Type: schema.EventQueued}
		h.emit(e)
		go func() {
			<-release
			h.emit(thoughtOf("aria", ""))
			e.Type = schema.EventDelta
			h.emit(e)
			e.Type = schema.EventReply
			h.emit(e)
		}()
		yield(schema.ChatEvent{Accepted: &schema.Accepted{RunID: r.RunID, AgentID: r.AgentID}}, nil)
	}
	w := start(t, "", h.services())
	for _, events := range []string{`["thought"]`, `["*"]`} {
		s := w.login("alice")
		head, _ := h.events.Head(context.Background())
		s.ask(`{"type":"chat:message","agentId":"nyx","message":"at once"}`, "ack") // queued, thought, reply
		s.want("chat:queued")
		s.want("chat:reply")
		h.think(1)
		s.ask(`{"type":"chat:message","agentId":"nyx","message":"later"}`, "ack") // queued
		s.want("chat:queued")
		s.ask(`{"type":"subscribe","events":`+events+`,"since":"`+head.String()+`"}`, "subscribed")
		at := chain{t, float64(head.Seq)}
		for _, n := range []uint64{2, 4} {
			if got := at.add(s.want("agent:thought")); got != float64(head.Seq+n) {
				t.Errorf("got %v, want %d", got, head.Seq+n)
			}
		}
		release <- struct{}{}
		for _, kind := range []string{"agent:thought", "chat:delta", "chat:reply"} {
			at.add(s.want(kind))
		}
		s.ask(`{"type":"ping"}`, "pong")
		_ = s.conn.CloseNow()
	}
}

// TestTurnOutlivesItsSocket: the reply to what was said on a socket that is lost comes on the next one.
func TestTurnOutlivesItsSocket(t *testing.T) {
	h := newLogHost(1000)
	release := make(chan struct{})
	h.send = func(_ context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		e := schema.Event{AgentID: r.AgentID, RunID: r.RunID, Principal: "alice", Type: schema.EventQueued}
		h.emit(e)
		go func() {
			<-release
			e.Type = schema.EventReply
			h.emit(e)
			close(release)
		}()
		yield(schema.ChatEvent{Accepted: &schema.Accepted{RunID: r.RunID, AgentID: r.AgentID}}, nil)
	}
	w := start(t, "", h.services())
	s := w.login("alice")
	run := s.ask(`{"type":"chat:message","agentId":"nyx","message":"x"}`, "ack").text("runId")
	place := s.want("chat:queued").text("id")
	_ = s.conn.CloseNow()
	release <- struct{}{}
	<-release
	s = w.login("alice")
	s.ask(`{"type":"subscribe","events":["chat:*"],"since":"`+place+`"}`, "subscribed")
	if f := s.want("chat:reply"); f.text("runId") != run || f["prevSeq"] != 1.0 {
		t.Errorf("got %v", f)
	}
}

// TestSlowReaderResumes replays far more than the queue of the socket holds to a client that takes its time. It is not cut
// off, nobody else notices, and events that happen meanwhile do not count against it.
func TestSlowReaderResumes(t *testing.T) {
	h := newLogHost(64)
	w := start(t, `"limits":{"queueFrames":8}`, h.services())
	const before, meanwhile, size = 3000, 1000, 2000
	big := thoughtOf("nyx", "")
	big.Payload = schema.NewPayload(schema.Thought{Thought: strings.Repeat("x", size)})
	for range before {
		h.emit(big)
	}
	w.hasRead("fake-3000")
	quick := w.login("bob")
	slow := dialRaw(t, w, "alice")
	slow.wantText(t, "welcome")
	slow.wantText(t, "auth:ok")
	slow.send(t, `{"type":"subscribe","since":"fake-0"}`)
	slow.wantText(t, "subscribed")
	at := chain{t, 0}
	for range 10 {
		at.add(slow.wantText(t, "agent:thought"))
	}
	quick.ask(`{"type":"subscribe"}`, "subscribed")
	behind := chain{t, before}
	for range meanwhile {
		h.emit(big)
		behind.add(quick.want("agent:thought"))
	}
	slow.send(t, `{"type":"ping","id":"still here"}`)
	ponged := 0.0
	for at.held < before+meanwhile {
		op, payload, err := slow.frame()
		var f frame
		if err != nil || op == 8 || json.Unmarshal(payload, &f) != nil {
			t.Fatalf("after %v: frame %d %.100q, %v", at.held, op, payload, err)
		}
		if f.kind() == "pong" {
			ponged = at.held
			continue
		}
		at.add(f)
	}
	if ponged == 0 || ponged > before+meanwhile/2 {
		t.Errorf("the ping was answered behind event %v", ponged)
	}
	slow.send(t, `{"type":"ping"}`)
	slow.wantText(t, "pong")
}

// stuckLog is a log whose store does not answer, for whoever comes after the hub.
type stuckLog struct {
	schema.Events
	entered chan struct{}
	left    chan struct{}
}

func (l stuckLog) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	if q.Until.IsZero() || q.Until == q.Since {
		return l.Events.Subscribe(ctx, q)
	}
	return func(yield func(schema.Event, error) bool) {
		l.entered <- struct{}{}
		<-ctx.Done()
		l.left <- struct{}{}
		yield(schema.Event{}, ctx.Err())
	}
}

// TestReplayEndsWithItsSocket, and while it runs, pings are answered, commands wait, and other sockets do not notice.
func TestReplayEndsWithItsSocket(t *testing.T) {
	replaying := func(t *testing.T) (*world, *socket, stuckLog) {
		h := newLogHost(1000)
		l := stuckLog{h.events, make(chan struct{}, 1), make(chan struct{}, 1)}
		services := h.services()
		services.Events = l
		w := start(t, "", services)
		h.think(10)
		s := w.login("alice")
		other := w.login("alice")
		w.hasRead("fake-10")
		other.ask(`{"type":"subscribe"}`, "subscribed")
		s.ask(`{"type":"subscribe","since":"fake-3"}`, "subscribed")
		<-l.entered
		s.send(`{"type":"unsubscribe","id":"waits"}`)
		s.ask(`{"type":"ping"}`, "pong")
		h.think(1)
		other.want("agent:thought")
		other.ask(`{"type":"chat:message","agentId":"nyx","message":"x"}`, "ack")
		return w, s, l
	}
	ended := func(t *testing.T, l stuckLog) {
		select {
		case <-l.left:
		case <-time.After(patience):
			t.Error("the replay outlives its socket")
		}
	}
	t.Run("when the client goes", func(t *testing.T) {
		_, s, l := replaying(t)
		_ = s.conn.CloseNow()
		ended(t, l)
	})
	t.Run("when the server drains", func(t *testing.T) {
		w, s, l := replaying(t)
		done := make(chan error, 1)
		go func() { done <- w.running.Drain(context.Background()) }()
		frames := s.wantClose(1012)
		if len(frames) != 1 || frames[0].text("resume") != "fake-3" {
			t.Errorf("before the close came %v", frames)
		}
		ended(t, l)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// flakyLog breaks replays off after a few events, again and again.
type flakyLog struct {
	schema.Events
	broken *atomic.Int32
}

func (l flakyLog) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	if q.Until.IsZero() || q.Until == q.Since {
		return l.Events.Subscribe(ctx, q)
	}
	return func(yield func(schema.Event, error) bool) {
		n := 0
		for e, err := range l.Events.Subscribe(ctx, q) {
			if n++; n > 3 {
				l.broken.Add(1)
				yield(schema.Event{}, schema.Errorf(schema.CodeUnavailable, "the host is busy"))
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestReplayGoesOnAfterErrors(t *testing.T) {
	h := newLogHost(1000)
	services := h.services()
	l := flakyLog{h.events, &atomic.Int32{}}
	services.Events = l
	w := start(t, "", services)
	h.think(20)
	w.hasRead("fake-20")
	s := w.login("alice")
	s.ask(`{"type":"subscribe","since":"fake-0"}`, "subscribed")
	at := chain{t, 0}
	for range 20 {
		at.add(s.want("agent:thought"))
	}
	if l.broken.Load() < 6 {
		t.Errorf("broken %d times", l.broken.Load())
	}
}

// TestEvictedDuringReplay takes events away from under a replay: the client is told, and knows where it is.
func TestEvictedDuringReplay(t *testing.T) {
	h := newLogHost(10)
	reads := atomic.Int32{}
	h.read = func() {
		if reads.Add(1) == 3 {
			h.evict(900)
		}
	}
	w := start(t, "", h.services())
	h.think(1000)
	w.hasRead("fake-1000")
	reads.Store(0)
	s := w.login("alice")
	s.ask(`{"type":"subscribe","since":"fake-0"}`, "subscribed")
	at := chain{t, 0}
	gaps := 0
	for at.held < 1000 {
		f := s.read()
		if f.kind() == "gap" {
			gaps++
			at.held = f["seq"].(float64)
			continue
		}
		at.add(f)
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

// TestDrainingNamesThePlace drains under fire: what a client got before the goodbye and what it gets behind the place that
// the goodbye names is everything, once.
func TestDrainingNamesThePlace(t *testing.T) {
	h := newLogHost(1000)
	first, second := start(t, "", h.services()), start(t, "", h.services())
	silent := first.login("alice")
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
				h.emit(anEvent())
			}
		}
	})
	type client struct {
		*socket
		at chain
	}
	var clients []*client
	for range 10 {
		s := first.login("admin")
		place := s.ask(`{"type":"subscribe","events":["thought"]}`, "subscribed").text("head")
		c := &client{s, chain{t: t}}
		_, _ = fmt.Sscanf(place, fakeEpoch+"-%f", &c.at.held)
		clients = append(clients, c)
	}
	clients[0].at.add(clients[0].want("agent:thought"))
	done := make(chan error, 1)
	go func() { done <- first.running.Drain(context.Background()) }()
	for _, c := range clients {
		frames := c.wantClose(1012)
		goodbye := frames[len(frames)-1]
		for _, f := range frames[:len(frames)-1] {
			c.at.add(f)
		}
		if want := fmt.Sprintf("%s-%.0f", fakeEpoch, c.at.held); goodbye.kind() != "server:draining" || goodbye.text("resume") != want {
			t.Fatalf("goodbye %v, want %s", goodbye, want)
		}
		next := second.login("admin")
		if f := next.ask(`{"type":"subscribe","events":["thought"],"since":"`+goodbye.text("resume")+`"}`, "subscribed"); f["recovered"] != true {
			t.Errorf("subscribed: %v", f)
		}
		for range 20 {
			c.at.add(next.want("agent:thought"))
		}
	}
	for _, f := range silent.wantClose(1012) {
		if f["resume"] != nil {
			t.Errorf("a socket without a subscription is told %v", f)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	close(stop)
	publishing.Wait()
}

// TestDrainingDoesNotNameWhatWasHeld: frames that wait for an ack which never comes have not been sent.
func TestDrainingDoesNotNameWhatWasHeld(t *testing.T) {
	h := newLogHost(1000)
	h.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		h.echo(ctx, r, func(schema.ChatEvent, error) bool { return false }) // 2, 3, 4
		<-ctx.Done()
		yield(schema.ChatEvent{}, ctx.Err())
	}
	w := start(t, "", h.services())
	s, witness := w.login("alice"), w.login("alice")
	s.ask(`{"type":"subscribe"}`, "subscribed")
	witness.ask(`{"type":"subscribe"}`, "subscribed")
	h.think(1)
	s.want("agent:thought")
	s.send(`{"type":"chat:message","agentId":"nyx","message":"x"}`)
	for range 4 {
		witness.read()
	}
	go func() { _ = w.running.Drain(context.Background()) }()
	frames := s.wantClose(1012)
	if goodbye := frames[0]; goodbye.text("resume") != "fake-1" {
		t.Errorf("before the close came %v", frames)
	}
}

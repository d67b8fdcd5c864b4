package services

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// Opened is a runtime that is open; a host.Runtime is one.
type Opened interface {
	Services() schema.Services
	Close(ctx context.Context) error
}

// OpenIn opens the runtime that keeps what it has in dir, which is there. ctx bounds the opening only.
type OpenIn func(ctx context.Context, dir string) (Opened, error)

// In returns an Open that opens a runtime in a directory of its own, and closes it at the end.
func (open OpenIn) In() Open {
	return func(t conform.T) schema.Services { return open.in(t, t.TempDir()).Services() }
}

// Bounds of opening and closing.
const (
	openTimeout  = 30 * time.Second
	closeTimeout = 30 * time.Second
	closeExcess  = 8 * time.Second // what a close may take beyond its deadline: it has turns to cancel, and a log to write
)

// in opens a runtime, which is closed at the end if the check has not done that.
func (open OpenIn) in(t conform.T, dir string) *opened {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	r, err := open(ctx, dir)
	if err != nil {
		t.Fatalf("open the runtime: %v", err)
	}
	o := &opened{Opened: r}
	t.Cleanup(func() { o.close(t) })
	return o
}

// opened is a runtime that is closed once.
type opened struct {
	Opened
	once sync.Once
}

func (o *opened) close(t conform.T) {
	t.Helper()
	o.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
		defer cancel()
		if err := o.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
}

// Lasting returns the checks of what is there after a runtime was closed and opened again, and of its closing: the group
// lasting. Every check has a runtime of its own.
func Lasting(open OpenIn, opts ...Option) []conform.Group {
	d := declaredBy(opts)
	g := conform.Group{Name: "runtime/lasting"}
	for _, c := range []struct {
		name, expect, contract string
		keeps                  bool // is about what is there afterwards
		run                    func(conform.T, keeper)
	}{
		{"acknowledged-is-kept", "what was acknowledged is there after the runtime was closed and opened", "schema.Chat.Send", true, lastingKept},
		{"log-goes-on", "the event log goes on after it was closed: the same epoch, and a cursor of before leads on without a gap", "schema.Events.Subscribe", true, lastingLog},
		{"once-is-kept", "what came of a request with a key is known after the runtime was closed and opened", "schema.Once", true, lastingOnce},
		{"close-deadline", "a close does not take much longer than it may", "host.Runtime.Close", false, lastingDeadline},
		{"close-ends-turns", "after a close every accepted turn has come to an end, and says why", "host.Runtime.Close", true, lastingTurns},
		{"closed-refuses", "a runtime that is closed accepts nothing", "host.Runtime.Close", false, lastingClosed},
	} {
		g.Checks = append(g.Checks, conform.Check{Name: c.name, Expect: c.expect, Contract: c.contract, Run: func(t conform.T) {
			if c.keeps && !d.has(lasting) {
				t.Skipf("it is declared to keep nothing beyond its end")
			}
			c.run(t, keeper{open, d})
		}})
	}
	return []conform.Group{g}
}

// keeper opens runtimes whose owner has declared something.
type keeper struct {
	OpenIn
	declared
}

// opened opens a runtime in a directory, and returns it and a check that is at work on it.
func (k keeper) opened(t conform.T, dir string, needs ...string) (*opened, *suite) {
	t.Helper()
	o := k.in(t, dir)
	k.verify(t, o.Services())
	s := k.suite(t, o.Services())
	s.needs(needs...)
	return o, s
}

func lastingKept(t conform.T, k keeper) {
	dir := t.TempDir()
	o, s := k.opened(t, dir, schema.ServiceAgents, schema.ServiceChat)
	user, admin := s.user(), s.admin()
	turn := s.say(user, schema.SendRequest{AgentID: nyx, ConversationID: "kept", Message: "remember me"})
	var item schema.MemoryItem
	if s.Memory != nil {
		item = s.store(user, "kept content")
	}
	persona := ""
	if s.has(updateAgent) {
		persona = unique("persona")
		must1[schema.Agent](s)(s.Agents.Update(admin, nyx, schema.AgentPatch{Persona: schema.Set(persona)}))
	}
	must1[schema.Agent](s)(s.Agents.Stop(admin, aria))
	conversation := must1[schema.Conversation](s)(s.Chat.Conversation(user, schema.ConversationQuery{ID: "kept"}))
	run := must1[schema.Run](s)(s.Chat.Run(user, turn.accepted.RunID))
	o.close(t)

	_, s = k.opened(t, dir, schema.ServiceAgents, schema.ServiceChat)
	s.must(equal(must1[schema.Conversation](s)(s.Chat.Conversation(user, schema.ConversationQuery{ID: "kept"})), conversation))
	s.must(equal(must1[schema.Run](s)(s.Chat.Run(user, run.ID)), run))
	if s.Memory != nil {
		s.must(equal(must1[schema.MemoryItem](s)(s.Memory.Get(user, nyx, item.ID)), item))
	}
	if a := must1[schema.Agent](s)(s.Agents.Get(admin, nyx)); persona != "" && a.Persona != persona || a.Status != schema.AgentRunning {
		s.Errorf("the agent that ran is %+v, want the persona %s", a, persona)
	}
	if a := must1[schema.Agent](s)(s.Agents.Get(admin, aria)); a.Status != schema.AgentStopped {
		s.Errorf("the agent that was stopped is %s", a.Status)
	}
}

func lastingLog(t conform.T, k keeper) {
	dir := t.TempDir()
	o, s := k.opened(t, dir, schema.ServiceChat, schema.ServiceEvents)
	ctx, since := s.user(), s.head()
	before := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello"})
	o.close(t)

	_, s = k.opened(t, dir, schema.ServiceChat, schema.ServiceEvents)
	after := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "hello again"})
	var got []schema.Event
	for _, e := range s.between(ctx, schema.EventQuery{Since: since}, after.last().Cursor.Seq) {
		if e.Type == schema.EventGap {
			s.Errorf("there is a gap: %s", e.Payload)
		}
		if e.RunID != "" {
			got = append(got, e)
		}
	}
	s.must(equal(got, append(before.events, after.events...)))
}

func lastingOnce(t conform.T, k keeper) {
	dir := t.TempDir()
	o, s := k.opened(t, dir)
	ctx, key := s.user(), onceKey("x")
	first, _ := with(ctx, &key)
	want := s.makesWhole(first)
	o.close(t)

	_, s = k.opened(t, dir)
	again, said := with(ctx, &key)
	got := s.makesWhole(again)
	if s.must(equal(got, want)); !said.Replayed() {
		s.Errorf("the request is not told that it repeats an earlier one")
	}
}

// makesWhole makes a memory, or has a turn where there are none, and returns all of it.
func (s *suite) makesWhole(ctx context.Context) any {
	s.Helper()
	if s.Memory == nil {
		s.needs(schema.ServiceChat)
		return s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "once"}).accepted
	}
	m := schema.NewMemory{AgentID: nyx, Content: "once", Metadata: schema.Object{"n": json.Number("1")}}
	return must1[schema.MemoryItem](s)(s.Memory.Store(ctx, m))
}

// crowd has turns begin in one conversation, where they wait for each other, and returns their runs when all are accepted,
// and what waits for the end of their streams.
func (s *suite) crowd(ctx context.Context) (runs []string, ended *sync.WaitGroup) {
	const turns = 10
	accepted := make(chan string, turns)
	ended = new(sync.WaitGroup)
	for range turns {
		ended.Go(func() {
			id := ""
			for e, err := range s.Chat.Send(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "crowd", Message: "Tell me everything that you know about the sea."}) {
				if err != nil {
					break // it was closed
				}
				if e.Accepted != nil {
					id = e.Accepted.RunID
					accepted <- id
				}
			}
			if id == "" {
				accepted <- id
			}
		})
	}
	for range turns {
		if id := <-accepted; id != "" {
			runs = append(runs, id)
		}
	}
	return runs, ended
}

func lastingDeadline(t conform.T, k keeper) {
	o, s := k.opened(t, t.TempDir(), schema.ServiceChat)
	_, ended := s.crowd(s.user())
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	begun := time.Now()
	o.once.Do(func() {
		if err := o.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	if took, most := time.Since(begun), min(closeExcess, conform.Patience(t)); took > most {
		t.Errorf("a close with a deadline of 1 ms took %v", took.Round(time.Millisecond))
	}
	ended.Wait() // a stream goes no further than its runtime
}

func lastingTurns(t conform.T, k keeper) {
	dir := t.TempDir()
	o, s := k.opened(t, dir, schema.ServiceChat)
	user := s.user()
	runs, ended := s.crowd(user)
	o.once.Do(func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := o.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	ended.Wait()
	_, s = k.opened(t, dir, schema.ServiceChat)
	for _, id := range runs {
		run := must1[schema.Run](s)(s.Chat.Run(user, id))
		if !run.Status.Terminal() || run.FinishedAt == nil || run.Status != schema.RunCompleted && run.Reason == "" {
			s.Errorf("a turn that was accepted before the close is %+v", run)
		}
	}
}

func lastingClosed(t conform.T, k keeper) {
	o, s := k.opened(t, t.TempDir())
	ctx := s.user()
	o.close(t)
	if s.Memory != nil {
		if _, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: "too late"}); err == nil {
			s.Errorf("a closed runtime has stored a memory")
		}
	}
	if s.Chat == nil {
		return
	}
	if turn, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: "too late"}); err == nil || turn.accepted.RunID != "" {
		s.Errorf("a closed runtime has accepted the turn %+v (%v)", turn.accepted, err)
	}
}

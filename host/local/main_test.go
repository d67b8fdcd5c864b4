package local_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/hosttest"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		talkUntilKilled(dir)
		return
	}
	if dir := os.Getenv(serveDir); dir != "" {
		serveUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// TestServices holds the runtime to the contract, behind the guard as it always is in a host.
func TestServices(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services {
		return guard.New(open(t, local.Options{}).Services())
	})
}

// TestServicesInMemory holds the same runtime to the contract over a store in memory, with nothing in front of it.
func TestServicesInMemory(t *testing.T) {
	hosttest.TestRuntime(t, func(t *testing.T) schema.Services { return open(t, local.Options{Store: memory.New()}).Services() })
}

// TestServicesWithAnEmbedder holds it to the contract while memories are found by what they mean, too.
func TestServicesWithAnEmbedder(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services {
		r := open(t, local.Options{UseBrains: true, Embedder: &memories.Embedder{Provider: memoriestest.Provider, Model: "m", PerMinute: 1e6}})
		r.UseBrains(&memoriestest.Brain{})
		s := r.Services()
		s.Memory = embedded{s.Memory, r.Memories()}
		return guard.New(s)
	})
}

// embedded has every search wait until each memory has its vector.
type embedded struct {
	schema.Memory
	index *memories.Memory
}

func (e embedded) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if x, err := e.index.Index(ctx); err != nil || x.State == memories.StateReady {
			break
		}
	}
	return e.Memory.Search(ctx, q)
}

// patience bounds everything that a test waits for.
const patience = 20 * time.Second

// open opens a runtime, in a directory of its own unless o says otherwise, and closes it at the end.
func open(t testing.TB, o local.Options) *local.Runtime {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	r, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, r) })
	return r
}

func shut(t testing.TB, r *local.Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
}

func as(t testing.TB, principal string, scope schema.Scope) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: principal, Scopes: []schema.Scope{scope}})
}

func alice(t testing.TB) context.Context { return as(t, "alice", schema.ScopeChat) }
func admin(t testing.TB) context.Context { return as(t, "root", schema.ScopeAdmin) }

// turn is what a watcher of a whole turn has seen.
type turn struct {
	accepted *schema.Accepted
	events   []schema.Event
}

func (t turn) types() []schema.EventType {
	var out []schema.EventType
	for _, e := range t.events {
		out = append(out, e.Type)
	}
	return out
}

func (t turn) last() schema.Event { return t.events[len(t.events)-1] }

// say sends and watches to the end.
func say(ctx context.Context, r *local.Runtime, q schema.SendRequest) (turn, error) {
	var seen turn
	for e, err := range r.Services().Chat.Send(ctx, q) {
		switch {
		case err != nil:
			return seen, err
		case e.Accepted != nil:
			seen.accepted = e.Accepted
		default:
			seen.events = append(seen.events, *e.Event)
		}
	}
	return seen, nil
}

// begin sends and does not watch.
func begin(ctx context.Context, t testing.TB, r *local.Runtime, q schema.SendRequest) schema.Accepted {
	t.Helper()
	for e, err := range r.Services().Chat.Send(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		return *e.Accepted
	}
	t.Fatal("no event")
	panic("unreachable")
}

// over waits until a run is over.
func over(ctx context.Context, t testing.TB, r *local.Runtime, runID string) schema.Run {
	t.Helper()
	since := must[schema.Cursor](t)(schema.ParseCursor(must[schema.Run](t)(r.Services().Chat.Run(ctx, runID)).Since))
	for _, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{Since: since, RunID: runID}) {
		if run, runErr := r.Services().Chat.Run(ctx, runID); runErr != nil || run.Status.Terminal() {
			if runErr != nil {
				t.Fatal(runErr)
			}
			return run
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	panic("unreachable")
}

func mustBe(t testing.TB, err error, code schema.ErrorCode) {
	t.Helper()
	if schema.CodeOf(err) != code {
		t.Fatalf("error is %v, want %s", err, code)
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// script is a brain that does what a test says.
type script func(ctx context.Context, t brain.Turn, yield func(brain.Step, error) bool)

func (s script) Respond(ctx context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) { s(ctx, t, yield) }
}

func (s script) factory(context.Context, string, schema.Object) (brain.Brain, error) { return s, nil }

// scripted returns options with one agent, "bot", that has the brain s.
func scripted(s script) local.Options {
	return local.Options{
		Agents: []local.AgentSpec{{ID: "bot", Brain: schema.Brain{Provider: "script"}}},
		Brains: map[string]brain.Factory{"script": s.factory},
	}
}

// echo replies with the message.
func echo(_ context.Context, t brain.Turn, yield func(brain.Step, error) bool) {
	yield(brain.Step{Reply: "re: " + t.Message.Content}, nil)
}

// gate is a brain that says when it is at work, and then waits for the test or for the end of its turn.
type gate struct {
	entered chan string // message
	release chan struct{}
}

func newGate() *gate { return &gate{entered: make(chan string, 1000), release: make(chan struct{})} }

func (g *gate) brain(ctx context.Context, t brain.Turn, yield func(brain.Step, error) bool) {
	g.entered <- t.Message.Content
	select {
	case <-g.release:
		echo(ctx, t, yield)
	case <-ctx.Done():
		yield(brain.Step{}, ctx.Err())
	}
}

func (g *gate) wait(t testing.TB) string {
	t.Helper()
	select {
	case m := <-g.entered:
		return m
	case <-time.After(patience):
		t.Fatal("no brain was asked")
		return ""
	}
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var errTest = errors.New("the test says no")

func wantTypes(t testing.TB, got []schema.EventType, want ...schema.EventType) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events are %v, want %v", got, want)
	}
}

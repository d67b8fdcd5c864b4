package trial

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/life"
)

// Runtime is the program of a runtime that is a process of its own.
type Runtime struct {
	Spec    plugin.Spec // its Config is a block that it accepts
	Forgets bool        // it is declared to keep nothing beyond its end
}

// Groups returns the checks: those of an extension about what it says of itself, its life, its configuration and the end of its
// process, because a runtime has the same life, runtime/active about the end of one that is active, and runtime/swap about how it is replaced. What its services do is checked
// elsewhere.
func (r Runtime) Groups() []conform.Group {
	spec := r.Spec
	spec.Name = plugin.RuntimeName
	p := Program{Spec: spec, Services: func(conform.T) schema.Services { return schema.Services{} }}
	subject := life.Subject{
		Open:     func(t conform.T) life.Extension { return p.open(t, schema.Services{}) },
		Bare:     func(t conform.T) life.Extension { return p.open(t, schema.Services{}) },
		Block:    spec.Config,
		Schema:   func(t conform.T) json.RawMessage { return p.describe(t).Description.ConfigSchema },
		Requires: func(t conform.T) []string { return p.describe(t).Description.Requires },
	}
	groups := append([]conform.Group{p.describeGroup()}, subject.Groups()...)
	groups = append(groups, p.processGroup())
	for i, g := range groups {
		groups[i].Name = path.Join("runtime", path.Base(g.Name))
	}
	return append(groups, r.activeGroup(), r.swapGroup())
}

func (r Runtime) swapGroup() conform.Group {
	return conform.Group{Name: "runtime/swap", Checks: []conform.Check{
		{Name: "reload-keeps-everything", Expect: "what is said and stored while the runtime is replaced is done once, and kept", Contract: aRuntime, Run: r.reloadKeeps},
		{Name: "bad-reload-keeps-the-old", Expect: "a block that it does not accept leaves the one that runs alone", Contract: aRuntime, Run: r.badReload},
		{Name: "killed-keeps-everything", Expect: "after kill -9 it comes back with everything that was acknowledged", Contract: "schema.Memory.Store", Run: r.killed},
		{Name: "close-in-time", Expect: "closed, its process ends by the deadline of its drain", Contract: aRuntime, Run: r.closes},
	}}
}

// asked is a runtime at work, and who calls it.
type asked struct {
	*plugin.Runtime
	spec plugin.Spec
	bad  plugin.Spec
}

func (r Runtime) start(t conform.T) asked {
	t.Helper()
	p := Program{Spec: r.Spec}
	spec, _ := p.marked(t)
	spec.Name = plugin.RuntimeName
	spec.DrainTimeout = cmp.Or(spec.DrainTimeout, drainTimeout)
	bad := p.badBlock(t)
	bad.Env, bad.DrainTimeout = spec.Env, spec.DrainTimeout
	supervision := plugin.DefaultSupervision()
	supervision.RestartMin = 10 * time.Millisecond
	rt, err := plugin.OpenRuntime(bound(t, startTimeout), spec, t.TempDir(), plugin.WithLogger(logger(t)), plugin.WithSupervision(supervision))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), endTimeout)
		defer cancel()
		if err := rt.Close(ctx); err != nil {
			t.Errorf("close it: %v", err)
		}
	})
	return asked{Runtime: rt, spec: spec, bad: bad}
}

// startKeeping starts a runtime that keeps memories, or skips the check.
func (r Runtime) startKeeping(t conform.T) asked {
	t.Helper()
	if r.Forgets {
		t.Skipf("it is declared to keep nothing beyond its end")
	}
	a := r.start(t)
	if a.Services().Memory == nil {
		t.Skipf("service memory is not offered")
	}
	return a
}

// answers returns an error unless the runtime answers.
func (a asked) answers(ctx context.Context) error {
	switch s := a.Services(); {
	case s.Agents != nil:
		_, err := s.Agents.List(ctx, schema.AgentQuery{})
		return err
	case s.Chat != nil:
		_, err := s.Chat.Conversations(ctx, schema.ConversationsQuery{})
		return err
	case s.Events != nil:
		_, err := s.Events.Head(ctx)
		return err
	default:
		_, err := a.remember(ctx, 0)
		return err
	}
}

// caller returns the context of a caller who is nobody else.
func caller(t conform.T, most time.Duration) context.Context {
	return schema.WithCaller(bound(t, most), schema.Caller{
		Principal: "user-" + strings.ToLower(ulid.Make().String()), Scopes: []schema.Scope{schema.ScopeChat},
	})
}

// remember has an agent remember something that can be told from everything else, once.
func (a asked) remember(ctx context.Context, n int) (schema.MemoryItem, error) {
	o := &schema.Once{Key: fmt.Sprint("key-", n), Scope: "trial", Digest: fmt.Sprint(n)}
	return a.Services().Memory.Store(schema.WithOnce(ctx, o), schema.NewMemory{AgentID: "nyx", Content: fmt.Sprint("number", n)})
}

// holds fails the check unless exactly those memories are there.
func (a asked) holds(ctx context.Context, t conform.T, want []schema.MemoryItem) {
	t.Helper()
	for n, m := range want {
		hits, err := a.Services().Memory.Search(ctx, schema.MemoryQuery{Text: fmt.Sprint("number", n)})
		if err != nil || len(hits) != 1 || hits[0].Memory.ID != m.ID {
			t.Errorf("of the memory %s, which was acknowledged, there is %+v (%v)", m.ID, hits, err)
		}
	}
}

func (r Runtime) reloadKeeps(t conform.T) {
	a := r.startKeeping(t)
	ctx := caller(t, startTimeout*2)
	var mu sync.Mutex
	var stored []schema.MemoryItem
	stop := make(chan struct{})
	var storing sync.WaitGroup
	storing.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			m, err := a.remember(ctx, n)
			if err != nil {
				t.Errorf("store while it is replaced: %v", err)
				return
			}
			mu.Lock()
			stored = append(stored, m)
			mu.Unlock()
		}
	})
	for range 2 {
		before := a.Status()
		if err := a.Reload(bound(t, startTimeout), a.spec); err != nil {
			t.Errorf("%v", err)
		}
		if after := a.Status(); after.PID == before.PID || after.State != plugin.StateRunning {
			t.Errorf("then it is %s, as process %d after %d", after.State, after.PID, before.PID)
		}
	}
	close(stop)
	storing.Wait()
	a.holds(ctx, t, stored)
}

func (r Runtime) badReload(t conform.T) {
	a := r.start(t)
	before := a.Status()
	if err := a.Reload(bound(t, startTimeout), a.bad); err == nil {
		t.Errorf("a block with an unknown key was accepted")
	}
	if after := a.Status(); after.PID != before.PID || after.State != plugin.StateRunning {
		t.Errorf("process %d is %s, and %d ran", after.PID, after.State, before.PID)
	}
	if err := a.answers(caller(t, callTimeout)); err != nil {
		t.Errorf("then it does not answer: %v", err)
	}
}

func (r Runtime) killed(t conform.T) {
	a := r.startKeeping(t)
	ctx := caller(t, startTimeout*2)
	var stored []schema.MemoryItem
	for n := range 10 {
		m, err := a.remember(ctx, n)
		if err != nil {
			t.Fatalf("store: %v", err)
		}
		stored = append(stored, m)
	}
	before := a.Status()
	process, err := os.FindProcess(before.PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatalf("kill it: %v", err)
	}
	back := func() bool { s := a.Status(); return s.State == plugin.StateRunning && s.PID != before.PID }
	if !eventually(t, startTimeout, back) {
		t.Fatalf("it does not come back: %s", a.Status().LastError)
	}
	a.holds(ctx, t, stored)
	again, err := a.remember(ctx, 0)
	if err != nil || again.ID != stored[0].ID {
		t.Errorf("the first request again is %+v (%v), and was %s", again, err, stored[0].ID)
	}
}

func (r Runtime) closes(t conform.T) {
	a := r.start(t)
	before := a.Status()
	begun := time.Now()
	if err := a.Close(bound(t, startTimeout)); err != nil {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > a.spec.DrainTimeout {
		t.Errorf("it took %v to close, with %v to drain", took.Round(time.Millisecond), a.spec.DrainTimeout)
	}
	if alive(before.PID) {
		t.Errorf("process %d still runs", before.PID)
	}
}

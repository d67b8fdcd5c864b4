package local_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// since returns the types of the public events after a cursor, each with its agent.
func since(t *testing.T, r *local.Runtime, c schema.Cursor) string {
	t.Helper()
	ctx := admin(t)
	head := must[schema.Cursor](t)(r.Services().Events.Head(ctx))
	var all []string
	if c == head {
		return ""
	}
	for e, err := range r.Services().Events.Subscribe(ctx, schema.EventQuery{Since: c}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(string(e.Type), "agent:")+" "+e.AgentID)
		if e.Cursor == head {
			break
		}
	}
	return strings.Join(all, ", ")
}

func head(t *testing.T, r *local.Runtime) schema.Cursor {
	t.Helper()
	return must[schema.Cursor](t)(r.Services().Events.Head(admin(t)))
}

// TestDeclare has agents come, change and go in a runtime that runs; a runtime that is opened anew agrees.
func TestDeclare(t *testing.T) {
	off := false
	o := local.Options{Dir: t.TempDir(), Agents: []local.AgentSpec{{ID: "a", Persona: "one"}, {ID: "b"}}}
	r := open(t, o)
	ctx, s := admin(t), r.Services()
	get := func(id string) schema.Agent { t.Helper(); return must[schema.Agent](t)(s.Agents.Get(ctx, id)) }
	declare := func(specs ...local.AgentSpec) {
		t.Helper()
		if err := r.Declare(ctx, specs); err != nil {
			t.Fatal(err)
		}
	}
	told := func(want string, at schema.Cursor) {
		t.Helper()
		if got := since(t, r, at); got != want {
			t.Errorf("told is %q, want %q", got, want)
		}
	}

	at := head(t, r)
	declare(o.Agents...)
	told("", at) // nothing has changed

	at = head(t, r)
	declare(append(o.Agents, local.AgentSpec{ID: "c", Name: "Cee"})...)
	told("created c, status c, status c", at)
	if a := get("c"); a.Status != schema.AgentRunning || !a.Declared || a.Name != "Cee" {
		t.Errorf("the new one is %+v", a)
	}

	at = head(t, r)
	declare(local.AgentSpec{ID: "a", Persona: "two"}, local.AgentSpec{ID: "b", Autostart: &off}, local.AgentSpec{ID: "c", Name: "Cee"})
	told("updated a, status b, status b", at)
	if get("a").Persona != "two" || get("b").Status != schema.AgentStopped {
		t.Errorf("a is %+v, b is %+v", get("a"), get("b"))
	}

	must[schema.Agent](t)(s.Agents.Update(ctx, "a", schema.AgentPatch{Persona: schema.Set("a client's"), Name: schema.Set("Ay")}))
	declare(local.AgentSpec{ID: "a", Persona: "three"}, local.AgentSpec{ID: "c", Name: "Cee"})
	if a := get("a"); a.Persona != "three" || a.Name != "Ay" {
		t.Errorf("a is %+v", a)
	}
	if b := get("b"); b.Declared {
		t.Error("b is declared although it is not")
	}
	mustBe(t, s.Agents.Delete(ctx, "a", 0), schema.CodeFailedPrecondition)

	at = head(t, r)
	declare(local.AgentSpec{ID: "a", Persona: "three"})
	told("updated c, status c, status c", at)
	if c := get("c"); c.Declared || c.Status != schema.AgentStopped {
		t.Errorf("c is %+v", c)
	}
	shut(t, r)
	r = open(t, local.Options{Dir: o.Dir, Agents: []local.AgentSpec{{ID: "a", Persona: "three"}}})
	s = r.Services()
	if c := get("c"); c.Declared || c.Status != schema.AgentStopped {
		t.Errorf("anew, c is %+v", c)
	}
	if err := s.Agents.Delete(ctx, "c", 0); err != nil {
		t.Errorf("c cannot be deleted: %v", err)
	}
	declare(local.AgentSpec{ID: "a", Persona: "three"}, local.AgentSpec{ID: "b"}) // it is back
	if b := get("b"); !b.Declared || b.Status != schema.AgentRunning {
		t.Errorf("b is %+v", b)
	}
}

// TestDeclareLetsTurnsFinish changes the persona and the brain under a turn.
func TestDeclareLetsTurnsFinish(t *testing.T) {
	g := newGate()
	r := open(t, local.Options{
		Agents: []local.AgentSpec{{ID: "bot", Brain: schema.Brain{Provider: "gate"}}},
		Brains: map[string]brain.Factory{"gate": script(g.brain).factory, "new": says("new")},
	})
	ctx := alice(t)
	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "hello"})
	g.wait(t)
	if err := r.Declare(ctx, []local.AgentSpec{{ID: "bot", Persona: "another", Brain: schema.Brain{Provider: "new"}}}); err != nil {
		t.Fatal(err)
	}
	close(g.release)
	if run := over(ctx, t, r, a.RunID); run.Status != schema.RunCompleted {
		t.Errorf("the turn is %s", run.Status)
	}
	seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"}))
	if !strings.Contains(string(seen.last().Payload), `"new"`) {
		t.Errorf("the next turn has %s", seen.last().Payload)
	}
}

// TestDeclareWhatCannotBe: an agent whose new brain cannot be made goes on as it was, the others change.
func TestDeclareWhatCannotBe(t *testing.T) {
	works := false
	r := open(t, local.Options{
		Agents: []local.AgentSpec{{ID: "a"}, {ID: "b"}},
		Brains: map[string]brain.Factory{"moody": func(ctx context.Context, id string, o schema.Object) (brain.Brain, error) {
			if !works {
				return nil, errTest
			}
			return says("x")(ctx, id, o)
		}},
	})
	ctx := admin(t)
	moody := schema.Brain{Provider: "moody"}
	specs := []local.AgentSpec{{ID: "a", Persona: "new", Brain: moody}, {ID: "b", Persona: "new"}, {ID: "c", Brain: moody}}
	err := r.Declare(ctx, specs)
	var which *local.DeclarationError
	if !errors.As(err, &which) || !strings.Contains(err.Error(), "declare agent a") || !strings.Contains(err.Error(), "declare agent c") {
		t.Errorf("it says %v", err)
	}
	get := func(id string) schema.Agent { return must[schema.Agent](t)(r.Services().Agents.Get(ctx, id)) }
	if a := get("a"); a.Status != schema.AgentRunning || a.Persona != "" || a.Brain.Provider != local.BuiltinBrain {
		t.Errorf("a is %+v", a)
	}
	if b := get("b"); b.Persona != "new" {
		t.Errorf("b is %+v", b)
	}
	if c := get("c"); c.Status != schema.AgentFailed || !strings.Contains(c.StatusReason, errTest.Error()) {
		t.Errorf("c is %+v", c)
	}
	works = true
	if err := r.Declare(ctx, specs); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if a := get(id); a.Status != schema.AgentRunning || id == "a" && a.Persona != "new" {
			t.Errorf("in the end %s is %+v", id, a)
		}
	}
	mustBe(t, r.Declare(ctx, []local.AgentSpec{{ID: "a"}, {ID: "a"}}), schema.CodeInvalidArgument)
	if err := r.DeclareAgents(ctx, []byte(`[{"id":"a"},`)); err == nil {
		t.Error("half a list is declared")
	}
	if err := r.DeclareAgents(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if get("a").Status != schema.AgentStopped || get("nyx").Status != schema.AgentRunning {
		t.Error("without a list there are not the starter agents")
	}
}

// TestDeclareWhileClientsChange has declarations, starts, stops and patches of the same agents at once: in the end the last
// declaration holds.
func TestDeclareWhileClientsChange(t *testing.T) {
	r := open(t, local.Options{Agents: []local.AgentSpec{{ID: "a"}, {ID: "b"}}, Brains: map[string]brain.Factory{"x": says("x")}})
	ctx, s := admin(t), r.Services()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 5 {
				id := []string{"a", "b"}[(i+j)%2]
				var err error
				switch i % 4 {
				case 0:
					_, err = s.Agents.Stop(ctx, id)
				case 1:
					_, err = s.Agents.Start(ctx, id)
				case 2:
					_, err = s.Agents.Update(ctx, id, schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: "x"})})
				case 3:
					err = r.Declare(ctx, []local.AgentSpec{{ID: "a", Persona: fmt.Sprint(i, j)}, {ID: "b", Brain: schema.Brain{Provider: []string{"x", "builtin"}[j%2]}}})
				}
				if err != nil && schema.CodeOf(err) != schema.CodeIllegalTransition {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := r.Declare(ctx, []local.AgentSpec{{ID: "a", Persona: "last"}}); err != nil {
		t.Fatal(err)
	}
	if a := must[schema.Agent](t)(s.Agents.Get(ctx, "a")); a.Persona != "last" {
		t.Errorf("a is %+v", a)
	}
	if b := must[schema.Agent](t)(s.Agents.Get(ctx, "b")); b.Declared || b.Status != schema.AgentStopped {
		t.Errorf("b is %+v", b)
	}
}

// TestMemoryPolicy: the runtime holds a brain to it that looks at nothing, and a change counts from the next turn on.
func TestMemoryPolicy(t *testing.T) {
	c := newClock()
	policies := make(chan brain.MemoryPolicy, 1)
	o := scripted(func(_ context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		policies <- turn.Policy
		for i := range 3 {
			if !yield(brain.Step{Action: &brain.Action{Name: "memory.store", Store: &brain.Memo{Content: fmt.Sprint("heron ", turn.Message.ID, " ", i)}}}, nil) {
				return
			}
		}
		yield(brain.Step{Reply: "x"}, nil)
	})
	o.Now = c.Now
	r := open(t, o)
	ctx := alice(t)
	no := false
	for _, p := range []struct {
		policy *brain.MemoryPolicy
		kept   int
		after  time.Duration // when they are gone; 0 = never
	}{
		{nil, 3, 0},
		{&brain.MemoryPolicy{MaxPerTurn: 2}, 2, 0},
		{&brain.MemoryPolicy{Remember: &no}, 0, 0},
		{&brain.MemoryPolicy{ExpireAfterDays: 0.5}, 3, 12 * time.Hour},
	} {
		spec := o.Agents[0]
		spec.Memory = p.policy
		if err := r.Declare(ctx, []local.AgentSpec{spec}); err != nil {
			t.Fatal(err)
		}
		items := func() int {
			return len(must[[]schema.MemoryHit](t)(r.Services().Memory.Search(ctx, schema.MemoryQuery{AgentID: "bot"})))
		}
		before := items()
		seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"}))
		if got := <-policies; p.policy != nil && got.MaxPerTurn != p.policy.MaxPerTurn {
			t.Errorf("the brain is told %+v, want %+v", got, *p.policy)
		}
		if got := items() - before; got != p.kept {
			t.Errorf("with %+v it keeps %d memories, want %d", p.policy, got, p.kept)
		}
		refused := 0
		for _, e := range seen.events {
			if e.Type == schema.EventAction && strings.Contains(string(e.Payload), `"stored":false`) {
				refused++
			}
		}
		if refused != 3-p.kept {
			t.Errorf("with %+v %d actions say that nothing is stored, want %d", p.policy, refused, 3-p.kept)
		}
		if p.after > 0 {
			c.move(p.after - time.Second)
			if items()-before != p.kept {
				t.Error("they are gone too early")
			}
			c.move(time.Second)
			if items() != before {
				t.Error("they are not gone in time")
			}
		}
	}
	mustBe(t, r.Declare(ctx, []local.AgentSpec{{ID: "bot", Memory: &brain.MemoryPolicy{ExpireAfterDays: -1}}}), schema.CodeInvalidArgument)
}

package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/mood"
	"github.com/stagehouse/stagehouse/schema"
)

func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// TestTransitions holds an agent in starting, and then in stopping, and asks for everything there.
func TestTransitions(t *testing.T) {
	making, made := make(chan struct{}), make(chan struct{})
	entered, leave := make(chan struct{}), make(chan struct{})
	off := false
	r := open(t, local.Options{
		Agents: []local.AgentSpec{{ID: "bot", Brain: schema.Brain{Provider: "slow"}, Autostart: &off}},
		Brains: map[string]brain.Factory{"slow": func(context.Context, string, schema.Object) (brain.Brain, error) {
			making <- struct{}{}
			<-made
			return script(func(context.Context, brain.Turn, func(brain.Step, error) bool) {
				close(entered)
				<-leave // takes no notice of the end of its turn
			}), nil
		}},
	})
	ctx := admin(t)
	s := r.Services()
	status := func() schema.AgentStatus { return must[schema.Agent](t)(s.Agents.Get(ctx, "bot")).Status }
	var wg sync.WaitGroup
	start := func() {
		wg.Go(func() {
			if a, err := s.Agents.Start(ctx, "bot"); err != nil || a.Status != schema.AgentRunning {
				t.Errorf("start: %s, %v", a.Status, err)
			}
		})
	}
	start()
	<-making
	if status() != schema.AgentStarting {
		t.Errorf("it is %s", status())
	}
	start() // joins
	mustBe(t, must2(s.Agents.Stop(ctx, "bot")), schema.CodeIllegalTransition)
	_, err := say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"})
	mustBe(t, err, schema.CodeAgentNotRunning)
	close(made)
	wg.Wait()

	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "x"})
	<-entered
	stop := func() {
		wg.Go(func() {
			if a, err := s.Agents.Stop(ctx, "bot"); err != nil || a.Status != schema.AgentStopped {
				t.Errorf("stop: %s, %v", a.Status, err)
			}
		})
	}
	stop()
	if run := over(ctx, t, r, a.RunID); run.Status != schema.RunCancelled || run.Reason != schema.ReasonAgentStopped {
		t.Errorf("its run is %+v", run)
	}
	if status() != schema.AgentStopping {
		t.Errorf("it is %s", status())
	}
	stop() // joins
	mustBe(t, must2(s.Agents.Start(ctx, "bot")), schema.CodeIllegalTransition)
	close(leave)
	wg.Wait()
	if status() != schema.AgentStopped {
		t.Errorf("it is %s", status())
	}
}

func TestBrainThatCannotStart(t *testing.T) {
	broken := true
	o := local.Options{
		Agents: []local.AgentSpec{
			{ID: "unknown", Brain: schema.Brain{Provider: "gtp"}},
			{ID: "broken", Brain: schema.Brain{Provider: "fragile"}},
			{ID: "panics", Brain: schema.Brain{Provider: "panics"}},
			{ID: "options", Brain: schema.Brain{Provider: "builtin", Options: schema.Object{"temperature": 1}}},
			{ID: "fine"},
		},
		Brains: map[string]brain.Factory{
			"fragile": func(context.Context, string, schema.Object) (brain.Brain, error) {
				if broken {
					return nil, errors.New("no key")
				}
				return script(echo), nil
			},
			"panics": func(context.Context, string, schema.Object) (brain.Brain, error) { panic("boom") },
		},
	}
	r := open(t, o)
	s := r.Services()
	ctx := admin(t)
	for id, says := range map[string]string{
		"unknown": "builtin, fragile, panics", "broken": "no key", "panics": "boom", "options": "temperature",
	} {
		a := must[schema.Agent](t)(s.Agents.Get(ctx, id))
		if a.Status != schema.AgentFailed || !strings.Contains(a.StatusReason, says) {
			t.Errorf("%s is %s because of %q, want failed with %q", id, a.Status, a.StatusReason, says)
		}
	}
	if a := must[schema.Agent](t)(s.Agents.Start(ctx, "broken")); a.Status != schema.AgentFailed {
		t.Errorf("started again it is %s", a.Status)
	}
	broken = false
	if a := must[schema.Agent](t)(s.Agents.Start(ctx, "broken")); a.Status != schema.AgentRunning || a.StatusReason != "" {
		t.Errorf("repaired it is %s (%s)", a.Status, a.StatusReason)
	}
	if a := must[schema.Agent](t)(s.Agents.Stop(ctx, "unknown")); a.Status != schema.AgentStopped {
		t.Errorf("a failed one that is stopped is %s", a.Status)
	}
	before := must[schema.Agent](t)(s.Agents.Get(ctx, "fine"))
	for _, b := range []schema.Brain{{Provider: "gtp"}, {Provider: "builtin", Options: schema.Object{"x": 1}}} {
		_, err := s.Agents.Update(ctx, "fine", schema.AgentPatch{Brain: schema.Set(b), Name: schema.Set("changed")})
		mustBe(t, err, schema.CodeInvalidArgument)
	}
	if after := must[schema.Agent](t)(s.Agents.Get(ctx, "fine")); after.Revision != before.Revision || after.Name != before.Name {
		t.Errorf("a refused update changed %+v", after)
	}
}

// TestNewBrainFromTheNextTurnOn changes the brain of a running agent.
func TestNewBrainFromTheNextTurnOn(t *testing.T) {
	o := scripted(echo)
	o.Agents[0].Brain = schema.Brain{}
	r := open(t, o)
	ctx := admin(t)
	patch := func(b schema.Field[schema.Brain]) {
		t.Helper()
		must[schema.Agent](t)(r.Services().Agents.Update(ctx, "bot", schema.AgentPatch{Brain: b}))
	}
	for _, c := range []struct {
		brain schema.Field[schema.Brain]
		says  bool
	}{{schema.Set(schema.Brain{Provider: "script"}), true}, {schema.Clear[schema.Brain](), false}} {
		patch(c.brain)
		seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "ping"}))
		if strings.Contains(string(seen.last().Payload), "re: ping") != c.says {
			t.Errorf("after %+v it said %s", c.brain, seen.last().Payload)
		}
	}
}

// TestFeelingsFade moves the clock: a feeling has halved after the half-life, is calm after a day, and survives a restart.
func TestFeelingsFade(t *testing.T) {
	c := newClock()
	o := local.Options{Dir: t.TempDir(), Now: c.Now}
	r := open(t, o)
	ctx := alice(t)
	feels := func() schema.Emotion {
		t.Helper()
		return must[schema.Agent](t)(r.Services().Agents.Get(ctx, "aria")).Emotion
	}
	if e := feels(); e != mood.Baseline() {
		t.Errorf("it begins with %+v", e)
	}
	must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "aria", Message: "This is so fantastic and exciting!!"}))
	before := must[schema.Agent](t)(r.Services().Agents.Get(ctx, "aria"))
	if before.Emotion.Name != mood.Excited || before.Emotion.Intensity < 0.5 {
		t.Errorf("it feels %+v", before.Emotion)
	}
	c.move(mood.HalfLife)
	if e := feels(); e.Name != mood.Excited || !near(e.Intensity, before.Emotion.Intensity/2) {
		t.Errorf("after a half-life it feels %+v", e)
	}
	shut(t, r)
	r = open(t, o)
	c.move(mood.HalfLife)
	if e := feels(); !near(e.Intensity, before.Emotion.Intensity/4) {
		t.Errorf("after another one, and a restart, it feels %+v", e)
	}
	c.move(24 * time.Hour)
	if e := feels(); e.Name != mood.Calm || !near(e.Valence, mood.Baseline().Valence) {
		t.Errorf("after a day it feels %+v", e)
	}
}

// TestATemperIsSet: a change of the baseline begins with what the agent feels, which goes to the new one; for every brain, over a
// restart.
func TestATemperIsSet(t *testing.T) {
	c := newClock()
	o := scripted(echo)
	o.Dir, o.Now = t.TempDir(), c.Now
	o.Agents = append(o.Agents, local.AgentSpec{ID: "calm"}, local.AgentSpec{ID: "glum", Brain: schema.Brain{
		Provider: "builtin", Options: schema.Object{"mood": map[string]any{"valence": -0.65, "arousal": 0.25}},
	}})
	r := open(t, o)
	get := func(id string) schema.Emotion {
		t.Helper()
		return must[schema.Agent](t)(r.Services().Agents.Get(alice(t), id)).Emotion
	}
	if e := get("glum"); e.Name != mood.Sad {
		t.Errorf("who is declared to be sad feels %+v", e)
	}
	happy := schema.Object{"mood": map[string]any{"valence": 0.75, "arousal": 0.55, "halfLifeMinutes": 60}}
	put := func(id, provider string, options schema.Object) error {
		_, err := r.Services().Agents.Update(admin(t), id, schema.AgentPatch{Brain: schema.Set(schema.Brain{Provider: provider, Options: options})})
		return err
	}
	for id, provider := range map[string]string{"calm": "builtin", "bot": "script"} {
		if err := put(id, provider, happy); err != nil {
			t.Error(err)
		}
		if e := get(id); e.Name != mood.Happy {
			t.Errorf("%s, who had felt nothing, feels %+v", id, e)
		}
	}
	must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "calm", Message: "This is so terribly sad, I am crying."}))
	moved := get("calm")
	if err := put("calm", "builtin", nil); err != nil {
		t.Error(err)
	}
	if e := get("calm"); !near(e.Valence, moved.Valence) || e.Name != moved.Name {
		t.Errorf("a change of temper moves %+v to %+v at once", moved, e)
	}
	if err := put("calm", "builtin", happy); err != nil {
		t.Error(err)
	}
	c.move(time.Hour)
	if e := get("calm"); !near(e.Valence, (moved.Valence+0.75)/2) {
		t.Errorf("after its half-life %+v is %+v", moved, e)
	}
	shut(t, r)
	r = open(t, o)
	c.move(24 * time.Hour)
	if e := get("calm"); e.Name != mood.Happy || !near(e.Valence, 0.75) {
		t.Errorf("after a day and a restart it feels %+v", e)
	}
	err := put("calm", "builtin", schema.Object{"mood": map[string]any{"valence": 7}})
	if schema.CodeOf(err) != schema.CodeInvalidArgument || !strings.Contains(err.Error(), "mood/valence") {
		t.Errorf("a temper that cannot be: %v", err)
	}
}

func near(a, b float64) bool { return a-b < 0.001 && b-a < 0.001 }

// TestRecallRespectsThePrincipal tells a secret to an agent and has somebody else ask for it.
func TestRecallRespectsThePrincipal(t *testing.T) {
	r := open(t, local.Options{})
	ask := func(who string, scope schema.Scope, text string) string {
		t.Helper()
		seen := must[turn](t)(say(as(t, who, scope), r, schema.SendRequest{AgentID: "nyx", Message: text}))
		var reply schema.Reply
		if err := json.Unmarshal(seen.last().Payload, &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Reply.Content
	}
	ask("alice", schema.ScopeChat, "Remember that my cat is called Miro")
	if got := ask("alice", schema.ScopeChat, "What is my cat called?"); !strings.Contains(got, "Miro") {
		t.Errorf("alice was told %q", got)
	}
	for _, scope := range []schema.Scope{schema.ScopeChat, schema.ScopeAdmin} {
		if got := ask("bob", scope, "What is my cat called?"); strings.Contains(got, "Miro") {
			t.Errorf("bob (%s) was told %q", scope, got)
		}
	}
	must[schema.MemoryItem](t)(r.Services().Memory.Store(admin(t), schema.NewMemory{AgentID: "nyx", Content: "The office cat is called Tiger", Shared: true}))
	if got := ask("bob", schema.ScopeChat, "What is the office cat called?"); !strings.Contains(got, "Tiger") {
		t.Errorf("bob was told %q", got)
	}
}

func TestRouteThroughTheRuntime(t *testing.T) {
	r := open(t, local.Options{})
	s := r.Services()
	ctx := alice(t)
	page := schema.SendRequest{Message: "I need help with coding", Context: schema.Object{"skill": "programming"}}
	seen := must[turn](t)(say(ctx, r, page))
	if seen.accepted.AgentID != "nyx" || seen.accepted.Route == nil || !strings.Contains(seen.accepted.Route.Reason, "programming") {
		t.Errorf("the page's example went to %s: %+v", seen.accepted.AgentID, seen.accepted.Route)
	}
	_, err := say(ctx, r, schema.SendRequest{Message: "x", Context: schema.Object{"skill": "surgery"}})
	mustBe(t, err, schema.CodeNoAgentFits)
	for _, bad := range []schema.Object{{"skill": 1}, {"skill": " "}, {"skills": "x"}, {"skills": []any{"x", 2}}} {
		mustBe(t, must2(s.Chat.Route(ctx, schema.RouteRequest{Message: "x", Context: bad})), schema.CodeInvalidArgument)
	}
	must[schema.Agent](t)(s.Agents.Stop(admin(t), "nyx"))
	_, err = s.Chat.Route(ctx, schema.RouteRequest{Message: page.Message, Context: page.Context})
	mustBe(t, err, schema.CodeNoAgentFits)
	if !strings.Contains(err.Error(), "nyx has it and is stopped") || !strings.Contains(err.Error(), "aria 0.") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	must[schema.Agent](t)(s.Agents.Stop(admin(t), "aria"))
	_, err = s.Chat.Route(ctx, schema.RouteRequest{Message: "Hello!"})
	mustBe(t, err, schema.CodeNoAgentFits)
}

package local_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// used is a step that has used tokens of a model that costs a millionth each.
func used(tokens int64) brain.Step {
	return brain.Step{Usage: &brain.Usage{Provider: "openai", Model: "o3", Tokens: schema.TokenUsage{InputTokens: tokens}}}
}

// metered is a runtime whose agent bot has a brain that takes those steps whenever it is asked.
func metered(dir string, now func() time.Time, cfg usage.Config, steps ...brain.Step) local.Options {
	o := scripted(func(_ context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
		for _, s := range steps {
			if !yield(s, nil) {
				return
			}
		}
	})
	o.Dir, o.Now, o.Usage = dir, now, cfg
	o.Agents = append(o.Agents, local.AgentSpec{ID: "plain"})
	return o
}

// ended says something to an agent and returns the run when it is over.
func ended(ctx context.Context, t *testing.T, r *local.Runtime, agent string) schema.Run {
	t.Helper()
	seen := must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: agent, Message: "go"}))
	run := must[schema.Run](t)(r.Services().Chat.Run(ctx, seen.accepted.RunID))
	if run.Status == schema.RunFailed {
		var failed schema.Failed
		if err := json.Unmarshal(seen.last().Payload, &failed); err != nil || failed.Reason != run.Reason || failed.Error != run.Error {
			t.Errorf("the last event is %s, and the run %+v", seen.last().Payload, run)
		}
	}
	return run
}

// TestUsageOfARun has two steps of a model for one reply, and looks at them from the run, from the report, and after a restart.
func TestUsageOfARun(t *testing.T) {
	cfg := usage.Config{Currency: "EUR", Prices: usage.Prices{"openai/*": {Input: 1}}}
	o := metered(t.TempDir(), nil, cfg, used(3), brain.Step{Delta: "some"}, used(4), brain.Step{Usage: &brain.Usage{Provider: "x", Model: "y", Tokens: schema.TokenUsage{OutputTokens: 5}}})
	r := open(t, o)
	run := ended(alice(t), t, r, "bot")
	want := schema.UsageSum{Steps: 3, TokenUsage: schema.TokenUsage{InputTokens: 7, OutputTokens: 5}, CostMicros: 7, UnpricedTokens: 5}
	if run.Status != schema.RunCompleted || run.Usage == nil || *run.Usage != want {
		t.Errorf("the run is %+v with %+v", run, run.Usage)
	}
	if plain := ended(alice(t), t, r, "plain"); plain.Status != schema.RunCompleted || plain.Usage != nil {
		t.Errorf("a run without a model has used %+v", plain.Usage)
	}
	shut(t, r)
	r = open(t, o)
	report := must[schema.UsageReport](t)(r.Services().Usage.Report(admin(t), schema.UsageQuery{GroupBy: schema.UsageByRun}))
	if report.Currency != "EUR" || report.Total != want || len(report.Groups) != 1 || report.Groups[0].Key != run.ID || report.Groups[0].UsageSum != want {
		t.Errorf("the report is %+v", report)
	}
}

// TestRunOverBudget: a run that begins when nothing is left fails at once, one in its middle when it goes on, and one that has its
// reply keeps it. Agents without a model are not concerned, and the next window begins anew.
func TestRunOverBudget(t *testing.T) {
	c := newClock()
	day, _ := usage.Day.Begin(c.Now())
	c.move(day.Add(36 * time.Hour).Sub(c.Now())) // noon of tomorrow
	cfg := usage.Config{Budgets: []usage.Budget{{Name: "daily", Principal: usage.Each, Window: usage.Day, Tokens: 10}}}
	dir := t.TempDir()
	finishing := metered(dir, c.Now, cfg, brain.Step{Delta: "a"}, used(10), brain.Step{Emotion: &schema.Emotion{Name: "glad"}})
	r := open(t, finishing)
	if run := ended(alice(t), t, r, "bot"); run.Status != schema.RunCompleted || run.Reply.Content != "a" {
		t.Errorf("a run that has its reply is %+v", run)
	}
	for range 2 { // and once more after a restart
		run := ended(alice(t), t, r, "bot")
		if run.Reason != schema.ReasonBudget || run.Usage != nil || run.Status != schema.RunFailed {
			t.Errorf("a run over budget is %+v", run)
		}
		for _, says := range []string{`"daily"`, "allows 10 tokens per day", "10 tokens were used", "begins anew at " + day.AddDate(0, 0, 2).Format(time.RFC3339)} {
			if !strings.Contains(run.Error, says) {
				t.Errorf("%q does not say %s", run.Error, says)
			}
		}
		shut(t, r)
		r = open(t, finishing)
	}
	if run := ended(alice(t), t, r, "plain"); run.Status != schema.RunCompleted {
		t.Errorf("a run without a model is %+v", run)
	}
	if run := ended(as(t, "bob", schema.ScopeChat), t, r, "bot"); run.Status != schema.RunCompleted {
		t.Errorf("bob's run is %+v", run)
	}
	c.move(12 * time.Hour)
	if run := ended(alice(t), t, r, "bot"); run.Status != schema.RunCompleted {
		t.Errorf("on the next day it is %+v", run)
	}
	shut(t, r)

	c.move(24 * time.Hour)
	for what, more := range map[string]brain.Step{"delta": {Delta: "b"}, "action": {Action: &brain.Action{Name: "look"}}} {
		r = open(t, metered(t.TempDir(), c.Now, cfg, used(4), brain.Step{Delta: "a"}, used(6), more, used(100)))
		run := ended(alice(t), t, r, "bot")
		if run.Reason != schema.ReasonBudget || run.Usage == nil || run.Usage.InputTokens != 10 {
			t.Errorf("in its middle, before a %s, it is %+v with %+v", what, run, run.Usage)
		}
	}
}

// TestUsageOfARunThatIsOver: what a model has used is kept although the run was cancelled before it said so.
func TestUsageOfARunThatIsOver(t *testing.T) {
	working, cancelled, kept := make(chan struct{}), make(chan struct{}), make(chan struct{})
	r := open(t, scripted(func(_ context.Context, _ brain.Turn, yield func(brain.Step, error) bool) {
		close(working)
		<-cancelled
		yield(used(8), nil)
		close(kept)
	}))
	ctx := alice(t)
	a := begin(ctx, t, r, schema.SendRequest{AgentID: "bot", Message: "go"})
	<-working
	must[schema.Run](t)(r.Services().Chat.Cancel(ctx, a.RunID))
	close(cancelled)
	<-kept
	if run := must[schema.Run](t)(r.Services().Chat.Run(ctx, a.RunID)); run.Status != schema.RunCancelled || run.Usage == nil || run.Usage.InputTokens != 8 || run.Usage.UnpricedTokens != 8 {
		t.Errorf("the run is %+v with %+v", run, run.Usage)
	}
}

// models is brains of extensions: each step uses ten tokens, and its reply teaches the agent something.
type models struct{ asked atomic.Int64 }

func (m *models) List(context.Context) ([]schema.BrainInfo, error) {
	return []schema.BrainInfo{{Provider: "openai", OptionsSchema: []byte(`{"type":"object"}`)}}, nil
}

func (m *models) Embed(context.Context, schema.EmbedRequest) (schema.Embeddings, error) {
	return schema.Embeddings{}, nil
}

// Think calls a tool in the first of two steps.
func (m *models) Think(_ context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		done := schema.ThinkDone{Stop: schema.StopEnd, Model: "o3", Usage: schema.TokenUsage{InputTokens: 9, OutputTokens: 1}}
		said := schema.ThinkEvent{Text: "I see."}
		if m.asked.Add(1)%2 == 1 {
			done.Stop, said = schema.StopCalls, schema.ThinkEvent{Call: &schema.ToolCall{ID: "1", Name: "memory_recall", Input: schema.Object{"query": "cat"}}}
		}
		_ = yield(said, nil) && yield(schema.ThinkEvent{Done: &done}, nil)
	}
}

// modelled is a runtime whose agent bot thinks with models of extensions.
func modelled(t *testing.T, cfg usage.Config) (*local.Runtime, *models) {
	m := &models{}
	r := open(t, local.Options{Dir: t.TempDir(), Usage: cfg, UseBrains: true, Agents: []local.AgentSpec{
		{ID: "bot", Brain: schema.Brain{Provider: "openai", Options: schema.Object{"model": "o3", "fallback": []any{"builtin"}}}}, {ID: "plain"},
	}})
	r.UseBrains(m)
	return r, m
}

// TestModelOverBudget: a turn whose first step uses the budget up asks no more; one whose last step does keeps its reply, and what it
// has learnt; a budget that is raised while the host runs counts for the next turn.
func TestModelOverBudget(t *testing.T) {
	within := func(tokens int64) usage.Config {
		return usage.Config{Budgets: []usage.Budget{{Agent: usage.Each, Window: usage.Month, Tokens: tokens}}}
	}
	r, m := modelled(t, within(10))
	run := ended(alice(t), t, r, "bot")
	if run.Reason != schema.ReasonBudget || m.asked.Load() != 1 || run.Usage == nil || run.Usage.Steps != 1 || !strings.HasPrefix(run.Error, "the budget of each agent per month is used up") {
		t.Errorf("the run is %+v with %+v; the model was asked %d times", run, run.Usage, m.asked.Load())
	}
	if err := r.SetUsage(t.Context(), usage.Config{Budgets: []usage.Budget{{}}}); err == nil {
		t.Error("a budget for no window is taken")
	}
	if err := r.SetUsage(t.Context(), within(20)); err != nil {
		t.Fatal(err)
	}
	m.asked.Store(1)
	seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: "bot", Message: "My cat is called Miro."}))
	run = must[schema.Run](t)(r.Services().Chat.Run(alice(t), seen.accepted.RunID))
	if run.Status != schema.RunCompleted || run.Reply.Content != "I see." {
		t.Errorf("the run that uses up the rest is %+v", run)
	}
	if hits := must[[]schema.MemoryHit](t)(r.Services().Memory.Search(alice(t), schema.MemoryQuery{AgentID: "bot", Text: "cat"})); len(hits) != 1 {
		t.Errorf("it has learnt %+v", hits)
	}
	if run = ended(alice(t), t, r, "bot"); run.Reason != schema.ReasonBudget || m.asked.Load() != 2 {
		t.Errorf("the run after it is %+v; the model was asked %d times", run, m.asked.Load())
	}
}

// TestDryRunOfAMessage says what would be done by brains of all kinds, and nothing is done, which needs no budget.
func TestDryRunOfAMessage(t *testing.T) {
	r, m := modelled(t, usage.Config{
		Currency: "USD", Prices: usage.Prices{"openai/o3": {Input: 1, Output: 2}},
		Budgets: []usage.Budget{{Agent: usage.Each, Window: usage.Month, Tokens: 10}},
	})
	if run := ended(alice(t), t, r, "bot"); run.Reason != schema.ReasonBudget {
		t.Fatalf("the run that uses the budget up is %+v", run)
	}
	m.asked.Store(0)
	for agent, says := range map[string]string{"bot": "an answer of say 1000 tokens 0.002 USD more", "plain": "The brain builtin asks no model"} {
		seen := must[turn](t)(say(alice(t), r, schema.SendRequest{AgentID: agent, Message: "My cat is called Miro.", Context: schema.Object{"dryRun": true}}))
		run := must[schema.Run](t)(r.Services().Chat.Run(alice(t), seen.accepted.RunID))
		if run.Status != schema.RunCompleted || !strings.Contains(run.Reply.Content, says) || run.Usage != nil {
			t.Errorf("%s says %+v, want %q", agent, run.Reply, says)
		}
		if hits := must[[]schema.MemoryHit](t)(r.Services().Memory.Search(alice(t), schema.MemoryQuery{AgentID: agent, Text: "cat"})); len(hits) != 0 {
			t.Errorf("%s has learnt %+v", agent, hits)
		}
	}
	if m.asked.Load() != 0 {
		t.Errorf("a model was asked %d times", m.asked.Load())
	}
}

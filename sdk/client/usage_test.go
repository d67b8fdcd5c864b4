package client_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// spending is a brain that uses ten tokens for a reply.
type spending struct{}

func (spending) Respond(context.Context, brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		_ = yield(brain.Step{Usage: &brain.Usage{Provider: "costly", Model: "m", Tokens: schema.TokenUsage{InputTokens: 7, OutputTokens: 3}}}, nil) &&
			yield(brain.Step{Reply: "done"}, nil)
	}
}

// TestUsage looks at what three turns have used, and has a fourth one refused.
func TestUsage(t *testing.T) {
	o := local.Options{
		Brains: map[string]brain.Factory{"costly": func(context.Context, string, schema.Object) (brain.Brain, error) { return spending{}, nil }},
		Agents: []local.AgentSpec{{ID: "nyx", Brain: schema.Brain{Provider: "costly"}}, {ID: "aria", Brain: schema.Brain{Provider: "costly"}}},
		Usage: usage.Config{
			Currency: "USD", Prices: usage.Prices{"costly/*": {Input: 1, Output: 2}}, Budgets: []usage.Budget{{Agent: "nyx", Window: usage.Month, Tokens: 20}},
		},
	}
	c, ctx := newClient(t, "http://"+serveLocal(t, o, "")), t.Context()
	var last client.Answer
	for _, agent := range []string{"nyx", "aria", "nyx"} {
		last = must[client.Answer](t)(c.Send(ctx, client.Message{AgentID: agent, Text: "Hello!"}))
	}
	one := schema.UsageSum{Steps: 1, TokenUsage: schema.TokenUsage{InputTokens: 7, OutputTokens: 3}, CostMicros: 13}
	if run := must[schema.Run](t)(c.Run(ctx, last.RunID)); run.Usage == nil || *run.Usage != one {
		t.Errorf("the run has used %+v, want %+v", run.Usage, one)
	}
	hour := schema.UsageQuery{Since: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
	if r := must[schema.UsageReport](t)(c.Usage(ctx, hour)); r.Currency != "USD" || r.Total != one.Add(one).Add(one) {
		t.Errorf("the report is %+v", r)
	}
	if r := must[schema.UsageReport](t)(c.Usage(ctx, schema.UsageQuery{Until: hour.Since})); r.Total.Steps != 0 {
		t.Errorf("before the test began: %+v", r)
	}
	got := collect(t, c.AllUsage(ctx, schema.UsageQuery{GroupBy: schema.UsageByAgent, Limit: 1}))
	if len(got) != 2 || got[0] != (schema.UsageGroup{Key: "aria", UsageSum: one}) || got[1] != (schema.UsageGroup{Key: "nyx", UsageSum: one.Add(one)}) {
		t.Errorf("by agent: %+v", got)
	}
	var refused *client.Error
	if _, err := c.Send(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}); !errors.As(err, &refused) || refused.Code != schema.CodeBudgetExceeded || refused.RunID == "" {
		t.Errorf("over budget, over REST: %v", err)
	}
	turn := must[*client.Turn](t)(c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}))
	var ended *client.TurnError
	if _, err := turn.Reply(ctx); !errors.As(err, &ended) || ended.Reason != schema.ReasonBudget {
		t.Errorf("over budget, over a socket: %v", err)
	}
}

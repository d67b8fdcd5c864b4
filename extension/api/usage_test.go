package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// TestUsageIsAskedForAsItIsAsked follows a request to the runtime, as whom it comes, and the answer back.
func TestUsageIsAskedForAsItIsAsked(t *testing.T) {
	f := newFakeHost()
	var asked schema.UsageQuery
	var asker string
	sum := schema.UsageSum{Steps: 2, TokenUsage: schema.TokenUsage{InputTokens: 3, CachedTokens: 1, OutputTokens: 4, ReasoningTokens: 2}, CostMicros: 5, UnpricedTokens: 6}
	f.used = func(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
		asked, asker = q, schema.CallerFrom(ctx).Principal
		return schema.UsageReport{Currency: "EUR", Total: sum, Groups: []schema.UsageGroup{{Key: "openai/o3", UsageSum: sum}}, NextCursor: "Zm9v"}, nil
	}
	w := start(t, "", f.services())
	a := w.do("GET", "/api/usage?groupBy=model&agentId=nyx&principal=bob&runId=run_1&since=2026-11-01T00:00:00Z&until=2026-12-01T01:00:00%2B01:00&limit=1&cursor=YmFy", "", as("alice")...)
	want := schema.UsageQuery{
		AgentID: "nyx", Principal: "bob", RunID: "run_1", Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		GroupBy: schema.UsageByModel, Limit: 1, Cursor: "YmFy",
	}
	if same := asked.Since.Equal(want.Since) && asked.Until.Equal(want.Until); !same {
		t.Errorf("asked from %s until %s", asked.Since, asked.Until)
	}
	asked.Since, asked.Until = want.Since, want.Until
	if asked != want || asker != "alice" {
		t.Errorf("%s asked for %+v, want alice and %+v", asker, asked, want)
	}
	const group = `"steps":2,"inputTokens":3,"cachedTokens":1,"outputTokens":4,"reasoningTokens":2,"costMicros":5,"unpricedTokens":6}`
	const body = `{"currency":"EUR","total":{` + group + `,"groups":[{"key":"openai/o3",` + group + `],"nextCursor":"Zm9v"}`
	if a.status != http.StatusOK || strings.TrimSpace(string(a.body)) != body {
		t.Errorf("the answer is %d %s, want %s", a.status, a.body, body)
	}
	if link := a.header.Get("Link"); !strings.Contains(link, "cursor=Zm9v") || !strings.Contains(link, "groupBy=model") || !strings.Contains(link, `rel="next"`) {
		t.Errorf("the next page is at %s", link)
	}
}

func TestBadUsageQueries(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for query, location := range map[string]string{
		"groupBy=week":     "query.groupBy",
		"since=yesterday":  "query.since",
		"until=2026-13-01": "query.until",
		"limit=0":          "query.limit",
		"agentId=a%20b":    "query.agentId",
		"by=day":           "query.by",
		"since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z": "query.until",
	} {
		p := w.do("GET", "/api/usage?"+query, "", as("alice")...).problem(t, 422, schema.CodeInvalidArgument)
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: %+v, want something at %s", query, p.Errors, location)
		}
	}
	w.do("GET", "/api/usage", "").problem(t, 401, schema.CodeUnauthenticated)
}

// TestTurnOverBudget: a run that fails for its budget is a 402 over REST, with the run and what the runtime says of it.
func TestTurnOverBudget(t *testing.T) {
	f := newFakeHost()
	const why = "the budget of each principal per day is used up"
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		took := &schema.Accepted{RunID: r.RunID, ConversationID: "c", AgentID: "nyx", Message: schema.Message{ID: "m", ConversationID: "c", Role: schema.RoleUser, Content: r.Message}}
		failed := f.emit(schema.Event{
			Type: schema.EventFailed, AgentID: "nyx", ConversationID: "c", RunID: r.RunID, Principal: schema.CallerFrom(ctx).Principal,
			Payload: schema.NewPayload(schema.Failed{Reason: schema.ReasonBudget, Error: why}),
		})
		_ = yield(schema.ChatEvent{Accepted: took}, nil) && yield(schema.ChatEvent{Event: &failed}, nil)
	}
	w := start(t, "", f.services())
	p := w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"hello"}`, as("alice")...).problem(t, http.StatusPaymentRequired, schema.CodeBudgetExceeded)
	if p.RunID == "" || p.ConversationID != "c" || !strings.Contains(p.Detail, why) || p.Retryable {
		t.Errorf("the problem is %+v", p)
	}
	s := w.login("alice")
	s.ask(`{"type":"chat:message","id":1,"agentId":"nyx","message":"hello"}`, "ack")
	if f := s.want("chat:failed"); f.text("reason") != schema.ReasonBudget || f.text("error") != why {
		t.Errorf("over a socket it is told %v", f)
	}
}

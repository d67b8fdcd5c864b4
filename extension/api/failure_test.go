package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func TestSendErrors(t *testing.T) {
	f := newFakeHost()
	ended := make(chan struct{}, 8)
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		defer func() { ended <- struct{}{} }()
		took := schema.ChatEvent{Accepted: &schema.Accepted{RunID: r.RunID, ConversationID: "c", AgentID: "nyx"}}
		end := func(kind schema.EventType, payload any) {
			if yield(took, nil) {
				yield(schema.ChatEvent{Event: &schema.Event{Type: kind, RunID: r.RunID, Payload: schema.NewPayload(payload)}}, nil)
			}
		}
		switch r.Message {
		case "refused":
			yield(schema.ChatEvent{}, &schema.Error{Code: schema.CodeBusy, Message: "the conversation's queue is full", RetryAfter: 1500 * time.Millisecond})
		case "hang":
			<-ctx.Done()
			yield(schema.ChatEvent{}, ctx.Err())
		case "hang later":
			if yield(took, nil) {
				<-ctx.Done()
				yield(schema.ChatEvent{}, ctx.Err())
			}
		case "break":
			if yield(took, nil) {
				yield(schema.ChatEvent{}, schema.Errorf(schema.CodeUnavailable, "dial /secret"))
			}
		case "stop short":
			yield(took, nil)
		case "nothing":
		case "panic":
			panic("ouch /secret")
		case "brain":
			end(schema.EventFailed, schema.Failed{Reason: schema.ReasonBrainError, Error: "the model said no"})
		case "restart":
			end(schema.EventFailed, schema.Failed{Reason: schema.ReasonHostRestarted})
		case "stopped":
			end(schema.EventCancelled, schema.Cancelled{Reason: schema.ReasonAgentStopped})
		case "cancelled":
			end(schema.EventCancelled, schema.Cancelled{Reason: schema.ReasonCancelled})
		}
	}
	w := start(t, `"limits":{"turnTimeoutMs":200}`, f.services())
	for message, c := range map[string]struct {
		status   int
		code     schema.ErrorCode
		accepted bool
	}{
		"refused":    {429, schema.CodeBusy, false},
		"hang":       {504, schema.CodeDeadlineExceeded, false},
		"break":      {503, schema.CodeUnavailable, true},
		"stop short": {500, schema.CodeInternal, true},
		"nothing":    {500, schema.CodeInternal, false},
		"panic":      {500, schema.CodeInternal, false},
		"brain":      {500, schema.CodeInternal, true},
		"restart":    {503, schema.CodeUnavailable, true},
		"stopped":    {409, schema.CodeAgentNotRunning, true},
		"cancelled":  {499, schema.CodeCancelled, true},
	} {
		a := w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"`+message+`"}`, as("alice")...)
		p := a.problem(t, c.status, c.code)
		if (p.RunID != "") != c.accepted || (p.ConversationID != "") != c.accepted || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: %s", message, a.body)
		}
		if message == "brain" && !strings.Contains(p.Detail, "the model said no") {
			t.Errorf("%s: %s", message, p.Detail)
		}
		if message == "refused" && a.header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After = %q", a.header.Get("Retry-After"))
		}
		select { // and the call to the host has ended with the request
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("%s: the call to the host does not end", message)
		}
	}
}

func TestErrorsOfTheHostAreMappedByTheTable(t *testing.T) {
	f := newFakeHost()
	var now error
	f.get = func(context.Context, string) (schema.Agent, error) { return schema.Agent{}, now }
	w := start(t, "", f.services()).unjudged() // no operation comes to all of them
	for _, code := range schema.ErrorCodes() {
		now = schema.Errorf(code, "what the host says")
		a := w.do("GET", "/api/agents/nyx", "", as("admin")...)
		a.problem(t, code.HTTPStatus(), code)
	}
	now = fmt.Errorf("open /etc/secret: permission denied")
	if a := w.do("GET", "/api/agents/nyx", "", as("admin")...); strings.Contains(string(a.body), "secret") {
		t.Errorf("a 500 tells %s", a.body)
	}
}

// TestPanicIsAProblem has a handler of ours, or the host behind it, panic.
func TestPanicIsAProblem(t *testing.T) {
	f := newFakeHost()
	f.search = func(schema.MemoryQuery) ([]schema.MemoryHit, error) { panic("/secret") }
	w := start(t, "", f.services())
	for range 3 {
		a := w.do("GET", "/api/memory/search?q=x", "", as("alice")...)
		if a.problem(t, 500, schema.CodeInternal); strings.Contains(string(a.body), "secret") {
			t.Errorf("a 500 tells %s", a.body)
		}
	}
}

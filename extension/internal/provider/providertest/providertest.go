// Package providertest is what the tests of providers have in common: they build the messages of a step, and hear what comes of it.
package providertest

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// User says something.
func User(s string) sdk.ThinkMessage { return sdk.ThinkMessage{Role: sdk.ThinkUser, Text: s} }

// Agent has said something.
func Agent(s string) sdk.ThinkMessage { return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: s} }

// Calling is a message of the agent with calls.
func Calling(text string, calls ...sdk.ToolCall) sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: text, Calls: calls}
}

// Results are those of calls.
func Results(all ...sdk.ToolResult) sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkTools, Results: all}
}

// Heard is what comes of a step.
type Heard struct {
	Thought, Text string
	Calls         []sdk.ToolCall
	Done          *sdk.ThinkDone
	Err           *schema.Error
}

// Message returns what was heard as the agent's message.
func (h Heard) Message() sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: h.Text, Calls: h.Calls, State: h.Done.State}
}

// Hear hears a step to its end.
func Hear(events iter.Seq2[sdk.ThinkEvent, error]) (h Heard) {
	for e, err := range events {
		switch {
		case err != nil:
			h.Err = schema.AsError(err)
		case e.Done != nil:
			h.Done = e.Done
		case e.Call != nil:
			h.Calls = append(h.Calls, *e.Call)
		default:
			h.Thought += e.Thought
			h.Text += e.Text
		}
	}
	return h
}

// Well hears a step that ends well.
func Well(t *testing.T, x *sdktest.Running, r sdk.ThinkRequest) Heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h := Hear(x.Think(ctx, r))
	if h.Err != nil || h.Done == nil {
		t.Fatalf("the step ends with %v, %+v", h.Err, h.Done)
	}
	return h
}

// Wrong hears a step that fails with the code, and a message that has the text.
func Wrong(t *testing.T, x *sdktest.Running, r sdk.ThinkRequest, code schema.ErrorCode, text string) Heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h := Hear(x.Think(ctx, r))
	if h.Done != nil || h.Err == nil || h.Err.Code != code || !strings.Contains(h.Err.Message, text) {
		t.Errorf("the step ends with %v, and not with %s: %s", h.Err, code, text)
	}
	return h
}

// Eventually polls until ok.
func Eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

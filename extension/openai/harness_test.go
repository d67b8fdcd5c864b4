package openai_test

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Models that OpenAI treats differently: the second one reasons.
const (
	plain  = "gpt-4.1-mini"
	reason = "gpt-5.4-mini"
)

type object = map[string]any

// block returns a block of the configuration that asks the server, and has the keys of more.
func block(t *testing.T, s *openaitest.Server, more object) string {
	t.Helper()
	all := object{"baseUrl": s.URL, "apiKey": openaitest.Key, "model": plain, "maxTokensKey": "max_completion_tokens", "embeddingModel": "text-embedding-3-small"}
	for k, v := range more {
		all[k] = v
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// start returns a stand-in, and the extension that asks it.
func start(t *testing.T, more object) (*sdktest.Running, *openaitest.Server) {
	t.Helper()
	s := openaitest.New(t)
	return sdktest.Start(t, openai.Definition(), block(t, s, more), sdktest.NewHost().Services()), s
}

// request returns a step in which the user says something.
func request(options sdk.Object, messages ...sdk.ThinkMessage) sdk.ThinkRequest {
	return sdk.ThinkRequest{ID: "1", Provider: "openai", Options: options, Messages: messages}
}

func user(s string) sdk.ThinkMessage  { return sdk.ThinkMessage{Role: sdk.ThinkUser, Text: s} }
func agent(s string) sdk.ThinkMessage { return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: s} }

func calling(text string, calls ...sdk.ToolCall) sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: text, Calls: calls}
}

func results(all ...sdk.ToolResult) sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkTools, Results: all}
}

func look() []sdk.Tool {
	return []sdk.Tool{{Name: "look", InputSchema: json.RawMessage(`{"type": "object", "properties": {"at": {"type": "string"}}}`)}}
}

// heard is what comes of a step.
type heard struct {
	thought, text string
	calls         []sdk.ToolCall
	done          *sdk.ThinkDone
	err           *schema.Error
}

// message returns what was heard as the agent's message.
func (h heard) message() sdk.ThinkMessage {
	return sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: h.text, Calls: h.calls, State: h.done.State}
}

func hear(events iter.Seq2[sdk.ThinkEvent, error]) (h heard) {
	for e, err := range events {
		switch {
		case err != nil:
			h.err = schema.AsError(err)
		case e.Done != nil:
			h.done = e.Done
		case e.Call != nil:
			h.calls = append(h.calls, *e.Call)
		default:
			h.thought += e.Thought
			h.text += e.Text
		}
	}
	return h
}

// well hears a step that ends well.
func well(t *testing.T, x *sdktest.Running, r sdk.ThinkRequest) heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h := hear(x.Think(ctx, r))
	if h.err != nil || h.done == nil {
		t.Fatalf("the step ends with %v, %+v", h.err, h.done)
	}
	return h
}

// wrong hears a step that fails with the code, and a message that has the text.
func wrong(t *testing.T, x *sdktest.Running, r sdk.ThinkRequest, code schema.ErrorCode, text string) heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	h := hear(x.Think(ctx, r))
	if h.done != nil || h.err == nil || h.err.Code != code || !strings.Contains(h.err.Message, text) {
		t.Errorf("the step ends with %v, and not with %s: %s", h.err, code, text)
	}
	return h
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

package anthropic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	api "github.com/anthropics/anthropic-sdk-go"

	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/sdk"
)

// FuzzRequest: whatever a host may ask for, the API takes.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("uatcatuca"), uint8(0), "hello")
	f.Add([]byte("acucctuaa"), uint8(1), " ")
	f.Add([]byte("ucccua"), uint8(7), "a\n")
	s := anthropictest.New(f)
	f.Fuzz(func(t *testing.T, shape []byte, flags uint8, words string) {
		r := sdk.ThinkRequest{ID: "1", Provider: "anthropic", System: words, Messages: conversationOf(shape, words)}
		if flags&1 != 0 {
			r.Tools = []sdk.Tool{{Name: "look", Description: words, InputSchema: json.RawMessage(`{"properties": {}}`)}}
		}
		if r.Validate() != nil || len(shape) > 200 {
			t.Skip()
		}
		var o options
		if flags&2 != 0 {
			o.Thinking.BudgetTokens = new(1024)
		}
		o.Model = []string{"claude-haiku-4-5", "claude-sonnet-4-6"}[flags>>2&1]
		x := &Extension{Config: defaults()}
		p, err := x.params(r, o)
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := ask(t, s, p); status != http.StatusOK {
			t.Fatalf("%+v: %d %s", r.Messages, status, answer)
		}
	})
}

// conversationOf returns a conversation in which users, agents and agents with calls take turns as shape has it.
func conversationOf(shape []byte, words string) []sdk.ThinkMessage {
	var all []sdk.ThinkMessage
	for i, b := range shape {
		switch b % 4 {
		case 0:
			all = append(all, sdk.ThinkMessage{Role: sdk.ThinkUser, Text: words})
		case 1:
			all = append(all, sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: words})
		case 2:
			all = append(all, sdk.ThinkMessage{Role: sdk.ThinkUser})
		case 3:
			call := sdk.ToolCall{ID: fmt.Sprint(words, i%2), Name: "look", Input: sdk.Object{"w": "x"}}
			all = append(all,
				sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: words, Calls: []sdk.ToolCall{call, call}},
				sdk.ThinkMessage{Role: sdk.ThinkTools, Results: []sdk.ToolResult{{CallID: call.ID, Output: words}, {CallID: call.ID, Failed: true}}})
		}
	}
	return all
}

// ask has the stand-in judge a request.
func ask(t *testing.T, s *anthropictest.Server, p api.MessageNewParams) (status int, answer string) {
	t.Helper()
	raw, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	raw = append(bytes.TrimSuffix(raw, []byte("}")), `,"stream":true}`...)
	r := httptest.NewRequest(http.MethodPost, "/v1/messages", bytes.NewReader(raw))
	r.Header.Set("X-Api-Key", anthropictest.Key)
	r.Header.Set("Anthropic-Version", "2023-06-01")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// FuzzRecalled: a state that is none, or another's, is none.
func FuzzRecalled(f *testing.F) {
	f.Add([]byte(`{"model":"m","content":[{"type":"thinking","thinking":"a","signature":"b"},{"type":"text","text":"said"}]}`), "said", "")
	f.Add([]byte(`{"model":"m","content":[{"type":"redacted_thinking","data":"a"},{"type":"tool_use","id":"x","name":"n","input":{}}]}`), "", "x")
	f.Add([]byte(`{"model":"m","content":[]}`), "", "")
	f.Add([]byte(`{"model":"m","content":[null, 1]}`), "", "")
	f.Fuzz(func(t *testing.T, raw []byte, text, call string) {
		m := sdk.ThinkMessage{Role: sdk.ThinkAgent, Text: text, State: raw}
		if call != "" {
			m.Calls = []sdk.ToolCall{{ID: call, Name: "n"}}
		}
		reasoned([]sdk.ThinkMessage{m, {Role: sdk.ThinkTools}}, "m")
		if recalled(m, "another") != nil {
			t.Error("another model takes it")
		}
		for _, b := range recalled(m, "m") {
			if out, err := b.MarshalJSON(); err != nil || !json.Valid(out) {
				t.Errorf("a block becomes %s, %v", out, err)
			}
		}
	})
}

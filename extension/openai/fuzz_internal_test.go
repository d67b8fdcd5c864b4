package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	api "github.com/openai/openai-go/v3"

	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/sdk"
)

// FuzzRequest: whatever a host may ask for, servers take, the strict ones included.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("uatcatuca"), uint8(0), "hello")
	f.Add([]byte("acucctuaa"), uint8(1), " ")
	f.Add([]byte("ucccua"), uint8(7), "a\n")
	s := openaitest.New(f)
	s.Habits.TakesTurns = true
	f.Fuzz(func(t *testing.T, shape []byte, flags uint8, words string) {
		r := sdk.ThinkRequest{ID: "1", Provider: "openai", System: words, Messages: conversationOf(shape, words)}
		if flags&1 != 0 {
			r.Tools = []sdk.Tool{{Name: "look", Description: words, InputSchema: json.RawMessage(`{"additionalProperties": false}`)}}
		}
		if r.Validate() != nil || len(shape) > 200 {
			t.Skip()
		}
		x := &Extension{Config: defaults()}
		p, err := x.params(r, options{Model: []string{"gpt-4.1", "gpt-5.4"}[flags>>1&1]})
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
func ask(t *testing.T, s *openaitest.Server, p api.ChatCompletionNewParams) (status int, answer string) {
	t.Helper()
	raw, err := p.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	raw = append(bytes.TrimSuffix(raw, []byte("}")), `,"stream":true}`...)
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", bytes.NewReader(raw))
	r.Header.Set("Authorization", "Bearer "+openaitest.Key)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// FuzzTags: however a text comes in pieces, the same of it is reasoning, and the rest is not lost.
func FuzzTags(f *testing.F) {
	f.Add("<think>a</think>\n\nb", uint8(3))
	f.Add(" \n<think>a</thi", uint8(1))
	f.Add("<thin", uint8(1))
	f.Add("a<think>b</think>", uint8(2))
	f.Fuzz(func(t *testing.T, whole string, size uint8) {
		read := func(size int) (thought, text string) {
			var x tags
			for rest := whole; rest != ""; {
				n := min(size, len(rest))
				a, b := x.next(rest[:n])
				thought, text, rest = thought+a, text+b, rest[n:]
			}
			a, b := x.rest()
			return thought + a, text + b
		}
		thought, text := read(len(whole))
		if a, b := read(int(size%9) + 1); a != thought || b != text {
			t.Fatalf("%q is %q and %q at once, and %q and %q in pieces", whole, thought, text, a, b)
		}
		head := strings.HasPrefix(strings.TrimSpace(whole), thinkBegin)
		if !head && (thought != "" || text != whole) {
			t.Fatalf("%q becomes %q and %q", whole, thought, text)
		}
		if head && (!strings.Contains(whole, thought) || !strings.HasSuffix(whole, text)) {
			t.Fatalf("%q becomes %q and %q", whole, thought, text)
		}
	})
}

// FuzzCalls: whatever a server sends as pieces of calls, what comes out is whole, and each has an id of its own.
func FuzzCalls(f *testing.F) {
	f.Add([]byte(`[{"index":0,"id":"a","function":{"name":"look","arguments":""}},{"index":0,"function":{"arguments":"{}"}}]`))
	f.Add([]byte(`[{"function":{"name":"look","arguments":{}}},{"index":-1,"id":"a","function":{"name":"look"}}]`))
	f.Add([]byte(`[{"index":9e99},{"index":null,"id":1,"function":null}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var pieces []json.RawMessage
		if json.Unmarshal(raw, &pieces) != nil {
			t.Skip()
		}
		var c calls
		for _, p := range pieces {
			var d api.ChatCompletionChunkChoiceDeltaToolCall
			if json.Unmarshal(p, &d) == nil {
				c.add(d)
			}
		}
		all, err := c.whole()
		ids := map[string]bool{}
		for _, x := range all {
			if x.Name == "" || x.ID == "" || ids[x.ID] {
				t.Errorf("it calls %+v", x)
			}
			ids[x.ID] = true
		}
		if err == nil && len(all) != len(c.list) {
			t.Errorf("of %d calls there are %d", len(c.list), len(all))
		}
	})
}

// FuzzRecalled: a state that is none, or another's, is none.
func FuzzRecalled(f *testing.F) {
	f.Add([]byte(`{"model":"m","key":"reasoning","text":"a"}`))
	f.Add([]byte(`{"model":"m","key":"messages","text":"a"}`))
	f.Add([]byte(`{"model":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := sdk.ThinkMessage{Role: sdk.ThinkAgent, State: raw}
		if _, text := recalled(m, "another\x00"); text != "" {
			t.Error("another model takes it")
		}
		if key, text := recalled(m, "m"); text != "" && key != "reasoning" && key != "reasoning_content" {
			t.Errorf("it goes under the key %q", key)
		}
	})
}

func TestLimitKey(t *testing.T) {
	for address, want := range map[string]string{
		officialURL: limitNew, "https://eu.api.openai.com/v1": limitNew, "https://me.openai.azure.com/openai/v1": limitNew,
		"http://localhost:11434/v1": limitOld, "https://api.openai.com.example.org/v1": limitOld, "https://api.groq.com/openai/v1": limitOld,
	} {
		if c := (&Config{BaseURL: address}); c.limitKey() != want {
			t.Errorf("%s: %s", address, c.limitKey())
		}
		if c := (&Config{BaseURL: address, MaxTokensKey: "other"}); c.limitKey() != "other" {
			t.Errorf("%s: what is said does not count", address)
		}
	}
}

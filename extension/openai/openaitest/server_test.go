package openaitest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post asks the server, with the key unless header says otherwise.
func post(t *testing.T, s *openaitest.Server, path, body string, header map[string]string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+openaitest.Key)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("it answers %v, with the id %q", err, res.Header.Get("X-Request-Id"))
	}
	return res.StatusCode, string(raw)
}

// ask returns a request with these keys beside, or in place of, those of one that is in order.
func ask(keys string) string {
	all := map[string]json.RawMessage{
		"model": json.RawMessage(`"gpt-4.1"`), "stream": json.RawMessage(`true`), "messages": json.RawMessage(`[{"role": "user", "content": "count to 3"}]`),
	}
	var more map[string]json.RawMessage
	if err := json.Unmarshal([]byte(keys), &more); err != nil {
		panic(err)
	}
	for k, v := range more {
		if all[k] = v; string(v) == "null" {
			delete(all, k)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// TestAnAnswer is what the reference shows of one.
func TestAnAnswer(t *testing.T) {
	s := openaitest.New(t)
	s.Script(openaitest.Reply{Content: "I look", Calls: []openaitest.Call{{ID: "call_1", Name: "look", Arguments: `{}`}}})
	status, answer := post(t, s, "/chat/completions", ask(`{"stream_options": {"include_usage": true}}`), nil)
	want := []string{
		`"delta":{"content":"","refusal":null,"role":"assistant"},"finish_reason":null,"index":0`,
		`"delta":{"content":"I loo"}`, `"delta":{"content":"k"}`,
		`"delta":{"tool_calls":[{"function":{"arguments":"","name":"look"},"id":"call_1","index":0,"type":"function"}]}`,
		`"delta":{"tool_calls":[{"function":{"arguments":"{}"},"index":0}]}`,
		`"delta":{},"finish_reason":"tool_calls"`,
		`"choices":[],"created":`,
		`[DONE]`,
	}
	parts := strings.Split(strings.TrimSuffix(answer, "\n\n"), "\n\n")
	if status != http.StatusOK || len(parts) != len(want) {
		t.Fatalf("it answers %d\n%s", status, answer)
	}
	for i, part := range parts {
		data, ok := strings.CutPrefix(part, "data: ")
		last := i >= len(want)-2
		if !ok || !strings.Contains(data, want[i]) || strings.Contains(data, `"usage":null`) == last {
			t.Errorf("part %d is %s", i, part)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	s := openaitest.New(t)
	for name, c := range map[string]struct {
		path   string
		header map[string]string
		body   string
		status int
		answer string
	}{
		"no key":          {"/chat/completions", map[string]string{"Authorization": ""}, ask(`{}`), 401, "You didn't provide an API key"},
		"a wrong key":     {"/chat/completions", map[string]string{"Authorization": "Bearer sk-proj-0123456789"}, ask(`{}`), 401, `"message":"Incorrect API key provided: sk-proj*******6789.`},
		"another path":    {"/completions", nil, ask(`{}`), 404, `"code":"unknown_url"`},
		"no JSON":         {"/chat/completions", nil, "{", 400, "We could not parse the JSON body of your request."},
		"an odd key":      {"/chat/completions", nil, ask(`{"top_k": 3}`), 400, "Unrecognized request argument supplied: top_k"},
		"more than a lot": {"/embeddings", nil, strings.Repeat(" ", 33<<20), 413, ""},
	} {
		if status, answer := post(t, s, c.path, c.body, c.header); status != c.status || !strings.Contains(answer, c.answer) || !strings.Contains(answer, `{"error":{`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestRules(t *testing.T) {
	s := openaitest.New(t)
	const (
		tool   = `"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]`
		use    = `{"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]}`
		result = `{"role": "tool", "tool_call_id": "call_1", "content": "blue"}`
		said   = `{"role": "user", "content": "hello"}`
	)
	for keys, want := range map[string]string{
		`{"max_completion_tokens": 9, "temperature": 1.5, "stop": ["a"]}`:         "",
		`{"model": "gpt-5.4", "temperature": 1, "reasoning_effort": "low"}`:       "",
		`{` + tool + `, "tool_choice": "required"}`:                               "",
		`{"messages": [` + said + `, ` + use + `, ` + result + `, ` + said + `]}`: "",
		`{"messages": [{"role": "assistant", "content": "I begin"}]}`:             "",

		`{"model": null}`:    "you must provide a model parameter",
		`{"model": "llama"}`: `"code":"model_not_found"`,
		`{"messages": []}`:   `"code":"empty_array"`,
		`{"stream": false}`:  "streams only",
		`{"max_tokens": 0}`:  "integer below minimum value",
		`{"max_tokens": 1, "max_completion_tokens": 1}`:     "at the same time",
		`{"temperature": 2.5}`:                              "out of range",
		`{"stop": ["a", "b", "c", "d", "e"]}`:               "maximum length 4",
		`{"reasoning_effort": "low"}`:                       "reasoning_effort",
		`{"verbosity": "low"}`:                              "verbosity",
		`{"model": "gpt-5.4", "max_tokens": 9}`:             "Use 'max_completion_tokens' instead.",
		`{"model": "o3", "temperature": 0.5}`:               "Only the default (1) value is supported.",
		`{"model": "o3", "top_p": 0.5}`:                     "'top_p' is not supported",
		`{"model": "o3", "stop": ["a"]}`:                    "'stop' is not supported",
		`{"model": "o3", "reasoning_effort": "huge"}`:       "'reasoning_effort' does not support 'huge'",
		`{"tools": []}`:                                     "empty array",
		`{"tool_choice": "auto"}`:                           "'tool_choice' is only allowed when 'tools' are specified.",
		`{"parallel_tool_calls": true}`:                     "'parallel_tool_calls' is only allowed",
		`{` + tool + `, "tool_choice": "any"}`:              "Supported values are: 'none', 'auto', and 'required'.",
		`{"tools": [{"type": "look"}]}`:                     "Supported values are: 'function'",
		`{"tools": [{"type": "function", "function": {}}]}`: "does not match pattern",
		`{"tools": [{"type": "function", "function": {"name": "a", "parameters": {}}}]}`:                                "schema must be a JSON Schema",
		`{"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}}]}`:                "object schema missing properties",
		`{"tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "a"}}]}`: "duplicate function name",
		`{"messages": [{"role": "robot", "content": ""}]}`:                                                              "Supported values are",
		`{"messages": [{"role": "user"}]}`:                                                                              "expected a string, got null",
		`{"messages": [` + said + `, ` + result + `]}`:                                                                  "must be a response to a preceeding message",
		`{"messages": [` + said + `, ` + use + `]}`:                                                                     "did not have response messages: call_1",
		`{"messages": [` + said + `, ` + use + `, ` + said + `]}`:                                                       "did not have response messages: call_1",
		`{"messages": [` + said + `, ` + use + `, ` + result + `, ` + result + `]}`:                                     "must be a response",
		`{"messages": [` + said + `, ` + strings.Replace(use, "call_1", strings.Repeat("x", 41), 1) + `]}`:              "maximum length 40",
		`{"messages": [` + said + `, ` + strings.Replace(use, "call_1", "", 1) + `]}`:                                   "tool_calls[0].id",
	} {
		status, answer := post(t, s, "/chat/completions", ask(keys), nil)
		if (status == http.StatusOK) != (want == "") || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", keys, status, answer)
		}
	}
}

func TestHabits(t *testing.T) {
	s := openaitest.New(t)
	s.Habits = openaitest.Habits{Open: true, AnyModel: true, AnyKey: true, OldLimit: true, TakesTurns: true, BareErrors: true}
	for keys, want := range map[string]string{
		`{"model": "llama", "max_tokens": 9, "reasoning_effort": "low", "top_k": 3}`: "",
		`{"max_completion_tokens": 9}`:                                                                     "Extra inputs are not permitted",
		`{"messages": [{"role": "assistant", "content": "I begin"}]}`:                                      "Conversation roles must alternate",
		`{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}`:               "Conversation roles must alternate",
		`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`:          "Expected last role User or Tool",
		`{"messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}], "stop": []}`: "",
	} {
		status, answer := post(t, s, "/chat/completions", ask(keys), map[string]string{"Authorization": ""})
		if (status == http.StatusOK) != (want == "") || !strings.Contains(answer, want) || want != "" && !strings.Contains(answer, `"object":"error"`) {
			t.Errorf("%s: %d %s", keys, status, answer)
		}
	}
}

func TestVectors(t *testing.T) {
	s := openaitest.New(t)
	for body, want := range map[string]string{
		`{"model": "text-embedding-3-small", "input": ["a"]}`:                              `"object":"list"`,
		`{"model": "text-embedding-3-small", "input": ["a"], "encoding_format": "base64"}`: `"embedding":"A`,
		`{"model": "text-embedding-3-small", "input": ["a"], "dimensions": 2}`:             `"embedding":[`,
		`{"input": ["a"]}`:                                                                     "you must provide a model parameter",
		`{"model": "gpt-4.1", "input": ["a"]}`:                                                 "model_not_found",
		`{"model": "text-embedding-3-small", "input": []}`:                                     "is invalid",
		`{"model": "text-embedding-3-small", "input": [""]}`:                                   "is invalid",
		`{"model": "text-embedding-3-small", "inputs": ["a"]}`:                                 "Unrecognized request argument supplied: inputs",
		`{"model": "text-embedding-ada-002", "input": ["a"], "dimensions": 2}`:                 "does not support specifying dimensions",
		`{"model": "text-embedding-3-small", "input": ["a"], "dimensions": 0}`:                 "below minimum",
		`{"model": "text-embedding-3-small", "input": ["a"], "encoding_format": "x"}`:          "encoding_format",
		`{"model": "text-embedding-3-small", "input": ["` + strings.Repeat("a ", 8193) + `"]}`: "maximum context length",
	} {
		status, answer := post(t, s, "/embeddings", body, nil)
		if !strings.Contains(answer, want) || (status == http.StatusOK) == strings.Contains(answer, `"error"`) {
			t.Errorf("%.80s: %d %.200s", body, status, answer)
		}
	}
}

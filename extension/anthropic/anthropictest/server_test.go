package anthropictest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// post asks the server, with a key and a version unless header says otherwise.
func post(t *testing.T, s *anthropictest.Server, body string, header map[string]string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/messages", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", anthropictest.Key)
	r.Header.Set("Anthropic-Version", "2023-06-01")
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
	if err != nil || res.Header.Get("Request-Id") == "" {
		t.Errorf("it answers %v, with the id %q", err, res.Header.Get("Request-Id"))
	}
	return res.StatusCode, string(raw)
}

// ask returns a request with these keys beside, or in place of, those of one that is in order.
func ask(keys string) string {
	all := map[string]json.RawMessage{
		"model": json.RawMessage(`"claude-haiku-4-5"`), "max_tokens": json.RawMessage(`2000`), "stream": json.RawMessage(`true`),
		"messages": json.RawMessage(`[{"role": "user", "content": "count to 3"}]`),
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

func TestAnAnswer(t *testing.T) {
	s := anthropictest.New(t)
	status, answer := post(t, s, ask(`{}`), nil)
	var names []string
	for _, line := range strings.Split(answer, "\n") {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, name)
		}
	}
	want := "message_start ping content_block_start content_block_delta content_block_delta content_block_stop message_delta message_stop"
	if status != http.StatusOK || strings.Join(names, " ") != want || !strings.Contains(answer, `"stop_reason":"end_turn"`) {
		t.Errorf("it answers %d\n%s", status, answer)
	}
}

func TestWhoMayAsk(t *testing.T) {
	s := anthropictest.New(t)
	for name, c := range map[string]struct {
		header map[string]string
		body   string
		status int
		answer string
	}{
		"no key":          {map[string]string{"X-Api-Key": ""}, ask(`{}`), 401, `"type":"authentication_error"`},
		"a wrong key":     {map[string]string{"X-Api-Key": "sk"}, ask(`{}`), 401, `"message":"invalid x-api-key"`},
		"no version":      {map[string]string{"Anthropic-Version": ""}, ask(`{}`), 400, "anthropic-version"},
		"a new version":   {map[string]string{"Anthropic-Version": "2030-01-01"}, ask(`{}`), 400, "not a valid version"},
		"no JSON":         {nil, "{", 400, `"type":"invalid_request_error"`},
		"more than a lot": {nil, strings.Repeat(" ", 33<<20), 413, `"type":"request_too_large"`},
	} {
		if status, answer := post(t, s, c.body, c.header); status != c.status || !strings.Contains(answer, c.answer) || !strings.Contains(answer, `"request_id":"req_`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestRules(t *testing.T) {
	s := anthropictest.New(t)
	const (
		tool    = `"tools": [{"name": "look", "input_schema": {"type": "object"}}]`
		use     = `{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}`
		result  = `{"type": "tool_result", "tool_use_id": "toolu_1", "content": "blue"}`
		user    = `{"role": "user", "content": "1"}`
		budget  = `"thinking": {"type": "enabled", "budget_tokens": 1024}`
		newest  = `"model": "claude-opus-5-5"`
		marked  = `{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}`
		thought = `{"type": "thinking", "thinking": "Hm.", "signature": "mine"}`
	)
	for keys, want := range map[string]string{
		`{"max_tokens": null}`:                              "max_tokens: Field required",
		`{"max_tokens": 0}`:                                 "greater than or equal to 1",
		`{"max_tokens": 200000}`:                            "128000",
		`{"model": null}`:                                   "model: Field required",
		`{"model": "gpt"}`:                                  "not_found_error",
		`{"messages": []}`:                                  "at least one message",
		`{"stream": false}`:                                 "streams only",
		`{"more": 1}`:                                       "unknown field",
		`{"stop_sequences": [" "]}`:                         "non-whitespace",
		`{"system": ""}`:                                    "non-empty",
		`{"temperature": 1.1}`:                              "temperature",
		`{"temperature": 0.1, "top_p": 0.2}`:                "cannot both",
		`{"temperature": 1, ` + newest + `}`:                "not supported for this model",
		`{"tool_choice": {"type": "auto"}}`:                 "tool_choice",
		`{"tools": [{"name": "a b"}]}`:                      "name",
		`{"tools": [{"name": "look", "input_schema": {}}]}`: "input_schema.type",
		`{"tools": [{"name": "look", "input_schema": {"type": "object"}}, {"name": "look", "input_schema": {"type": "object"}}]}`: "unique",

		`{"messages": [{"role": "system", "content": "1"}]}`:                                                "role",
		`{"messages": [{"role": "assistant", "content": "1"}, ` + user + `]}`:                               "first message",
		`{"messages": [` + user + `, ` + user + `]}`:                                                        "alternate",
		`{"messages": [{"role": "user", "content": ""}]}`:                                                   "non-empty",
		`{"messages": [{"role": "user", "content": []}]}`:                                                   "non-empty content",
		`{"messages": [{"role": "user", "content": " "}]}`:                                                  "non-whitespace",
		`{"messages": [{"role": "user", "content": [` + use + `]}]}`:                                        "cannot be in a message of user",
		`{"messages": [` + user + `, {"role": "assistant", "content": "1 "}]}`:                              "trailing whitespace",
		`{"model": "claude-sonnet-4-6", "messages": [` + user + `, {"role": "assistant", "content": "1"}]}`: "prefill",
		`{` + budget + `, "messages": [` + user + `, {"role": "assistant", "content": "1"}]}`:               "prefill",

		`{` + tool + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}, ` + user + `]}`:                                                  "without `tool_result`",
		`{` + tool + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}]}`:                                                                "without `tool_result`",
		`{` + tool + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `, ` + use + `]}, {"role": "user", "content": [` + result + `]}]}`:    "unique",
		`{` + tool + `, "messages": [{"role": "user", "content": [` + result + `]}]}`:                                                                                "unexpected `tool_use_id`",
		`{` + tool + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}, {"role": "user", "content": [` + marked + `, ` + result + `]}]}`: "unexpected `tool_use_id`",
		`{"messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}, {"role": "user", "content": [` + result + `]}]}`:                               "must define tools",
		`{` + tool + `, ` + budget + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}, {"role": "user", "content": [` + result + `]}]}`: "Expected `thinking`",
		`{` + budget + `, "messages": [` + user + `, {"role": "assistant", "content": [` + thought + `, ` + marked + `]}, ` + user + `]}`:                            "Invalid `signature`",
		`{"messages": [` + user + `, {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "mine"}]}, ` + user + `]}`:                              "Invalid `data`",

		`{"thinking": {"type": "enabled", "budget_tokens": 1000}}`:       "1024",
		`{"thinking": {"type": "enabled", "budget_tokens": 2000}}`:       "must be greater",
		`{"thinking": {"type": "adaptive"}}`:                             "not supported on this model",
		`{` + budget + `, ` + newest + `}`:                               "adaptive",
		`{` + budget + `, "temperature": 0.5}`:                           "only be set to 1",
		`{` + budget + `, "top_k": 5}`:                                   "top_k",
		`{` + budget + `, "top_p": 0.5}`:                                 "0.95",
		`{` + budget + `, ` + tool + `, "tool_choice": {"type": "any"}}`: "forces tool use",
		`{"system": [` + strings.Repeat(marked+",", 4) + marked + `]}`:   "maximum of 4 blocks",
	} {
		if status, answer := post(t, s, ask(keys), nil); status < 400 || status >= 500 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", keys, status, answer)
		}
	}
	for _, keys := range []string{
		`{"messages": [` + user + `, {"role": "assistant", "content": "w1"}]}`, // the older models go on with it
		`{` + tool + `, "messages": [` + user + `, {"role": "assistant", "content": [` + use + `]}, {"role": "user", "content": [` + result + `]}]}`,
		`{` + budget + `, "temperature": 1, "system": "You are Nyx."}`, `{"thinking": {"type": "adaptive"}, ` + newest + `}`,
	} {
		if status, answer := post(t, s, ask(keys), nil); status != http.StatusOK {
			t.Errorf("%s: %d %s", keys, status, answer)
		}
	}
}

package openai_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestItKeepsThePromises(t *testing.T) {
	s := openaitest.New(t)
	sdktest.TestExtension(t, openai.Definition(), block(t, s, nil), sdktest.NewHost().Services())
}

func TestAStepOfAProcess(t *testing.T) {
	s := openaitest.New(t)
	x := sdktest.Exec(t, openai.Definition(), block(t, s, nil), sdktest.NewHost().Services())
	h := well(t, x, request(nil, user("count to 50")))
	if h.Text != openaitest.Counted(50) || h.Done.Stop != sdk.StopEnd || h.Done.Model != plain {
		t.Errorf("it says %q, %+v", h.Text, h.Done)
	}
}

func TestWhatItAsksAndHears(t *testing.T) {
	x, s := start(t, object{"headers": object{"OpenAI-Organization": "org-1"}})
	s.Script(openaitest.Reply{
		Content: "I look, and the sky is «blau».", CacheRead: 30, Reasoning: "Where do I look? At the sky.",
		Calls: []openaitest.Call{{ID: "call_1", Name: "look", Arguments: `{"at": "sky", "n": 12345678901234567890}`}, {ID: "call_2", Name: "wait"}},
	})
	r := request(sdk.Object{
		"temperature": 0.25, "topP": 0.5, "frequencyPenalty": 1, "presencePenalty": -1, "seed": 7, "stop": []string{"END"}, "parallelToolCalls": true,
	}, user("what is there?"))
	r.System, r.MaxTokens = "You are Nyx.", 77
	r.Tools = []sdk.Tool{
		{Name: "look", Description: "Looks.", InputSchema: json.RawMessage(`{"type": "object", "properties": {"n": {"maximum": 12345678901234567890}}}`)},
		{Name: "wait", InputSchema: json.RawMessage(`{"additionalProperties": false}`)},
	}
	h := well(t, x, r)
	if h.Text != "I look, and the sky is «blau»." || h.Thought != "" {
		t.Errorf("it says %q and thinks %q", h.Text, h.Thought)
	}
	if len(h.Calls) != 2 || h.Calls[0].ID != "call_1" || h.Calls[0].Input["n"] != json.Number("12345678901234567890") || h.Calls[1].Name != "wait" || len(h.Calls[1].Input) != 0 {
		t.Errorf("it calls %+v", h.Calls)
	}
	u := h.Done.Usage
	if h.Done.Stop != sdk.StopCalls || h.Done.Model != plain || h.Done.State != nil || u.CachedTokens != 30 || u.InputTokens <= 30 || u.OutputTokens < 10 || u.ReasoningTokens != 7 {
		t.Errorf("it ends with %+v", h.Done)
	}

	asked := s.Requests()[0]
	if asked.Header.Get("Openai-Organization") != "org-1" || !strings.HasPrefix(asked.Header.Get("User-Agent"), "OpenAI/Go") {
		t.Errorf("the headers are %v", asked.Header)
	}
	if asked.Messages[0].Role != "system" || asked.Messages[0].Text() != "You are Nyx." || *asked.MaxCompletionTokens != 77 || asked.ToolChoice != nil ||
		*asked.Temperature != 0.25 || *asked.TopP != 0.5 || *asked.FrequencyPenalty != 1 || *asked.PresencePenalty != -1 || *asked.Seed != 7 ||
		!slices.Equal(asked.Stop, []string{"END"}) || !*asked.ParallelToolCalls || !asked.StreamOptions.IncludeUsage {
		t.Errorf("it asks %+v", asked)
	}
	shape := string(asked.Tools[0].Function.Parameters)
	if asked.Tools[0].Function.Description != "Looks." || !strings.Contains(shape, "12345678901234567890") {
		t.Errorf("its tools are %+v, with %s", asked.Tools, shape)
	}
}

func TestReasoningModels(t *testing.T) {
	x, s := start(t, object{"model": reason, "maxTokens": 500})
	well(t, x, request(sdk.Object{"reasoningEffort": "minimal", "verbosity": "low"}, user("2")))
	if asked := s.Requests()[0]; asked.ReasoningEffort != "minimal" || asked.Verbosity != "low" || *asked.MaxCompletionTokens != 500 || asked.MaxTokens != nil {
		t.Errorf("it asks %+v", asked)
	}
	wrong(t, x, request(sdk.Object{"temperature": 0.5}, user("2")), schema.CodeInvalidArgument, "Only the default (1) value is supported")
}

func TestStops(t *testing.T) {
	x, s := start(t, nil)
	for stop, want := range map[string]schema.StopReason{
		"stop": sdk.StopEnd, "length": sdk.StopLength, "content_filter": sdk.StopFilter, "of_tomorrow": sdk.StopEnd,
	} {
		reply := openaitest.Reply{Content: "so", Stop: stop}
		if want != sdk.StopEnd {
			reply.Calls = []openaitest.Call{{ID: "call_1", Name: "look", Arguments: `{"at": "sk`}} // cut off
		}
		s.Script(reply)
		if h := well(t, x, request(nil, user("?"))); h.Done.Stop != want || len(h.Calls) > 0 || h.Text != "so" {
			t.Errorf("%s is %+v with %v", stop, h.Done, h.Calls)
		}
	}
}

// TestWhatServersTake: the stand-in holds every request to the rules of OpenAI, and to those of models whose templates are strict.
func TestWhatServersTake(t *testing.T) {
	s := openaitest.New(t)
	s.Habits.TakesTurns = true
	x := sdktest.Start(t, openai.Definition(), block(t, s, nil), sdktest.NewHost().Services())
	long := strings.Repeat("x", 41)
	for name, c := range map[string]struct {
		messages []sdk.ThinkMessage
		want     string // what the server sees
	}{
		"one":                  {[]sdk.ThinkMessage{user("2")}, "user(2)"},
		"the agent first":      {[]sdk.ThinkMessage{agent("Hello!"), user("2")}, "user((The conversation begins with what you say.)) assistant(Hello!) user(2)"},
		"neighbours":           {[]sdk.ThinkMessage{user("1"), user("2"), agent("a"), agent("b"), user("2")}, "user(1 2) assistant(a b) user(2)"},
		"empty ones":           {[]sdk.ThinkMessage{user("1"), agent(""), user(" \n"), agent(" "), user("2")}, "user(1 (nothing) 2)"},
		"an empty last one":    {[]sdk.ThinkMessage{user("1"), agent("a"), user("")}, "user(1) assistant(a) user((nothing))"},
		"cut off before it":    {[]sdk.ThinkMessage{user("1"), agent(" ")}, "user(1)"},
		"cut off after words":  {[]sdk.ThinkMessage{user("1"), agent("a"), agent(" ")}, "user(1) assistant(a) user((nothing))"},
		"words, and calls":     {[]sdk.ThinkMessage{user("1"), agent("a"), calling("b", sdk.ToolCall{ID: "x", Name: "look"}), results(sdk.ToolResult{CallID: "x", Output: "X"})}, "user(1) assistant(a b|x{}) tool(x:X)"},
		"calls, and no words":  {[]sdk.ThinkMessage{user("1"), agent("a"), calling("", sdk.ToolCall{ID: "x", Name: "look"}), results(sdk.ToolResult{CallID: "x", Output: "X"})}, "user(1) assistant(a |x{}) tool(x:X)"},
		"after results, empty": {[]sdk.ThinkMessage{user("1"), calling("", sdk.ToolCall{ID: "x", Name: "look"}), results(sdk.ToolResult{CallID: "x", Output: "X"}), agent("")}, "user(1) assistant(|x{}) tool(x:X)"},
		"results": {[]sdk.ThinkMessage{user("1"), calling("a", sdk.ToolCall{ID: "x", Name: "look"}, sdk.ToolCall{ID: "y", Name: "look", Input: sdk.Object{"a": 1}}),
			results(sdk.ToolResult{CallID: "y", Output: "Y"}, sdk.ToolResult{CallID: "x", Failed: true}), user("3")},
			`user(1) assistant(a|x{}|y{"a":1}) tool(x:It failed: (nothing)) tool(y:Y) user(3)`},
		"calls of others": {[]sdk.ThinkMessage{user("1"), calling("", sdk.ToolCall{ID: "", Name: "look"}, sdk.ToolCall{ID: "a b", Name: "look"}, sdk.ToolCall{ID: long, Name: "look"}),
			results(sdk.ToolResult{CallID: "a b", Output: "2"}, sdk.ToolResult{CallID: "", Output: "1"}, sdk.ToolResult{CallID: long, Output: "3"}),
			calling("", sdk.ToolCall{ID: "functions.look:0", Name: "look"}), results(sdk.ToolResult{CallID: "functions.look:0", Output: "4"}),
			calling("", sdk.ToolCall{ID: "functions.look:0", Name: "look"}), results(sdk.ToolResult{CallID: "functions.look:0", Output: "5"})},
			"user(1) assistant(|call00000{}|call00001{}|call00002{}) tool(call00000:1) tool(call00001:2) tool(call00002:3) " +
				"assistant(|functions.look:0{}) tool(functions.look:0:4) assistant(|call00004{}) tool(call00004:5)"},
	} {
		for _, tools := range [][]sdk.Tool{nil, look()} {
			r := request(nil, c.messages...)
			r.Tools = tools
			well(t, x, r)
			asked := s.Requests()
			if got := outline(asked[len(asked)-1]); got != c.want {
				t.Errorf("%s: the server sees %s, not %s", name, got, c.want)
			}
		}
	}
	unanswered := []sdk.ThinkMessage{user("1"), calling("", sdk.ToolCall{ID: "x", Name: "look"}), user("2")}
	wrong(t, x, request(nil, unanswered...), schema.CodeInvalidArgument, "number 2: the calls have no results")
	unanswered[2] = results(sdk.ToolResult{CallID: "y"})
	wrong(t, x, request(nil, unanswered...), schema.CodeInvalidArgument, `number 2: the call "x" of look has no result`)
}

// outline returns the messages of a request in one line.
func outline(r openaitest.Request) string {
	var all []string
	for _, m := range r.Messages {
		s := strings.Join(strings.Split(m.Text(), "\n\n"), " ")
		if m.ToolCallID != "" {
			s = m.ToolCallID + ":" + s
		}
		for _, c := range m.ToolCalls {
			s += "|" + c.ID + c.Function.Arguments
		}
		all = append(all, m.Role+"("+s+")")
	}
	return strings.Join(all, " ")
}

func TestToolChoice(t *testing.T) {
	x, s := start(t, nil)
	first := []sdk.ThinkMessage{user("1")}
	later := append(first, calling("", sdk.ToolCall{ID: "x", Name: "look"}), results(sdk.ToolResult{CallID: "x"}))
	for _, c := range []struct {
		choice   string
		messages []sdk.ThinkMessage
		tools    []sdk.Tool
		want     string
	}{
		{"required", first, look(), `"required"`}, {"required", later, look(), ""}, {"required", first, nil, ""}, {"auto", first, look(), ""},
		{"none", first, look(), `"none"`}, {"none", first, nil, ""}, {"auto", later, nil, ""},
	} {
		r := request(sdk.Object{"toolChoice": c.choice, "parallelToolCalls": false}, c.messages...)
		r.Tools = c.tools
		well(t, x, r)
		asked := s.Requests()
		if got := string(asked[len(asked)-1].ToolChoice); got != c.want {
			t.Errorf("%q with %d tools after %d messages is %q", c.choice, len(c.tools), len(c.messages), got)
		}
	}
}

// TestItGoesOnWhereItWasCut, at every byte.
func TestItGoesOnWhereItWasCut(t *testing.T) {
	x, s := start(t, nil)
	whole := openaitest.Counted(20)
	for cut := 0; cut <= len(whole); cut++ {
		said := whole[:cut]
		h := well(t, x, request(sdk.Object{"model": []string{plain, reason}[cut%2]}, user("count to 20"), agent(said)))
		if got := said + h.Text; got != whole {
			t.Errorf("cut at %d, it becomes %q", cut, got)
		}
	}
	// A model that only goes on, as it was not asked to, is let.
	s.Script(openaitest.Say(" and wild"))
	if h := well(t, x, request(nil, user("?"), agent("The sea is wide"))); h.Text != " and wild" {
		t.Errorf("it says %q", h.Text)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	x, s := start(t, object{"model": ""})
	for options, want := range map[string]string{
		`{}`:                                     "name one here, or for all agents in extensions.openai.model",
		`{"model": "m", "stop": ["a", ""]}`:      "/brain/stop/1",
		`{"model": "m", "temperature": 2.5}`:     "/brain/temperature",
		`{"model": "m", "temprature": 1}`:        "temprature",
		`{"model": "m", "reasoningEffort": "x"}`: "/brain/reasoningEffort",
		`{"model": "m", "extra": {"n": 3}}`:      "/brain/extra/n",
	} {
		var o sdk.Object
		if err := json.Unmarshal([]byte(options), &o); err != nil {
			t.Fatal(err)
		}
		wrong(t, x, request(o, user("1")), schema.CodeInvalidArgument, "the options of the brain do not fit: ")
		if h := wrong(t, x, request(o, user("1")), schema.CodeInvalidArgument, want); len(h.Err.Fields) == 0 {
			t.Errorf("%s: it does not say which option", options)
		}
	}
	if len(s.Requests()) > 0 {
		t.Error("the server was asked")
	}
}

func TestConfiguration(t *testing.T) {
	for config, want := range map[string]string{
		`{"apiKey": "k"}`:                          "",
		`{"baseUrl": "http://localhost:11434/v1"}`: "",
		`{"baseUrl": "http://localhost:11434"}`:    "warning /baseUrl",
		`{}`:                                       "error /apiKey",
		`{"apiKey": " k"}`:                         "error /apiKey",
		`{"apiKey": "k", "baseUrl": "api.openai.com"}`:                      "error /baseUrl",
		`{"apiKey": "k", "baseUrl": "https://a.example/v1?x=1"}`:            "error /baseUrl",
		`{"apiKey": "k", "baseUrl": "https://a.example/v1/"}`:               "",
		`{"apiKey": "k", "baseUrl": "https://a.example/chat/completions/"}`: "error /baseUrl",
		`{"apiKey": "k", "baseUrl": "http://a.example/v1"}`:                 "warning /baseUrl",
		`{"apiKey": "k", "headers": {"a b": "c"}}`:                          "error /headers/a b",
		`{"apiKey": "k", "maxTokens": -1}`:                                  "error /maxTokens",
		`{"apiKey": "k", "maxTokensKey": "most"}`:                           "error /maxTokensKey",
		`{"apiKey": "k", "modell": "x"}`:                                    "error /modell",
	} {
		problems := sdktest.Check(t, openai.Definition(), config)
		got := ""
		if len(problems) > 0 {
			got = fmt.Sprint(problems[0].Severity, " ", problems[0].Pointer)
		}
		if got != want || len(problems) > 1 {
			t.Errorf("%s: %+v", config, problems)
		}
	}
}

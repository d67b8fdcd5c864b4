package anthropic_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/extension/anthropic"
	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestItKeepsThePromises(t *testing.T) {
	s := anthropictest.New(t)
	sdktest.TestExtension(t, anthropic.Definition(), block(t, s, nil), sdktest.NewHost().Services())
}

func TestAStepOfAProcess(t *testing.T) {
	s := anthropictest.New(t)
	x := sdktest.Exec(t, anthropic.Definition(), block(t, s, nil), sdktest.NewHost().Services())
	h := well(t, x, request(nil, user("count to 50")))
	if h.Text != anthropictest.Counted(50) || h.Done.Stop != sdk.StopEnd || h.Done.Model != old {
		t.Errorf("it says %q, %+v", h.Text, h.Done)
	}
}

func TestWhatItAsksAndHears(t *testing.T) {
	x, s := start(t, object{"headers": object{"anthropic-beta": "some-2030-01-01"}})
	s.Script(anthropictest.Reply{
		Content: []anthropictest.Block{
			anthropictest.Text("I look, and the sky is «blau»."), anthropictest.Call("toolu_1", "look", `{"at": "sky", "n": 12345678901234567890}`),
			anthropictest.Call("toolu_2", "wait", ``),
		},
		CacheRead: 30, CacheWritten: 200,
	})
	r := request(sdk.Object{"temperature": 0.25, "stop": []string{"END"}}, user("what is there?"))
	r.System, r.MaxTokens = "You are Nyx.", 77
	r.Tools = []sdk.Tool{
		{Name: "look", Description: "Looks.", InputSchema: json.RawMessage(`{"type": "object", "properties": {"at": {"type": "string"}}}`)},
		{Name: "wait", InputSchema: json.RawMessage(`{"additionalProperties": false}`)},
	}
	h := well(t, x, r)
	if h.Text != "I look, and the sky is «blau»." || h.Thought != "" {
		t.Errorf("it says %q and thinks %q", h.Text, h.Thought)
	}
	if len(h.Calls) != 2 || h.Calls[0].ID != "toolu_1" || h.Calls[0].Input["n"] != json.Number("12345678901234567890") || h.Calls[1].Name != "wait" || len(h.Calls[1].Input) != 0 {
		t.Errorf("it calls %+v", h.Calls)
	}
	u := h.Done.Usage
	if h.Done.Stop != sdk.StopCalls || h.Done.Model != old || h.Done.State != nil || u.CachedTokens != 30 || u.InputTokens <= 230 || u.OutputTokens < 10 {
		t.Errorf("it ends with %+v", h.Done)
	}

	asked := s.Requests()[0]
	if asked.Header.Get("Anthropic-Beta") != "some-2030-01-01" || !strings.HasPrefix(asked.Header.Get("User-Agent"), "Anthropic/Go") {
		t.Errorf("the headers are %v", asked.Header)
	}
	if asked.System.Text() != "You are Nyx." || *asked.MaxTokens != 77 || *asked.Temperature != 0.25 || !slices.Equal(asked.StopSequences, []string{"END"}) || asked.ToolChoice != nil || asked.Thinking != nil {
		t.Errorf("it asks %+v", asked)
	}
	if asked.Tools[0].Description != "Looks." || asked.Tools[0].CacheControl != nil || asked.Tools[1].CacheControl == nil || asked.System[0].CacheControl == nil || asked.Messages[0].Content[0].CacheControl == nil {
		t.Errorf("the prefixes are marked in %+v, %+v, %+v", asked.Tools, asked.System, asked.Messages)
	}
}

func TestWithoutCaching(t *testing.T) {
	x, s := start(t, object{"promptCaching": false, "maxTokens": 500})
	r := request(sdk.Object{"model": newer, "topK": 3}, user("2"))
	r.System = "You are Nyx."
	r.Tools = []sdk.Tool{{Name: "look", InputSchema: json.RawMessage(`{}`)}}
	well(t, x, r)
	asked := s.Requests()[0]
	if asked.Tools[0].CacheControl != nil || asked.System[0].CacheControl != nil || asked.Messages[0].Content[0].CacheControl != nil || *asked.MaxTokens != 500 || *asked.TopK != 3 || asked.Model != newer {
		t.Errorf("it asks %+v", asked)
	}
}

func TestStops(t *testing.T) {
	x, s := start(t, nil)
	text, cut := anthropictest.Text("so"), anthropictest.Call("toolu_1", "look", `{"at": "sk`)
	for stop, want := range map[string]sdk.ThinkDone{
		"end_turn": {Stop: sdk.StopEnd}, "stop_sequence": {Stop: sdk.StopEnd}, "max_tokens": {Stop: sdk.StopLength},
		"model_context_window_exceeded": {Stop: sdk.StopLength}, "refusal": {Stop: sdk.StopFilter}, "of_tomorrow": {Stop: sdk.StopEnd},
	} {
		content := []anthropictest.Block{text}
		if want.Stop != sdk.StopEnd {
			content = append(content, cut)
		}
		s.Script(anthropictest.Reply{Content: content, Stop: stop})
		if h := well(t, x, request(nil, user("?"))); h.Done.Stop != want.Stop || len(h.Calls) > 0 || h.Text != "so" {
			t.Errorf("%s is %+v with %v", stop, h.Done, h.Calls)
		}
	}
}

func TestAPauseIsNoEnd(t *testing.T) {
	x, s := start(t, nil)
	s.Script(
		anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text("One, ")}, Stop: "pause_turn"},
		anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text("two.")}},
	)
	h := well(t, x, request(nil, user("count")))
	asked := s.Requests()
	if h.Text != "One, two." || h.Done.Stop != sdk.StopEnd || len(asked) != 2 || asked[1].Messages[1].Content.Text() != "One, " {
		t.Errorf("it says %q, %+v; the last it was asked is %+v", h.Text, h.Done, asked[len(asked)-1].Messages)
	}
}

// TestWhatTheAPITakes: the stand-in holds every request to the rules of the API.
func TestWhatTheAPITakes(t *testing.T) {
	x, s := start(t, nil)
	look := sdk.Tool{Name: "look", InputSchema: json.RawMessage(`{"type": "object"}`)}
	for name, c := range map[string]struct {
		messages []sdk.ThinkMessage
		want     string // roles and blocks that the API sees
	}{
		"one":                  {[]sdk.ThinkMessage{user("2")}, "user(text)"},
		"the agent first":      {[]sdk.ThinkMessage{agent("Hello!"), user("2")}, "user(text) assistant(text) user(text)"},
		"neighbours":           {[]sdk.ThinkMessage{user("1"), user("2"), agent("a"), agent("b"), user("2")}, "user(text text) assistant(text text) user(text)"},
		"empty ones":           {[]sdk.ThinkMessage{user("1"), agent(""), user(" \n"), agent(" "), user("2")}, "user(text text text)"},
		"an empty last one":    {[]sdk.ThinkMessage{user("1"), agent("a"), user("")}, "user(text) assistant(text) user(text)"},
		"cut off before it":    {[]sdk.ThinkMessage{user("1"), agent(" ")}, "user(text)"},
		"the agent alone, cut": {[]sdk.ThinkMessage{agent("w1")}, "user(text) assistant(text) user(text)"},
		"results": {[]sdk.ThinkMessage{user("1"), calling("a", sdk.ToolCall{ID: "x", Name: "look"}, sdk.ToolCall{ID: "y", Name: "look", Input: sdk.Object{"a": 1}}),
			results(sdk.ToolResult{CallID: "y", Output: "Y"}, sdk.ToolResult{CallID: "x", Failed: true}), user("3")},
			"user(text) assistant(text tool_use:x tool_use:y) user(tool_result:x! tool_result:y text)"},
		"calls of others": {[]sdk.ThinkMessage{user("1"), calling("", sdk.ToolCall{ID: "", Name: "look"}, sdk.ToolCall{ID: "a.b|c", Name: "look"}),
			results(sdk.ToolResult{CallID: "a.b|c", Output: "2"}, sdk.ToolResult{CallID: "", Output: "1"}),
			calling("", sdk.ToolCall{ID: "z", Name: "look"}), results(sdk.ToolResult{CallID: "z"}), calling("", sdk.ToolCall{ID: "z", Name: "look"}), results(sdk.ToolResult{CallID: "z"})},
			"user(text) assistant(tool_use:call_0 tool_use:call_1) user(tool_result:call_0 tool_result:call_1) " +
				"assistant(tool_use:z) user(tool_result:z) assistant(tool_use:call_3) user(tool_result:call_3)"},
	} {
		for _, tools := range [][]sdk.Tool{nil, {look}} {
			r := request(nil, c.messages...)
			r.Tools = tools
			well(t, x, r)
			asked := s.Requests()
			if got := outline(asked[len(asked)-1]); got != c.want {
				t.Errorf("%s: the API sees %s, not %s", name, got, c.want)
			}
		}
	}
	unanswered := []sdk.ThinkMessage{user("1"), calling("", sdk.ToolCall{ID: "x", Name: "look"}), user("2")}
	wrong(t, x, request(nil, unanswered...), schema.CodeInvalidArgument, "number 2: the calls have no results")
	unanswered[2] = results(sdk.ToolResult{CallID: "y"})
	wrong(t, x, request(nil, unanswered...), schema.CodeInvalidArgument, `number 2: the call "x" of look has no result`)
}

// outline returns the shape of the messages of a request.
func outline(r anthropictest.Request) string {
	var all []string
	for _, m := range r.Messages {
		var blocks []string
		for _, b := range m.Content {
			s := b.Type
			if id := b.ID + b.ToolUseID; id != "" {
				s += ":" + id
			}
			if b.IsError {
				s += "!"
			}
			blocks = append(blocks, s)
		}
		all = append(all, m.Role+"("+strings.Join(blocks, " ")+")")
	}
	return strings.Join(all, " ")
}

func TestToolChoice(t *testing.T) {
	x, s := start(t, nil)
	first := []sdk.ThinkMessage{user("1")}
	later := append(first, calling("", sdk.ToolCall{ID: "x", Name: "look"}), results(sdk.ToolResult{CallID: "x"}))
	look := []sdk.Tool{{Name: "look", InputSchema: json.RawMessage(`{"type": "object"}`)}}
	for _, c := range []struct {
		choice   string
		messages []sdk.ThinkMessage
		tools    []sdk.Tool
		want     string
	}{
		{"any", first, look, "any"}, {"any", later, look, ""}, {"any", first, nil, ""}, {"auto", first, look, ""},
		{"none", first, look, "none"}, {"none", first, nil, ""}, {"auto", later, nil, "none"},
	} {
		r := request(sdk.Object{"toolChoice": c.choice}, c.messages...)
		r.Tools = c.tools
		well(t, x, r)
		asked := s.Requests()
		got := ""
		if last := asked[len(asked)-1]; last.ToolChoice != nil {
			got = last.ToolChoice.Type
		}
		if got != c.want {
			t.Errorf("%q with %d tools after %d messages is %q", c.choice, len(c.tools), len(c.messages), got)
		}
	}
}

// TestItGoesOnWhereItWasCut, at every byte and with every generation of models.
func TestItGoesOnWhereItWasCut(t *testing.T) {
	x, s := start(t, nil)
	whole := anthropictest.Counted(20)
	for cut := 0; cut <= len(whole); cut++ {
		said := whole[:cut]
		h := well(t, x, request(sdk.Object{"model": []string{old, newer, fresh}[cut%3]}, user("count to 20"), agent(said)))
		if got := said + h.Text; got != whole {
			t.Errorf("cut at %d, it becomes %q", cut, got)
		}
	}
	// A model that only goes on, as it was not asked to, is let.
	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Text(" and wild")}})
	if h := well(t, x, request(nil, user("?"), agent("The sea is wide"))); h.Text != " and wild" {
		t.Errorf("it says %q", h.Text)
	}
}

func TestThinkingWithTools(t *testing.T) {
	for _, c := range []struct {
		model    string
		thinking sdk.Object
		want     string
	}{
		{old, sdk.Object{"budgetTokens": 2000}, "enabled 2000 "}, {newer, sdk.Object{"mode": "budget", "budgetTokens": 1024}, "enabled 1024 "},
		{newer, sdk.Object{"mode": "adaptive"}, "adaptive 0 summarized"}, {fresh, sdk.Object{"mode": "adaptive"}, "adaptive 0 summarized"}, {fresh, sdk.Object{}, ""},
	} {
		t.Run(c.model+fmt.Sprint(c.thinking), func(t *testing.T) {
			x, s := start(t, nil)
			s.Script(
				anthropictest.Reply{Content: []anthropictest.Block{
					anthropictest.Thought("The user wants the sky <&>."), anthropictest.Redacted(), anthropictest.Text("I look."), anthropictest.Call("toolu_1", "look", `{"at":"sky"}`),
				}},
				anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Thought(""), anthropictest.Call("toolu_2", "look", `{"at":"sea"}`)}},
			)
			r := request(sdk.Object{"model": c.model, "thinking": c.thinking}, user("look"))
			r.Tools = []sdk.Tool{{Name: "look", InputSchema: json.RawMessage(`{"type": "object"}`)}}
			h := well(t, x, r)
			if h.Thought != "The user wants the sky <&>." || h.Text != "I look." || h.Done.Usage.ReasoningTokens == 0 || h.Done.State == nil {
				t.Fatalf("it thinks %q, says %q, and ends with %+v", h.Thought, h.Text, h.Done)
			}
			r.Messages = append(r.Messages, h.Message(), results(sdk.ToolResult{CallID: "toolu_1", Output: "blue"}))
			h = well(t, x, r)
			r.Messages = append(r.Messages, h.Message(), results(sdk.ToolResult{CallID: "toolu_2", Output: "grey"}))
			well(t, x, r)
			asked := s.Requests()
			want := "user(text) assistant(thinking redacted_thinking text tool_use:toolu_1) user(tool_result:toolu_1) assistant(thinking tool_use:toolu_2) user(tool_result:toolu_2)"
			if got := outline(asked[2]); got != want {
				t.Errorf("the API sees %s", got)
			}
			got := ""
			if th := asked[2].Thinking; th != nil {
				got = fmt.Sprint(th.Type, " ", th.BudgetTokens, " ", th.Display)
			}
			if got != c.want {
				t.Errorf("it thinks as %q, not %q", got, c.want)
			}
			// Off: nothing of it goes back.
			r.Options["thinking"] = sdk.Object{"mode": "off"}
			well(t, x, r)
			if got := outline(s.Requests()[3]); strings.Contains(got, "thinking") {
				t.Errorf("when it does not think any more, the API sees %s", got)
			}
		})
	}
}

// TestABudgetGivesWay where the API would refuse it: the step is taken without.
func TestABudgetGivesWay(t *testing.T) {
	x, s := start(t, nil)
	s.Script(anthropictest.Reply{Content: []anthropictest.Block{anthropictest.Thought("Hm."), anthropictest.Text("I look."), anthropictest.Call("toolu_1", "look", `{}`)}})
	options := sdk.Object{"thinking": sdk.Object{"budgetTokens": 1024}}
	first := well(t, x, request(options, user("look"))).Message()
	result := results(sdk.ToolResult{CallID: "toolu_1"})
	forged := first
	forged.Text = "I do not look."
	foreign := first
	foreign.State = nil
	for name, c := range map[string]struct {
		messages []sdk.ThinkMessage
		limit    int
		model    string
		thinks   bool
	}{
		"its own":               {[]sdk.ThinkMessage{user("look"), first, result}, 0, "", true},
		"of somebody else":      {[]sdk.ThinkMessage{user("look"), foreign, result}, 0, "", false},
		"of another model":      {[]sdk.ThinkMessage{user("look"), first, result}, 0, newer, false},
		"not what it said":      {[]sdk.ThinkMessage{user("look"), forged, result}, 0, "", false},
		"of a turn before":      {[]sdk.ThinkMessage{user("look"), foreign, result, user("2")}, 0, "", true},
		"cut off in the middle": {[]sdk.ThinkMessage{user("look"), foreign, result, agent("w1")}, 0, "", true},
		"a short answer":        {[]sdk.ThinkMessage{user("look")}, 1024, "", false},
		"a longer answer":       {[]sdk.ThinkMessage{user("look")}, 1025, "", true},
	} {
		o := sdk.Object{"thinking": sdk.Object{"budgetTokens": 1024}}
		if c.model != "" {
			o["model"] = c.model
		}
		r := request(o, c.messages...)
		r.MaxTokens = c.limit
		well(t, x, r)
		asked := s.Requests()
		if got := asked[len(asked)-1].Thinking.Type == "enabled"; got != c.thinks {
			t.Errorf("%s: it thinks: %v", name, got)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	x, s := start(t, object{"maxTokens": 4000})
	for options, want := range map[string]string{
		`{"thinking": {"mode": "budget"}}`:                                  "/brain/thinking/budgetTokens",
		`{"thinking": {"budgetTokens": 4000}}`:                              "4000 is not less than maxTokens, which is 4000",
		`{"thinking": {"budgetTokens": 2000}, "maxTokens": 1500}`:           "2000 is not less than maxTokens, which is 1500",
		`{"thinking": {"budgetTokens": 100}}`:                               "1024",
		`{"thinking": {"mode": "off", "budgetTokens": 2000}}`:               "/brain/thinking/budgetTokens",
		`{"thinking": {"mode": "adaptive"}, "temperature": 0.5}`:            "/brain/temperature",
		`{"thinking": {"budgetTokens": 2000}, "topK": 4}`:                   "/brain/topK",
		`{"thinking": {"budgetTokens": 2000}, "topP": 0.5}`:                 "/brain/topP",
		`{"thinking": {"budgetTokens": 2000}, "toolChoice": "any"}`:         "/brain/toolChoice",
		`{"stop": ["a", " "]}`:                                              "/brain/stop/1",
		`{"temperature": 1.5}`:                                              "/brain/temperature",
		`{"temprature": 1}`:                                                 "temperature",
		`{"effort": "huge"}`:                                                "/brain/effort",
		`{"thinking": {"mode": "budget", "budgetTokens": 2000, "more": 1}}`: "more",
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
	well(t, x, request(sdk.Object{"thinking": sdk.Object{"mode": "adaptive"}, "effort": "low", "model": fresh}, user("1")))
	if asked := s.Requests()[0]; asked.OutputConfig == nil || asked.OutputConfig.Effort != "low" {
		t.Errorf("it asks %+v", asked)
	}
}

func TestConfiguration(t *testing.T) {
	for config, want := range map[string]string{
		`{"apiKey": "k"}`: "",
		`{"baseUrl": "https://claude.example.com"}`: "",
		`{}`:               "/apiKey",
		`{"apiKey": " k"}`: "/apiKey",
		`{"apiKey": "k", "baseUrl": "api.anthropic.com"}`:         "/baseUrl",
		`{"apiKey": "k", "baseUrl": "https://example.com/v1/"}`:   "/baseUrl",
		`{"apiKey": "k", "baseUrl": "http://claude.example.com"}`: "/baseUrl",
		`{"apiKey": "k", "headers": {"a b": "c"}}`:                "/headers/a b",
		`{"apiKey": "k", "maxTokens": 0}`:                         "/maxTokens",
		`{"apiKey": "k", "modell": "x"}`:                          "/modell",
	} {
		problems := sdktest.Check(t, anthropic.Definition(), config)
		got := ""
		if len(problems) > 0 {
			got = problems[0].Pointer
		}
		if got != want || len(problems) > 1 {
			t.Errorf("%s: %+v", config, problems)
		}
	}
}

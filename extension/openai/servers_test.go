package openai_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// startLike returns a stand-in with the habits, and the extension that asks it, without a key and with no key that OpenAI alone knows.
func startLike(t *testing.T, h openaitest.Habits, more object) (*sdktest.Running, *openaitest.Server) {
	t.Helper()
	s := openaitest.New(t)
	h.Open, h.AnyModel, h.OldLimit, h.TakesTurns = true, true, true, true
	s.Habits = h
	all := object{"apiKey": "", "maxTokensKey": "max_tokens", "model": "llama3.2", "embeddingModel": "nomic-embed-text"}
	for k, v := range more {
		all[k] = v
	}
	return sdktest.Start(t, openai.Definition(), block(t, s, all), sdktest.NewHost().Services()), s
}

// TestCallsOfServers: however a server writes its calls, they are the same.
func TestCallsOfServers(t *testing.T) {
	for name, h := range map[string]openaitest.Habits{
		"OpenAI":                    {},
		"whole":                     {WholeCalls: true, StopsForAll: true},
		"whole objects":             {WholeCalls: true, Objects: true},
		"whole, with one index":     {WholeCalls: true, SameIndex: true},
		"whole, without indices":    {WholeCalls: true, NoIndices: true},
		"whole, without ids":        {WholeCalls: true, NoCallIDs: true},
		"whole, and neither":        {WholeCalls: true, NoIndices: true, NoCallIDs: true},
		"without ids":               {NoCallIDs: true},
		"without indices":           {NoIndices: true},
		"without either":            {NoIndices: true, NoCallIDs: true},
		"with one index":            {SameIndex: true},
		"with one index and no ids": {SameIndex: true, NoCallIDs: true},
		"names again":               {RepeatsNames: true},
		"ids again":                 {RepeatsIDs: true},
		"both again":                {RepeatsNames: true, RepeatsIDs: true, SameIndex: true},
		"names again, no ids":       {RepeatsNames: true, NoCallIDs: true},
	} {
		t.Run(name, func(t *testing.T) {
			x, s := startLike(t, h, nil)
			s.Script(openaitest.Reply{Content: "I look.", Calls: []openaitest.Call{
				{ID: "a", Name: "look", Arguments: `{"at":"sky"}`}, {ID: "b", Name: "look", Arguments: `{"at":"sea"}`}, {ID: "c", Name: "wait", Arguments: `{}`},
			}})
			r := request(nil, user("?"))
			r.Tools = append(look(), sdk.Tool{Name: "wait", InputSchema: json.RawMessage(`{}`)})
			got := well(t, x, r)
			var names, ids []string
			for _, c := range got.Calls {
				at, _ := c.Input["at"].(string)
				names, ids = append(names, c.Name+" "+at), append(ids, c.ID)
			}
			if got.Text != "I look." || got.Done.Stop != sdk.StopCalls || !slices.Equal(names, []string{"look sky", "look sea", "wait "}) {
				t.Errorf("it says %q, calls %q, and ends with %s", got.Text, names, got.Done.Stop)
			}
			want := []string{"a", "b", "c"}
			if h.NoCallIDs {
				want = []string{"call00000", "call00001", "call00002"}
			}
			if !slices.Equal(ids, want) {
				t.Errorf("the ids are %q", ids)
			}
			r.Messages = append(r.Messages, got.Message(),
				results(sdk.ToolResult{CallID: ids[0], Output: "blue"}, sdk.ToolResult{CallID: ids[1], Output: "grey"}, sdk.ToolResult{CallID: ids[2], Output: "so"}))
			well(t, x, r)
		})
	}
}

// TestTwoCallsWithOneID are two.
func TestTwoCallsWithOneID(t *testing.T) {
	x, s := startLike(t, openaitest.Habits{WholeCalls: true}, nil)
	s.Script(openaitest.Reply{Calls: []openaitest.Call{{ID: "a", Name: "look", Arguments: `"{\"at\":\"sky\"}"`}, {ID: "a", Name: "look", Arguments: "null"}}})
	h := well(t, x, request(nil, user("?")))
	if len(h.Calls) != 2 || h.Calls[0].ID == h.Calls[1].ID || h.Calls[0].Input["at"] != "sky" || len(h.Calls[1].Input) != 0 {
		t.Errorf("it calls %+v", h.Calls)
	}
}

// TestReasoningOfServers is a thought, and goes back to who has thought it while the turn goes on.
func TestReasoningOfServers(t *testing.T) {
	for _, key := range []string{"reasoning_content", "reasoning"} {
		x, s := startLike(t, openaitest.Habits{ReasoningKey: key}, nil)
		s.Script(openaitest.Reply{Reasoning: "The user wants the sky <&>.", Content: "I look.", Calls: []openaitest.Call{{ID: "a", Name: "look", Arguments: `{}`}}})
		h := well(t, x, request(nil, user("look")))
		if h.Thought != "The user wants the sky <&>." || h.Text != "I look." {
			t.Errorf("%s: it thinks %q and says %q", key, h.Thought, h.Text)
		}
		turn := []sdk.ThinkMessage{user("look"), h.Message(), results(sdk.ToolResult{CallID: "a", Output: "blue"})}
		forged := turn[1]
		forged.State = []byte(`{"model":"llama3.2","key":"content","text":"x"}`)
		for want, messages := range map[string][]sdk.ThinkMessage{
			"The user wants the sky <&>.": turn,
			"":                            {turn[0], forged, turn[2]},
		} {
			well(t, x, request(nil, messages...))
			asked := s.Requests()
			m := asked[len(asked)-1].Messages[1]
			if got := m.ReasoningContent + m.Reasoning; got != want || m.Text() != "I look." || (m.Reasoning != "") != (key == "reasoning" && want != "") {
				t.Errorf("%s: the server sees %+v", key, m)
			}
		}
		well(t, x, request(sdk.Object{"model": "another"}, turn...))
		if m := s.Requests()[3].Messages[1]; m.ReasoningContent+m.Reasoning != "" {
			t.Errorf("another model sees %+v", m)
		}
		s.Script(openaitest.Reply{Reasoning: "Hm.", Content: "So."})
		if h := well(t, x, request(nil, user("?"))); h.Thought != "Hm." || h.Done.State != nil {
			t.Errorf("%s: without a call there is nothing to be kept: %+v", key, h.Done)
		}
	}
}

// TestReasoningBetweenTags is a thought, too.
func TestReasoningBetweenTags(t *testing.T) {
	x, s := startLike(t, openaitest.Habits{ThinkTags: true}, nil)
	s.Script(openaitest.Reply{Reasoning: "a < b, and </thi", Content: "So <think>it</think> is."}, openaitest.Say("<thin"), openaitest.Say("<think>Hm.</thin"))
	if h := well(t, x, request(nil, user("?"))); h.Thought != "a < b, and </thi" || h.Text != "So <think>it</think> is." {
		t.Errorf("it thinks %q and says %q", h.Thought, h.Text)
	}
	if h := well(t, x, request(nil, user("?"))); h.Thought != "" || h.Text != "<thin" {
		t.Errorf("it thinks %q and says %q", h.Thought, h.Text)
	}
	if h := well(t, x, request(nil, user("?"))); h.Thought != "Hm.</thin" || h.Text != "" {
		t.Errorf("it thinks %q and says %q", h.Thought, h.Text)
	}
}

func TestUsageOfServers(t *testing.T) {
	r := request(nil, user("3"))
	want := sdk.TokenUsage{}
	for i, h := range []openaitest.Habits{{}, {UsageAlways: true}, {NoUsage: true}} {
		x, _ := startLike(t, h, nil)
		got := well(t, x, r).Done.Usage
		if i == 0 {
			want = got
		}
		if want.InputTokens == 0 || want.OutputTokens == 0 || !h.NoUsage && got != want || h.NoUsage && got != (sdk.TokenUsage{}) {
			t.Errorf("%+v: it has used %+v", h, got)
		}
	}
	x, s := startLike(t, openaitest.Habits{}, object{"streamUsage": false})
	well(t, x, r)
	if asked := s.Requests()[0]; asked.StreamOptions != nil {
		t.Errorf("it asks %+v", asked.StreamOptions)
	}
}

func TestWhatOnlySomeServersKnow(t *testing.T) {
	x, s := startLike(t, openaitest.Habits{AnyKey: true}, object{"maxTokens": 40})
	options := sdk.Object{"extra": sdk.Object{"top_k": 40, "chat_template_kwargs": sdk.Object{"enable_thinking": false}, "dotted.key": "x"}, "reasoningEffort": "default"}
	well(t, x, request(options, user("1")))
	asked := s.Requests()[0]
	if string(asked.Keys["top_k"]) != "40" || string(asked.Keys["chat_template_kwargs"]) != `{"enable_thinking":false}` || string(asked.Keys["dotted.key"]) != `"x"` ||
		*asked.MaxTokens != 40 || asked.ReasoningEffort != "default" || asked.Header.Get("Authorization") != "" {
		t.Errorf("it asks %s", asked.Keys)
	}
	r := request(sdk.Object{"maxTokens": 30}, user("1"))
	well(t, x, r)
	r.MaxTokens = 20
	well(t, x, r)
	if all := s.Requests(); *all[1].MaxTokens != 30 || *all[2].MaxTokens != 20 {
		t.Error("the host's limit is not before the agent's, and that before the extension's")
	}
}

// TestTheLimitHasTheNameThatTheServerKnows, by its address.
func TestTheLimitHasTheNameThatTheServerKnows(t *testing.T) {
	x, _ := startLike(t, openaitest.Habits{}, object{"maxTokensKey": "max_completion_tokens", "maxTokens": 9, "maxRetries": 0})
	wrong(t, x, request(nil, user("1")), schema.CodeInvalidArgument, "max_completion_tokens: Extra inputs are not permitted")
}

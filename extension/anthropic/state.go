package anthropic

import (
	"encoding/json"
	"slices"
	"strings"

	api "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/sdk"
)

// state is what goes with a message of the agent that was reasoned about: all of its blocks, because the API wants to have them
// back unchanged and in their order, signatures included. Another model does not take them.
type state struct {
	Model   string            `json:"model"`
	Content []json.RawMessage `json:"content"`
}

// stateOf returns the state of an answer of a model; nil if there is no reasoning in it.
func stateOf(model string, content []api.ContentBlockUnion) ([]byte, error) {
	if !slices.ContainsFunc(content, func(b api.ContentBlockUnion) bool { return isReasoning(b.Type) }) {
		return nil, nil
	}
	s := state{Model: model}
	for _, b := range content {
		if b.Type == "text" && strings.TrimSpace(b.Text) == "" {
			continue
		}
		raw, err := b.ToParam().MarshalJSON()
		if err != nil {
			return nil, err
		}
		s.Content = append(s.Content, raw)
	}
	return json.Marshal(s)
}

func isReasoning(kind string) bool { return kind == "thinking" || kind == "redacted_thinking" }

// recalled returns the blocks of a message of the agent, or nil: it was not reasoned about, or by another model, or the state is not
// that of what the message says and calls.
func recalled(m sdk.ThinkMessage, model string) []api.ContentBlockParamUnion {
	var s state
	if len(m.State) == 0 || json.Unmarshal(m.State, &s) != nil || s.Model != model {
		return nil
	}
	var blocks []api.ContentBlockParamUnion
	said, calls := "", []string(nil)
	for _, raw := range s.Content {
		var b struct{ Type, Text, ID string }
		if json.Unmarshal(raw, &b) != nil {
			return nil
		}
		switch b.Type {
		case "text":
			said += b.Text
		case "tool_use":
			calls = append(calls, b.ID)
		}
		blocks = append(blocks, param.Override[api.ContentBlockParamUnion](raw))
	}
	same := slices.EqualFunc(m.Calls, calls, func(c sdk.ToolCall, id string) bool { return c.ID == id })
	if !same || strings.TrimSpace(said) != strings.TrimSpace(m.Text) {
		return nil
	}
	return blocks
}

// reasoned reports whether the turn that goes on has been reasoned about by the model from its beginning: every message of the
// agent since the user spoke, up to one that was broken off, has its reasoning and begins with it.
func reasoned(all []sdk.ThinkMessage, model string) bool {
	if provider.BrokenOff(all) != "" {
		return true // the user is made to speak, so that a turn begins
	}
	for _, m := range slices.Backward(all) {
		if m.Role == sdk.ThinkUser {
			return true
		}
		if m.Role != sdk.ThinkAgent {
			continue
		}
		var s state
		var first struct{ Type string }
		if recalled(m, model) == nil || json.Unmarshal(m.State, &s) != nil || json.Unmarshal(s.Content[0], &first) != nil || !isReasoning(first.Type) {
			return false
		}
	}
	return true
}

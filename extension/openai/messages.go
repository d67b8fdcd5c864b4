package openai

import (
	"encoding/json"
	"fmt"
	"strings"

	api "github.com/openai/openai-go/v3"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// What stands where a server wants words and there are none.
const (
	beginning = "(The conversation begins with what you say.)"
	nothing   = "(nothing)"
)

// maxIDBytes is what OpenAI takes as the id of a call.
const maxIDBytes = 40

// conversation collects messages so that all servers take them. OpenAI is content with any order; but the templates of many models
// want the user to begin, and the two sides to take turns.
type conversation struct {
	list []api.ChatCompletionMessageParamUnion
	ids  map[string]bool // of calls
}

// messages returns the messages of a step, that with the system's words included.
func messages(r sdk.ThinkRequest, model string) ([]api.ChatCompletionMessageParamUnion, error) {
	c := &conversation{ids: map[string]bool{}}
	for i, m := range r.Messages {
		var err error
		switch m.Role {
		case sdk.ThinkUser:
			c.user(m.Text)
		case sdk.ThinkAgent:
			err = c.turn(r.Messages[i:], model)
		}
		if err != nil {
			return nil, schema.Invalid("messages", "number %d: %v", i+1, err)
		}
	}
	if said := provider.BrokenOff(r.Messages); said != "" {
		c.user(provider.GoOn(said))
	}
	if n := len(c.list); n == 0 || c.list[n-1].OfAssistant != nil {
		c.user(nothing) // the last of them was empty
	}
	if strings.TrimSpace(r.System) == "" {
		return c.list, nil
	}
	return append([]api.ChatCompletionMessageParamUnion{api.SystemMessage(r.System)}, c.list...), nil
}

func (c *conversation) last() api.ChatCompletionMessageParamUnion {
	if len(c.list) == 0 {
		return api.ChatCompletionMessageParamUnion{}
	}
	return c.list[len(c.list)-1]
}

func (c *conversation) user(text string) {
	if strings.TrimSpace(text) == "" {
		text = nothing
	}
	if m := c.last().OfUser; m != nil {
		m.Content.OfString.Value += "\n\n" + text
		return
	}
	c.list = append(c.list, api.UserMessage(text))
}

// turn adds the agent's message that comes first in rest, and the results of its calls, which come next.
func (c *conversation) turn(rest []sdk.ThinkMessage, model string) error {
	m := rest[0]
	if len(m.Calls) == 0 && strings.TrimSpace(m.Text) == "" {
		return nil
	}
	out := c.agent(m.Text)
	if len(m.Calls) == 0 {
		return nil
	}
	ids := c.callIDs(m.Calls)
	for i, call := range m.Calls {
		input, err := arguments(call.Input)
		if err != nil {
			return fmt.Errorf("the input of the call of %s: %w", call.Name, err)
		}
		out.ToolCalls = append(out.ToolCalls, api.ChatCompletionMessageToolCallUnionParam{OfFunction: &api.ChatCompletionMessageFunctionToolCallParam{
			ID: ids[i], Function: api.ChatCompletionMessageFunctionToolCallFunctionParam{Name: call.Name, Arguments: input},
		}})
	}
	if name, text := recalled(m, model); text != "" {
		out.SetExtraFields(map[string]any{name: text})
	}
	if len(rest) < 2 || rest[1].Role != sdk.ThinkTools {
		return fmt.Errorf("the calls have no results")
	}
	return c.results(m.Calls, ids, rest[1].Results)
}

// agent adds words of the agent, and returns the message that they are in. It has content even if that is empty: some servers take
// no message without.
func (c *conversation) agent(text string) *api.ChatCompletionAssistantMessageParam {
	if m := c.last().OfAssistant; m != nil { // which has no calls: their results would follow
		m.Content.OfString.Value = strings.TrimPrefix(m.Content.OfString.Value+"\n\n"+text, "\n\n")
		return m
	}
	if len(c.list) == 0 {
		c.user(beginning)
	}
	m := api.ChatCompletionMessageParamOfAssistant(text)
	c.list = append(c.list, m)
	return m.OfAssistant
}

func arguments(input sdk.Object) (string, error) {
	if input == nil {
		return "{}", nil
	}
	raw, err := json.Marshal(input)
	return string(raw), err
}

// callIDs returns the ids of calls as all servers take them: those that another provider has given may be empty, too long, or be
// there twice. Nine letters and figures are what the strictest of servers wants.
func (c *conversation) callIDs(calls []sdk.ToolCall) []string {
	ids := make([]string, len(calls))
	for i, call := range calls {
		id := call.ID
		for n := len(c.ids); !validID(id) || c.ids[id]; n++ {
			id = fmt.Sprintf("call%05d", n)
		}
		ids[i], c.ids[id] = id, true
	}
	return ids
}

func validID(id string) bool {
	for _, r := range id {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxIDBytes
}

// results adds the results of calls in the order of the calls.
func (c *conversation) results(calls []sdk.ToolCall, ids []string, all []sdk.ToolResult) error {
	used := make([]bool, len(all))
	for i, call := range calls {
		n := 0
		for n < len(all) && (used[n] || all[n].CallID != call.ID) {
			n++
		}
		if n == len(all) {
			return fmt.Errorf("the call %q of %s has no result", call.ID, call.Name)
		}
		used[n] = true
		text := all[n].Output
		if strings.TrimSpace(text) == "" {
			text = nothing
		}
		if all[n].Failed {
			text = "It failed: " + text // the API has no other word for it
		}
		c.list = append(c.list, api.ToolMessage(text, ids[i]))
	}
	return nil
}

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

// maxIDBytes is what OpenAI takes as the id of a call.
const maxIDBytes = 40

// conversation collects messages so that all servers take them. OpenAI is content with any order; but the templates of many models
// want the user to begin, and the two sides to take turns.
type conversation struct {
	list []api.ChatCompletionMessageParamUnion
	ids  provider.CallIDs
}

// messages returns the messages of a step, that with the system's words included.
func messages(r sdk.ThinkRequest, model string) ([]api.ChatCompletionMessageParamUnion, error) {
	c := &conversation{ids: provider.CallIDs{Valid: validID, Format: "call%05d"}} // nine letters and figures, which the strictest of servers wants
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
		c.user(provider.Nothing) // the last of them was empty
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
		text = provider.Nothing
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
	ids := c.ids.Of(m.Calls)
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
	results, err := provider.Results(rest)
	c.results(results, ids)
	return err
}

// agent adds words of the agent, and returns the message that they are in. It has content even if that is empty: some servers take
// no message without.
func (c *conversation) agent(text string) *api.ChatCompletionAssistantMessageParam {
	if m := c.last().OfAssistant; m != nil { // which has no calls: their results would follow
		m.Content.OfString.Value = strings.TrimPrefix(m.Content.OfString.Value+"\n\n"+text, "\n\n")
		return m
	}
	if len(c.list) == 0 {
		c.user(provider.Beginning)
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

func validID(id string) bool {
	for _, r := range id {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return id != "" && len(id) <= maxIDBytes
}

// results adds the results of the calls that have these ids.
func (c *conversation) results(all []sdk.ToolResult, ids []string) {
	for i, r := range all {
		text := r.Output
		if strings.TrimSpace(text) == "" {
			text = provider.Nothing
		}
		if r.Failed {
			text = "It failed: " + text // the API has no other word for it
		}
		c.list = append(c.list, api.ToolMessage(text, ids[i]))
	}
}

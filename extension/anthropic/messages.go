package anthropic

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	api "github.com/anthropics/anthropic-sdk-go"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

var validCallID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// conversation collects messages as the API wants them: the user's first, and never two of one side beside each other.
type conversation struct {
	list []api.MessageParam
	ids  provider.CallIDs
}

// messages returns the messages of a step. Reasoning goes back to the model only if it thinks.
func messages(all []sdk.ThinkMessage, model string, thinks bool) ([]api.MessageParam, error) {
	c := &conversation{ids: provider.CallIDs{Valid: validCallID.MatchString, Format: "call_%d"}}
	for i, m := range all {
		var err error
		switch m.Role {
		case sdk.ThinkUser:
			c.user(text(m.Text, provider.Nothing)...)
		case sdk.ThinkAgent:
			err = c.turn(all[i:], model, thinks)
		}
		if err != nil {
			return nil, schema.Invalid("messages", "number %d: %v", i+1, err)
		}
	}
	if said := provider.BrokenOff(all); said != "" {
		c.user(api.NewTextBlock(provider.GoOn(said)))
	}
	if n := len(c.list); n == 0 || c.list[n-1].Role != api.MessageParamRoleUser {
		c.user(api.NewTextBlock(provider.Nothing)) // the last of them was empty
	}
	return c.list, nil
}

// text returns a block for a text, or for the one instead if it has nothing but white space: the API refuses such a block.
func text(s, instead string) []api.ContentBlockParamUnion {
	if strings.TrimSpace(s) == "" {
		s = instead
	}
	if s == "" {
		return nil
	}
	return []api.ContentBlockParamUnion{api.NewTextBlock(s)}
}

func (c *conversation) user(blocks ...api.ContentBlockParamUnion) {
	c.add(api.MessageParamRoleUser, blocks)
}

func (c *conversation) add(role api.MessageParamRole, blocks []api.ContentBlockParamUnion) {
	last := len(c.list) - 1
	switch {
	case len(blocks) == 0:
	case last >= 0 && c.list[last].Role == role:
		c.list[last].Content = append(c.list[last].Content, blocks...)
	case last < 0 && role == api.MessageParamRoleAssistant:
		c.user(api.NewTextBlock(provider.Beginning))
		c.add(role, blocks)
	default:
		c.list = append(c.list, api.MessageParam{Role: role, Content: blocks})
	}
}

// turn adds the agent's message that comes first in rest, and the results of its calls, which come next.
func (c *conversation) turn(rest []sdk.ThinkMessage, model string, thinks bool) error {
	m := rest[0]
	ids := c.ids.Of(m.Calls)
	blocks := recalled(m, model)
	if !thinks || blocks == nil {
		blocks = text(m.Text, "")
		for i, call := range m.Calls {
			input, err := json.Marshal(call.Input)
			if err != nil {
				return fmt.Errorf("the input of the call of %s: %w", call.Name, err)
			}
			blocks = append(blocks, api.NewToolUseBlock(ids[i], json.RawMessage(input), call.Name))
		}
	}
	c.add(api.MessageParamRoleAssistant, blocks)
	if len(m.Calls) == 0 {
		return nil
	}
	all, err := provider.Results(rest)
	c.user(results(all, ids)...)
	return err
}

// results returns the blocks of the results of the calls that have these ids.
func results(all []sdk.ToolResult, ids []string) []api.ContentBlockParamUnion {
	blocks := make([]api.ContentBlockParamUnion, len(all))
	for i, r := range all {
		block := api.ToolResultBlockParam{ToolUseID: ids[i]}
		if strings.TrimSpace(r.Output) != "" {
			block.Content = []api.ToolResultBlockParamContentUnion{{OfText: &api.TextBlockParam{Text: r.Output}}}
		}
		if r.Failed {
			block.IsError = api.Bool(true)
		}
		blocks[i] = api.ContentBlockParamUnion{OfToolResult: &block}
	}
	return blocks
}

package anthropic

import (
	"encoding/json"
	"strings"

	api "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// params returns the request for a step.
func (x *Extension) params(r sdk.ThinkRequest, o options) (api.MessageNewParams, error) {
	p := api.MessageNewParams{Model: x.Model, MaxTokens: int64(x.MaxTokens), StopSequences: o.Stop}
	if o.Model != "" {
		p.Model = o.Model
	}
	if o.MaxTokens != nil {
		p.MaxTokens = int64(*o.MaxTokens)
	}
	if err := o.check(int(p.MaxTokens)); err != nil {
		return p, err
	}
	if r.MaxTokens > 0 {
		p.MaxTokens = int64(r.MaxTokens)
	}
	mode := o.modeOf(r, p)
	p.Thinking = thinkingParam(mode, o.Thinking.BudgetTokens)
	p.OutputConfig.Effort = api.OutputConfigEffort(o.Effort)
	sampling(&p, o)
	var err error
	if p.Tools, err = tools(r); err != nil {
		return p, err
	}
	p.ToolChoice = choice(r, o)
	if strings.TrimSpace(r.System) != "" {
		p.System = []api.TextBlockParam{{Text: r.System}}
	}
	p.Messages, err = messages(r.Messages, p.Model, mode != thinkingOff)
	if x.PromptCaching {
		markPrefixes(&p)
	}
	return p, err
}

// modeOf returns how the model thinks in this step. A budget that does not fit into what the host lets it write is left out, and so
// is one in the middle of a turn whose beginning was thought by somebody else, or by another model: the API wants the reasoning
// from the beginning of a turn or not at all.
func (o options) modeOf(r sdk.ThinkRequest, p api.MessageNewParams) string {
	mode := o.Thinking.mode()
	if mode == thinkingBudget && (int64(*o.Thinking.BudgetTokens) >= p.MaxTokens || !reasoned(r.Messages, p.Model)) {
		return thinkingOff
	}
	return mode
}

func thinkingParam(mode string, budget *int) api.ThinkingConfigParamUnion {
	switch mode {
	case thinkingAdaptive: // newer models do not show what they think unless they are told to
		return api.ThinkingConfigParamUnion{OfAdaptive: &api.ThinkingConfigAdaptiveParam{Display: api.ThinkingConfigAdaptiveDisplaySummarized}}
	case thinkingBudget:
		return api.ThinkingConfigParamOfEnabled(int64(*budget))
	case thinkingOff:
		off := api.NewThinkingConfigDisabledParam()
		return api.ThinkingConfigParamUnion{OfDisabled: &off}
	}
	return api.ThinkingConfigParamUnion{}
}

func sampling(p *api.MessageNewParams, o options) {
	if o.Temperature != nil {
		p.Temperature = api.Float(*o.Temperature)
	}
	if o.TopP != nil {
		p.TopP = api.Float(*o.TopP)
	}
	if o.TopK != nil {
		p.TopK = api.Int(int64(*o.TopK))
	}
}

// tools returns the tools of a step. Where it has none, and there are calls in its messages, those are described as far as they
// are known: the API takes no calls of tools that are not there.
func tools(r sdk.ThinkRequest) ([]api.ToolUnionParam, error) {
	var all []api.ToolUnionParam
	for _, t := range r.Tools {
		shape, err := objectSchema(t.InputSchema)
		if err != nil {
			return nil, schema.Invalid("tools", "the schema of %s cannot be read: %v", t.Name, err)
		}
		tool := api.ToolParam{Name: t.Name, InputSchema: param.Override[api.ToolInputSchemaParam](shape)}
		if t.Description != "" {
			tool.Description = api.String(t.Description)
		}
		all = append(all, api.ToolUnionParam{OfTool: &tool})
	}
	if len(all) > 0 {
		return all, nil
	}
	known := map[string]bool{}
	for _, m := range r.Messages {
		for _, c := range m.Calls {
			if !known[c.Name] {
				all = append(all, api.ToolUnionParam{OfTool: &api.ToolParam{Name: c.Name, InputSchema: api.ToolInputSchemaParam{Type: "object"}}})
			}
			known[c.Name] = true
		}
	}
	return all, nil
}

// objectSchema returns a JSON Schema with the type "object", which the API wants to see.
func objectSchema(raw json.RawMessage) (json.RawMessage, error) {
	var shape map[string]json.RawMessage
	if err := json.Unmarshal(raw, &shape); err != nil {
		return nil, err
	}
	if string(shape["type"]) == `"object"` {
		return raw, nil
	}
	shape["type"] = json.RawMessage(`"object"`)
	return json.Marshal(shape)
}

// choice returns how the model is to use its tools. One that must call a tool must in the first step of a turn only: it would
// never come to an answer.
func choice(r sdk.ThinkRequest, o options) api.ToolChoiceUnionParam {
	calls := false
	for _, m := range r.Messages {
		calls = calls || len(m.Calls) > 0
	}
	first := r.Messages[len(r.Messages)-1].Role == sdk.ThinkUser
	switch {
	case len(r.Tools) == 0 && calls, len(r.Tools) > 0 && o.ToolChoice == "none":
		none := api.NewToolChoiceNoneParam()
		return api.ToolChoiceUnionParam{OfNone: &none}
	case len(r.Tools) > 0 && o.ToolChoice == "any" && first:
		return api.ToolChoiceUnionParam{OfAny: &api.ToolChoiceAnyParam{}}
	}
	return api.ToolChoiceUnionParam{}
}

// markPrefixes marks what a request begins with and the next one is likely to begin with, too: its tools, its system text and,
// while tools are used, its messages, which the next step of the turn has again.
func markPrefixes(p *api.MessageNewParams) {
	mark := api.NewCacheControlEphemeralParam()
	if n := len(p.System); n > 0 {
		p.System[n-1].CacheControl = mark
	}
	if n := len(p.Tools); n == 0 {
		return
	} else if t := p.Tools[n-1].OfTool; t != nil {
		t.CacheControl = mark
	}
	if n := len(p.Messages); n > 0 {
		content := p.Messages[n-1].Content
		*content[len(content)-1].GetCacheControl() = mark
	}
}

package openai

import (
	"encoding/json"
	"strings"

	api "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// params returns the request for a step.
func (x *Extension) params(r sdk.ThinkRequest, o options) (p api.ChatCompletionNewParams, err error) {
	if err := o.check(); err != nil {
		return p, err
	}
	if p.Model = x.Model; o.Model != "" {
		p.Model = o.Model
	}
	if p.Model == "" {
		return p, provider.Unfit("model", "there is none; name one here, or for all agents in extensions.%s.model", x.block)
	}
	x.limit(&p, r, o)
	if x.StreamUsage {
		p.StreamOptions.IncludeUsage = api.Bool(true)
	}
	sampling(&p, o)
	if p.Tools, err = tools(r.Tools); err != nil {
		return p, err
	}
	if len(p.Tools) > 0 {
		p.ToolChoice = choice(r, o)
		if o.ParallelToolCalls != nil {
			p.ParallelToolCalls = api.Bool(*o.ParallelToolCalls)
		}
	}
	if len(o.Extra) > 0 {
		extra := map[string]any{}
		for name, value := range o.Extra {
			extra[name] = value
		}
		p.SetExtraFields(extra)
	}
	p.Messages, err = messages(r, p.Model)
	return p, err
}

// limit sets how many tokens the step may write, if anybody says it.
func (x *Extension) limit(p *api.ChatCompletionNewParams, r sdk.ThinkRequest, o options) {
	most := x.MaxTokens
	if o.MaxTokens != nil {
		most = *o.MaxTokens
	}
	if r.MaxTokens > 0 {
		most = r.MaxTokens
	}
	switch {
	case most == 0:
	case x.limitKey() == limitNew:
		p.MaxCompletionTokens = api.Int(int64(most))
	default:
		p.MaxTokens = api.Int(int64(most))
	}
}

func sampling(p *api.ChatCompletionNewParams, o options) {
	if o.Temperature != nil {
		p.Temperature = api.Float(*o.Temperature)
	}
	if o.TopP != nil {
		p.TopP = api.Float(*o.TopP)
	}
	if o.FrequencyPenalty != nil {
		p.FrequencyPenalty = api.Float(*o.FrequencyPenalty)
	}
	if o.PresencePenalty != nil {
		p.PresencePenalty = api.Float(*o.PresencePenalty)
	}
	if o.Seed != nil {
		p.Seed = api.Int(*o.Seed)
	}
	p.Stop.OfStringArray = o.Stop
	p.ReasoningEffort = shared.ReasoningEffort(o.ReasoningEffort)
	p.Verbosity = api.ChatCompletionNewParamsVerbosity(o.Verbosity)
}

func tools(all []sdk.Tool) ([]api.ChatCompletionToolUnionParam, error) {
	var out []api.ChatCompletionToolUnionParam
	for _, t := range all {
		shape, err := objectSchema(t.InputSchema)
		if err != nil {
			return nil, schema.Invalid("tools", "the schema of %s cannot be read: %v", t.Name, err)
		}
		f := shared.FunctionDefinitionParam{Name: t.Name, Parameters: shape}
		if t.Description != "" {
			f.Description = api.String(t.Description)
		}
		out = append(out, api.ChatCompletionFunctionTool(f))
	}
	return out, nil
}

// objectSchema returns a JSON Schema with the type "object" and properties, both of which OpenAI wants to see.
func objectSchema(raw json.RawMessage) (shared.FunctionParameters, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, err
	}
	shape := shared.FunctionParameters{"properties": json.RawMessage(`{}`)}
	for name, value := range keys {
		shape[name] = value
	}
	shape["type"] = "object"
	return shape, nil
}

// choice returns how the model is to use its tools. One that must call a tool must in the first step of a turn only: it would
// never come to an answer.
func choice(r sdk.ThinkRequest, o options) (c api.ChatCompletionToolChoiceOptionUnionParam) {
	first := r.Messages[len(r.Messages)-1].Role == sdk.ThinkUser
	if how := strings.TrimPrefix(o.ToolChoice, "auto"); how == "none" || how == "required" && first {
		c.OfAuto = api.String(how)
	}
	return c
}

package openai

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
)

// options is what an agent may say in its field "brain" beside the name of the provider. What it does not say is left to the
// server, whose own values differ between models.
type options struct {
	Model             string                     `json:"model" doc:"The model; without it, that of the extension"`
	MaxTokens         *int                       `json:"maxTokens" minimum:"1" maximum:"1000000" doc:"How many tokens a step may write, those of its reasoning included"`
	Temperature       *float64                   `json:"temperature" minimum:"0" maximum:"2" doc:"How much chance there is in its words; models that reason take none"`
	TopP              *float64                   `json:"topP" minimum:"0" maximum:"1" doc:"How much of the likely words it chooses from; models that reason take none"`
	FrequencyPenalty  *float64                   `json:"frequencyPenalty" minimum:"-2" maximum:"2" doc:"How much it avoids words the more it has said them"`
	PresencePenalty   *float64                   `json:"presencePenalty" minimum:"-2" maximum:"2" doc:"How much it avoids words that it has said"`
	Seed              *int64                     `json:"seed" doc:"Makes the same answer to the same words likely, on servers that can"`
	Stop              []string                   `json:"stop" maxItems:"16" doc:"Texts at which it stops; OpenAI takes four"`
	ReasoningEffort   string                     `json:"reasoningEffort" enum:"none,minimal,low,medium,high,xhigh,max,default" doc:"How much it reasons before it answers; each model knows some of these"`
	Verbosity         string                     `json:"verbosity" enum:"low,medium,high" doc:"How much it says; newer models of OpenAI"`
	ToolChoice        string                     `json:"toolChoice" enum:"auto,required,none" doc:"Whether it may call tools, must in the first step of a turn (required), or may not"`
	ParallelToolCalls *bool                      `json:"parallelToolCalls" doc:"Whether it may call several tools in one step"`
	Extra             map[string]json.RawMessage `json:"extra" doc:"Keys of the request that have no option here, as the server has them, such as top_k"`
}

// ours are the keys of a request that the extension sets, and no agent does.
var ours = []string{"model", "messages", "tools", "tool_choice", "stream", "stream_options", "n", "functions", "function_call"}

// check returns what its schema cannot say.
func (o options) check() error {
	for i, s := range o.Stop {
		if s == "" {
			return provider.Unfit(fmt.Sprintf("stop/%d", i), "it is empty")
		}
	}
	for name := range o.Extra {
		if slices.Contains(ours, name) {
			return provider.Unfit("extra/"+name, "the extension sets it itself")
		}
	}
	return nil
}

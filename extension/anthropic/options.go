package anthropic

import (
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/extension/internal/provider"
)

// options is what an agent may say in its field "brain" beside the name of the provider. What it does not say is left to the
// API, whose own values differ between models.
type options struct {
	Model       string   `json:"model" doc:"The model; without it, that of the extension"`
	MaxTokens   *int     `json:"maxTokens" minimum:"1" maximum:"1000000" doc:"How many tokens a step may write, those of its reasoning included"`
	Temperature *float64 `json:"temperature" minimum:"0" maximum:"1" doc:"How much chance there is in its words; newer models take none"`
	TopP        *float64 `json:"topP" minimum:"0" maximum:"1" doc:"How much of the likely words it chooses from; newer models take none, and others not beside a temperature"`
	TopK        *int     `json:"topK" minimum:"1" doc:"Of how many words it chooses the next; newer models take none"`
	Stop        []string `json:"stop" maxItems:"16" doc:"Texts at which it stops"`
	Thinking    thinking `json:"thinking" doc:"How it reasons before it answers"`
	Effort      string   `json:"effort" enum:"low,medium,high,xhigh,max" doc:"How much work it puts into an answer; older models take none"`
	ToolChoice  string   `json:"toolChoice" enum:"auto,any,none" doc:"Whether it may call tools, must in the first step of a turn (any), or may not"`
}

type thinking struct {
	Mode         string `json:"mode" enum:"adaptive,budget,off" doc:"As much as it sees fit (models since 4.6), up to a budget (models up to 4.6), or not at all"`
	BudgetTokens *int   `json:"budgetTokens" minimum:"1024" doc:"The budget, which is less than maxTokens"`
}

// Modes of thinking. What an agent does not say is the model's own.
const (
	thinkingOwn      = ""
	thinkingAdaptive = "adaptive"
	thinkingBudget   = "budget"
	thinkingOff      = "off"
)

// mode returns how the model is to think: a budget alone says it, too.
func (t thinking) mode() string {
	if t.Mode == thinkingOwn && t.BudgetTokens != nil {
		return thinkingBudget
	}
	return t.Mode
}

// check returns what the API would refuse, which its schema cannot say. limit is how many tokens the step may write if
// the host does not say it.
func (o options) check(limit int) error {
	mode := o.Thinking.mode()
	thinks := mode == thinkingAdaptive || mode == thinkingBudget
	switch {
	case mode == thinkingBudget && o.Thinking.BudgetTokens == nil:
		return provider.Unfit("thinking/budgetTokens", "the mode \"budget\" needs it")
	case mode != thinkingBudget && o.Thinking.BudgetTokens != nil:
		return provider.Unfit("thinking/budgetTokens", "the mode %q has no budget", mode)
	case mode == thinkingBudget && *o.Thinking.BudgetTokens >= limit:
		return provider.Unfit("thinking/budgetTokens", "%d is not less than maxTokens, which is %d: nothing is left for the answer", *o.Thinking.BudgetTokens, limit)
	case thinks && o.Temperature != nil && *o.Temperature != 1:
		return provider.Unfit("temperature", "a model that thinks has the temperature 1; leave it out, or set thinking.mode to \"off\"")
	case thinks && o.TopK != nil:
		return provider.Unfit("topK", "a model that thinks takes none; leave it out, or set thinking.mode to \"off\"")
	case thinks && o.TopP != nil && *o.TopP < 0.95:
		return provider.Unfit("topP", "a model that thinks takes 0.95 to 1; leave it out, or set thinking.mode to \"off\"")
	case thinks && o.ToolChoice == "any":
		return provider.Unfit("toolChoice", "a model that thinks cannot be made to call a tool; leave it out, or set thinking.mode to \"off\"")
	}
	for i, s := range o.Stop {
		if strings.TrimSpace(s) == "" {
			return provider.Unfit(fmt.Sprintf("stop/%d", i), "it has nothing but white space")
		}
	}
	return nil
}

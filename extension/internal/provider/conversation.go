package provider

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

// What stands where a server wants words and there are none.
const (
	Beginning = "(The conversation begins with what you say.)"
	Nothing   = "(nothing)"
)

// CallIDs gives the calls of one conversation ids that a server takes: those that another provider has given may be empty, have signs
// that this one refuses, or be there twice.
type CallIDs struct {
	Valid  func(id string) bool
	Format string // of an id that takes the place of one, with a %d for its number

	used map[string]bool
}

// Of returns the ids of calls, which are the next ones of the conversation.
func (c *CallIDs) Of(calls []schema.ToolCall) []string {
	if c.used == nil {
		c.used = map[string]bool{}
	}
	ids := make([]string, len(calls))
	for i, call := range calls {
		id := call.ID
		for n := len(c.used); !c.Valid(id) || c.used[id]; n++ {
			id = fmt.Sprintf(c.Format, n)
		}
		ids[i], c.used[id] = id, true
	}
	return ids
}

// Results returns the results of the calls in the first message, which are in the second one, in the order of the calls.
func Results(messages []schema.ThinkMessage) ([]schema.ToolResult, error) {
	if len(messages) < 2 || messages[1].Role != schema.ThinkTools {
		return nil, fmt.Errorf("the calls have no results")
	}
	all := messages[1].Results
	used := make([]bool, len(all)) // of calls with the same id each has its own
	var results []schema.ToolResult
	for _, call := range messages[0].Calls {
		n := 0
		for n < len(all) && (used[n] || all[n].CallID != call.ID) {
			n++
		}
		if n == len(all) {
			return nil, fmt.Errorf("the call %q of %s has no result", call.ID, call.Name)
		}
		used[n] = true
		results = append(results, all[n])
	}
	return results, nil
}

// Unfit returns the error for one option of a brain, as the sdk has it for what the schema says.
func Unfit(at, format string, args ...any) error {
	e := schema.Invalid("/brain/"+at, format, args...)
	e.Message = "the options of the brain do not fit: " + e.Message
	return e
}

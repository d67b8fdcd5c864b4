package sdktest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// Command has the extension carry out one of its commands with input, a JSON object, as an agent would for who speaks to it: the
// caller in ctx, or "ann" with ScopeChat if there is none. The error is a *schema.Error.
func (r *Running) Command(ctx context.Context, name, input string) (schema.Object, error) {
	call := schema.CommandCall{
		ID: fmt.Sprintf("call_%d", r.calls.Add(1)), Name: name, AgentID: "nyx", ConversationID: "conv_1", RunID: "run_1",
	}
	if err := json.Unmarshal([]byte(input), &call.Input); err != nil {
		return nil, schema.Errorf(schema.CodeMalformed, "the input is not a JSON object: %w", err)
	}
	return wire.RunCommand(speaking(ctx), r.commands, call)
}

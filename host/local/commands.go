package local

import (
	"context"
	"fmt"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// UseCommands lets agents have c carried out from now on: host.CommandUser.
func (r *Runtime) UseCommands(c schema.Commands) { r.commands.Store(&c) }

// turnCommands carries out commands for one turn, on behalf of who speaks, and shows each of them as an action.
type turnCommands struct {
	p    *performance
	next schema.Commands
}

// extensionCommands returns what extensions let the agent do in this turn; nil = this runtime knows of no extensions.
func (p *performance) extensionCommands() brain.Commands {
	c := p.Runtime.commands.Load()
	if c == nil {
		return nil
	}
	return &turnCommands{p: p, next: *c}
}

// speaking returns a context whose caller is who speaks to the agent.
func (c *turnCommands) speaking(ctx context.Context) context.Context {
	return schema.WithCaller(ctx, schema.Caller{Principal: c.p.turn.Run.Principal, Scopes: c.p.turn.Scopes})
}

// List implements brain.Commands.
func (c *turnCommands) List(ctx context.Context) ([]schema.Command, error) {
	return c.next.List(c.speaking(ctx))
}

// Run implements brain.Commands.
func (c *turnCommands) Run(ctx context.Context, name string, input schema.Object) (schema.Object, error) {
	call := schema.CommandCall{
		ID: fmt.Sprintf("%s.%d", c.p.turn.Run.ID, c.p.calls.Add(1)), Name: name, Input: input,
		AgentID: c.p.turn.Run.AgentID, ConversationID: c.p.turn.Run.ConversationID, RunID: c.p.turn.Run.ID,
	}
	result, err := c.next.Run(c.speaking(ctx), call)
	if ctx.Err() != nil {
		return nil, ctx.Err() // the turn is over, and nothing of it is kept
	}
	shown := orEmpty(result)
	var e *schema.Error
	if err != nil {
		e = &schema.Error{Code: schema.CodeOf(err), Message: clip(text(schema.AsError(err).Message), maxFailureBytes)}
		shown = schema.Object{"error": map[string]any{"code": string(e.Code), "message": e.Message}}
	}
	told := c.p.turn.Tell(schema.EventAction, schema.Action{Action: name, Input: orEmpty(input), Result: shown})
	switch {
	case told != nil:
		return nil, told
	case e != nil:
		return nil, e
	}
	return result, nil
}

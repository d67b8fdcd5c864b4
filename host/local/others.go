package local

import (
	"context"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

// turnOthers asks other agents for one turn.
type turnOthers struct{ p *performance }

// others returns the agents that may be asked in this turn; nil = agents have asked each other often enough.
func (p *performance) others() brain.Others {
	if p.turn.Depth >= turns.MaxDepth {
		return nil
	}
	return turnOthers{p}
}

// List implements brain.Others.
func (o turnOthers) List(context.Context) ([]schema.Agent, error) {
	return o.p.registry.after("", schema.MaxPageSize, o.p.now(), func(a *schema.Agent) bool {
		return a.Status == schema.AgentRunning && a.ID != o.p.turn.Run.AgentID
	}), nil
}

// Ask implements brain.Others.
func (o turnOthers) Ask(ctx context.Context, agentID, message string) (schema.Run, error) {
	run, err := o.p.turn.Ask(ctx, agentID, message)
	switch {
	case err != nil:
		return run, err
	case run.Status == schema.RunCompleted && run.Reply != nil:
		return run, nil
	case run.Status == schema.RunFailed:
		return run, schema.Errorf(schema.CodeUnavailable, "agent %s cannot answer: %s", agentID, run.Error)
	}
	return run, schema.Errorf(schema.CodeUnavailable, "agent %s was not let finish: its turn is %s (%s)", agentID, run.Status, run.Reason)
}

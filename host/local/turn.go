package local

import (
	"context"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/model"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	maxThoughtBytes = 8 << 10 // of one thought
	maxFailureBytes = 1 << 10 // of the text of what a command could not do
)

// performance is a brain at work on a turn.
type performance struct {
	*Runtime
	turn   *turns.Turn
	calls  atomic.Int64 // of commands
	feels  schema.Emotion
	policy brain.MemoryPolicy // as it was when the turn began
	kept   int                // memories of this turn
	spent  error              // the budget that is used up since the turn began; nil = none
}

// work answers a turn by the brain of its agent. It implements turns.Work.
func (r *Runtime) work(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
	p := &performance{Runtime: r, turn: t}
	asked, err := p.prepare(ctx)
	if err != nil {
		return turns.Reply{}, err
	}
	b := r.registry.brain(t.Run.AgentID)
	if b == nil {
		return turns.Reply{}, turns.ErrOver // it was stopped a moment ago, which has ended the run
	}
	m, foretells := b.(*model.Brain)
	switch {
	case asked.Agent.Brain.Provider == BuiltinBrain && !asked.Dry(), foretells && m.Rehearses(asked): // uses nothing
	case asked.Dry():
		return turns.Reply{Content: brain.DryReply(asked.Agent.Brain.Provider), Emotion: &p.feels}, nil
	default:
		if err := r.ledger.Check(t.Run.Principal, t.Run.AgentID); err != nil {
			return turns.Reply{}, err
		}
	}
	for step, err := range b.Respond(ctx, asked) {
		if err != nil {
			return turns.Reply{}, err
		}
		reply, err := p.take(step)
		if err != nil || reply != "" {
			return turns.Reply{Content: reply, Emotion: &p.feels}, err
		}
	}
	return turns.Reply{Emotion: &p.feels}, nil // it has said all of it
}

// prepare gathers what the brain may know.
func (p *performance) prepare(ctx context.Context) (brain.Turn, error) {
	now, run := p.now(), p.turn.Run
	a, ok := p.registry.get(run.AgentID, now)
	if !ok {
		return brain.Turn{}, fault.NotFound("agent", run.AgentID)
	}
	p.feels, p.policy = a.Emotion, p.registry.policy(run.AgentID)
	summary, err := p.turn.Summary(ctx)
	if err != nil {
		return brain.Turn{}, err
	}
	history, err := p.turn.History(ctx)
	if err != nil {
		return brain.Turn{}, err
	}
	return brain.Turn{
		Agent: a, Principal: run.Principal, Message: p.turn.Message, Summary: summary, History: history, Context: p.turn.Context, Now: now,
		Memory:   recall{p.store, p.memory, run.AgentID, run.Principal, p.now},
		Commands: p.extensionCommands(),
		Others:   p.others(),
		AskedBy:  p.turn.AskedBy,
		Policy:   p.policy,
	}, nil
}

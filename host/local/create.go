package local

import (
	"context"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Create makes an agent that is not declared. Its brain is made first, so that one which cannot work creates nothing; that
// the agent is there, and runs, is one commit.
func (s agents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	if a, ok, err := once.Earlier[schema.Agent](ctx, s.once); ok {
		return a, err
	}
	fresh := n.Agent(schema.Brain{Provider: BuiltinBrain})
	made, err := s.brainOfNew(ctx, fresh)
	if err != nil {
		s.once.Failure(ctx, err)
		return schema.Agent{}, err
	}
	explain := func(err error) error { return fault.Of(s.log, "create agent", err) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.Agent, error) {
		a, err := s.insert(tx, fresh, n.Start)
		if err == nil && n.Start {
			tx.OnCommit(func() { s.registry.setBrain(a.ID, made) })
		}
		return present(a, s.now()), err
	})
}

// brainOfNew makes the brain of an agent that is to be created, unless its id is taken.
func (s agents) brainOfNew(ctx context.Context, a schema.Agent) (brain.Brain, error) {
	if _, ok := s.registry.get(a.ID, s.now()); ok {
		return nil, roster.Taken(a.ID)
	}
	return s.wantedBrain(ctx, "create agent", a.ID, a.Brain)
}

// insert keeps a new agent and tells of it, and brings it to running if start.
func (s agents) insert(tx store.Tx, fresh schema.Agent, start bool) (store.Agent, error) {
	if s.closing.Load() {
		return store.Agent{}, fault.Closing()
	}
	a, err := roster.Insert(tx, store.Agent{Agent: fresh, Desired: start}, s.now())
	if err != nil {
		return a, err
	}
	tx.OnCommit(func() { s.registry.put(a) })
	return a, nil
}

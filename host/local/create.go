package local

import (
	"context"
	"errors"

	"github.com/stagehouse/stagehouse/host/internal/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Create makes an agent that is not declared. Its brain is made first, so that one which cannot work creates nothing; that
// the agent is there, and runs, is one commit.
func (s agents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	if a, ok, err := once.Earlier[schema.Agent](ctx, s.once); ok {
		return a, err
	}
	fresh := newAgent(n)
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

// newAgent fills in what is left out. Nothing stays shared with n.
func newAgent(n schema.NewAgent) schema.Agent {
	a := schema.Agent{ID: n.ID, Status: schema.AgentStopped, Revision: 1}
	apply(&a, schema.AgentPatch{
		Name: schema.Set(n.Name), Description: schema.Set(n.Description), Skills: schema.Set(n.Skills), Persona: schema.Set(n.Persona),
		Brain: schema.Set(n.Brain), Metadata: schema.Set(n.Metadata),
	})
	if a.Name == "" {
		a.Name = a.ID
	}
	if a.Brain.Provider == "" {
		a.Brain.Provider = BuiltinBrain
	}
	return a
}

// brainOfNew makes the brain of an agent that is to be created, unless its id is taken.
func (s agents) brainOfNew(ctx context.Context, a schema.Agent) (brain.Brain, error) {
	if _, ok := s.registry.get(a.ID, s.now()); ok {
		return nil, taken(a.ID)
	}
	return s.wantedBrain(ctx, "create agent", a.ID, a.Brain)
}

func taken(id string) error {
	return schema.Errorf(schema.CodeAlreadyExists, "there is an agent %s already; choose another id, or change that one", id)
}

// insert keeps a new agent and tells of it, and brings it to running if start.
func (s agents) insert(tx store.Tx, fresh schema.Agent, start bool) (store.Agent, error) {
	if s.closing.Load() {
		return store.Agent{}, fault.Closing()
	}
	_, err := tx.Agent(fresh.ID)
	switch {
	case err == nil:
		return store.Agent{}, taken(fresh.ID)
	case !errors.Is(err, store.ErrNotFound):
		return store.Agent{}, err
	}
	a := store.Agent{Agent: fresh, Desired: start}
	a.CreatedAt = s.now()
	a.UpdatedAt = a.CreatedAt
	if err := s.remember(tx, a); err != nil {
		return a, err
	}
	if err := s.appendEvent(tx, schema.Event{Type: schema.EventCreated, AgentID: a.ID}, schema.Created{Revision: a.Revision}); err != nil || !start {
		return a, err
	}
	if a, err = s.move(tx, a, schema.AgentStarting, ""); err != nil {
		return a, err
	}
	return s.move(tx, a, schema.AgentRunning, "")
}

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

// agents implements schema.Agents.
type agents struct{ *Runtime }

var _ schema.Agents = agents{}

// List returns one page of agents ordered by id. Its cursor holds the last id of the page before.
func (s agents) List(_ context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	last, err := roster.AgentList.Place(q.Cursor)
	if err != nil {
		return schema.AgentPage{}, err
	}
	limit := schema.PageSize(q.Limit)
	page := s.registry.after(last, limit+1, s.now(), func(a *schema.Agent) bool {
		return roster.Selects(q, *a)
	})
	if len(page) > limit {
		return schema.AgentPage{Agents: page[:limit], NextCursor: roster.AgentList.Cursor(page[limit-1].ID)}, nil
	}
	return schema.AgentPage{Agents: page}, nil
}

// Get returns one agent.
func (s agents) Get(_ context.Context, id string) (schema.Agent, error) {
	a, ok := s.registry.get(id, s.now())
	if !ok {
		return schema.Agent{}, fault.NotFound("agent", id)
	}
	return a, nil
}

// Update changes the mutable fields. A running agent thinks with its new brain from its next turn on.
func (s agents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	if a, ok, err := once.Earlier[schema.Agent](ctx, s.once); ok {
		return a, err
	}
	_, err := s.Get(ctx, id)
	if err != nil {
		s.once.Failure(ctx, err)
		return schema.Agent{}, err
	}
	patched, err := s.patchedBrain(ctx, id, p)
	if err != nil {
		s.once.Failure(ctx, err)
		return schema.Agent{}, err
	}
	explain := func(err error) error { return fault.OrNotFound(s.log, err, "update agent", "agent", id) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.Agent, error) {
		a, err := s.change(tx, id, p, patched)
		return present(a, s.now()), err
	})
}

// change applies p in a transaction.
func (s agents) change(tx store.Tx, id string, p schema.AgentPatch, patched brain.Brain) (store.Agent, error) {
	a, err := tx.Agent(id)
	if err != nil {
		return a, err
	}
	before := a
	a, err = roster.Patch(tx, a, p, schema.Brain{Provider: BuiltinBrain}, s.now())
	if err != nil || a.Revision == before.Revision {
		return a, err
	}
	if err := s.registry.settle(tx, before, &a, s.now()); err != nil {
		return a, err
	}
	tx.OnCommit(func() {
		s.registry.put(a)
		if patched != nil {
			s.registry.setBrain(id, patched)
		}
	})
	return a, nil
}

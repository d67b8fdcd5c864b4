package guard

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

type agents struct{ next schema.Agents }

var _ schema.Agents = agents{}

func (g agents) List(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	if _, err := reader(ctx); err != nil {
		return schema.AgentPage{}, err
	}
	if err := q.Validate(); err != nil {
		return schema.AgentPage{}, err
	}
	q.Limit = bounded(q.Limit)
	return g.next.List(ctx, q)
}

func (g agents) Get(ctx context.Context, id string) (schema.Agent, error) {
	if _, err := reader(ctx); err != nil {
		return schema.Agent{}, err
	}
	if err := checkID("agentId", id); err != nil {
		return schema.Agent{}, err
	}
	return g.next.Get(ctx, id)
}

func (g agents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.Agent{}, err
	}
	if err := n.Validate(); err != nil {
		return schema.Agent{}, err
	}
	if err := need(c, schema.ScopeAdmin); err != nil {
		return schema.Agent{}, err
	}
	return g.next.Create(ctx, n)
}

func (g agents) Delete(ctx context.Context, id string, ifRevision int64) error {
	if err := g.mayChange(ctx, id, nil); err != nil {
		return err
	}
	return g.next.Delete(ctx, id, ifRevision)
}

func (g agents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	if err := g.mayChange(ctx, id, p.Validate); err != nil {
		return schema.Agent{}, err
	}
	return g.next.Update(ctx, id, p)
}

func (g agents) Start(ctx context.Context, id string) (schema.Agent, error) {
	if err := g.mayChange(ctx, id, nil); err != nil {
		return schema.Agent{}, err
	}
	return g.next.Start(ctx, id)
}

func (g agents) Stop(ctx context.Context, id string) (schema.Agent, error) {
	if err := g.mayChange(ctx, id, nil); err != nil {
		return schema.Agent{}, err
	}
	return g.next.Stop(ctx, id)
}

// mayChange checks everything before an act on an agent.
func (g agents) mayChange(ctx context.Context, id string, validate func() error) error {
	c, err := reader(ctx)
	if err != nil {
		return err
	}
	if err := checkID("agentId", id); err != nil {
		return err
	}
	if validate != nil {
		if err := validate(); err != nil {
			return err
		}
	}
	return needOn(c, schema.ScopeAdmin, func() error { return lookAt(ctx, g.next, id) })
}

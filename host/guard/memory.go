package guard

import (
	"context"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

type memory struct {
	next   schema.Memory
	agents schema.Agents // nil = not offered
}

var _ schema.Memory = memory{}

func (g memory) Store(ctx context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.MemoryItem{}, err
	}
	if err := m.Validate(); err != nil {
		return schema.MemoryItem{}, err
	}
	scope := schema.ScopeChat
	if m.Shared {
		scope = schema.ScopeAdmin
	}
	if err := needOn(c, scope, func() error { return lookAt(ctx, g.agents, m.AgentID) }); err != nil {
		return schema.MemoryItem{}, err
	}
	return g.next.Store(ctx, m)
}

func (g memory) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.Validate(); err != nil {
		return nil, err
	}
	q.Limit = bounded(q.Limit)
	hits, err := g.next.Search(ctx, q)
	return slices.DeleteFunc(hits, func(h schema.MemoryHit) bool { return !maySeeMemory(c, h.Memory) }), err
}

func (g memory) Get(ctx context.Context, agentID, id string) (schema.MemoryItem, error) {
	c, err := reader(ctx)
	if err != nil {
		return schema.MemoryItem{}, err
	}
	if agentID != "" {
		if err := checkID("agentId", agentID); err != nil {
			return schema.MemoryItem{}, err
		}
	}
	if err := checkID("memoryId", id); err != nil {
		return schema.MemoryItem{}, err
	}
	item, err := g.next.Get(ctx, agentID, id)
	if err != nil {
		return schema.MemoryItem{}, err
	}
	if !maySeeMemory(c, item) {
		return schema.MemoryItem{}, hidden("memory", id)
	}
	return item, nil
}

// Delete lets the owner and ScopeAdmin forget a memory; whoever else may see it is told that it may not.
func (g memory) Delete(ctx context.Context, agentID, id string) error {
	item, err := g.Get(ctx, agentID, id)
	if err != nil {
		return err
	}
	c := schema.CallerFrom(ctx)
	if err := need(c, schema.ScopeChat); err != nil {
		return err
	}
	if item.Principal != c.Principal {
		if err := need(c, schema.ScopeAdmin); err != nil {
			return err
		}
	}
	return g.next.Delete(ctx, agentID, id)
}

func maySeeMemory(c schema.Caller, m schema.MemoryItem) bool {
	return m.Shared || mayOwn(c, m.Principal)
}

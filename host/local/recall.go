package local

import (
	"context"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// recall is what a brain may look up: the agent's memories as the principal of the turn may see them. A brain shows its errors
// to whoever sent the message, so these are fit to be shown.
type recall struct {
	store     store.Store
	memory    *memories.Memory
	agentID   string
	principal string
	now       func() time.Time
}

func (m recall) query(text string, limit int) store.MemoryQuery {
	return store.MemoryQuery{Viewer: store.Viewer{Principal: m.principal}, AgentID: m.agentID, Text: text, Limit: limit, Now: m.now()}
}

// Recall implements brain.Memory.
func (m recall) Recall(ctx context.Context, text string, limit int) (hits []schema.MemoryHit, err error) {
	hits, err = m.memory.Find(schema.WithCaller(ctx, schema.Caller{Principal: m.principal}), m.query(text, limit))
	return hits, fault.Conceal("recall", err)
}

// Recent implements brain.Memory.
func (m recall) Recent(ctx context.Context, limit int) (items []schema.MemoryItem, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		items, err = r.RecentMemories(m.query("", limit))
		return err
	})
	return items, fault.Conceal("recall", err)
}

// Package memories is what agents remember: it implements the whole of schema.Memory over a store.Store, for any runtime whose
// agents are in that store. Memories are found by their words, and, with an Embedder, by what they mean; see Memory.Find.
package memories

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Memory implements schema.Memory. All methods are safe for concurrent use.
type Memory struct {
	store store.Store
	once  *once.Keeper
	log   *slog.Logger
	now   func() time.Time
	ids   *ids.Maker
	index *index
}

var _ schema.Memory = (*Memory)(nil)

// New returns the memories in a store. It tells the time by now, nil = time.Now, and says in log what of the store fails.
func New(s store.Store, now func() time.Time, log *slog.Logger) *Memory {
	now = store.Clock(now)
	return &Memory{store: s, once: once.New(s, now, log), log: log, now: now, ids: ids.New(now), index: newIndex(s, log)}
}

// Store remembers m for an agent, which need not be running.
func (s *Memory) Store(ctx context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	caller, err := fault.Someone(ctx)
	if err != nil {
		return schema.MemoryItem{}, err
	}
	item := schema.MemoryItem{
		ID: s.NewID(), AgentID: m.AgentID, Principal: caller.Principal, Shared: m.Shared,
		Content: m.Content, Metadata: m.Metadata, CreatedAt: s.now(), Tags: paging.OrNone(slices.Clone(m.Tags)),
		Importance: schema.DefaultImportance, ExpiresAt: m.ExpiresAt,
	}
	if m.Importance != nil {
		item.Importance = *m.Importance
	}
	if m.ExpiresAt != nil {
		at := m.ExpiresAt.UTC().Truncate(time.Microsecond)
		item.ExpiresAt = &at
	}
	explain := func(err error) error { return fault.OrNotFound(s.log, err, "store memory", "agent", m.AgentID) }
	return once.Do(ctx, s.once, explain, func(tx store.Tx) (schema.MemoryItem, error) {
		if _, err := tx.Agent(m.AgentID); err != nil {
			return schema.MemoryItem{}, err
		}
		if expired(item, s.now()) {
			return schema.MemoryItem{}, schema.Invalid("expiresAt", "must be in the future; it is %s now", s.now().Format(time.RFC3339))
		}
		return item, s.Keep(tx, item)
	})
}

// tidyingMemories is how many memories that have expired are deleted with each that is kept.
const tidyingMemories = 16

// Keep keeps a memory of a principal as part of what is done in tx, for an agent that
// remembers something by itself. It deletes some that have expired.
func (s *Memory) Keep(tx store.Tx, m schema.MemoryItem) error {
	if _, err := tx.EvictMemories(s.now(), tidyingMemories); err != nil {
		return err
	}
	tx.OnCommit(s.index.told)
	return tx.InsertMemory(m)
}

// NewID returns the id of a memory that is to be kept.
func (s *Memory) NewID() string { return s.ids.Next(ids.Memory) }

func expired(m schema.MemoryItem, now time.Time) bool {
	return m.ExpiresAt != nil && !m.ExpiresAt.After(now)
}

// Search returns memories that share a word with the text, or mean something near to it, best first; see Find. Without a text it
// returns the newest.
func (s *Memory) Search(ctx context.Context, q schema.MemoryQuery) (hits []schema.MemoryHit, err error) {
	limit := schema.PageSize(q.Limit)
	if q.Limit == 0 {
		limit = schema.DefaultSearchLimit
	}
	if q.AgentID != "" {
		if err := s.known(ctx, q.AgentID); err != nil {
			return nil, err
		}
	}
	sq := store.MemoryQuery{
		Viewer: fault.Viewer(ctx), AgentID: q.AgentID, Text: q.Text, Limit: limit, Now: s.now(),
		Tags: q.Tags, Metadata: q.Metadata, MinImportance: q.MinImportance,
	}
	if strings.TrimSpace(q.Text) != "" {
		hits, err = s.Find(ctx, sq)
	} else {
		hits, err = s.newest(ctx, sq)
	}
	if err != nil {
		return nil, fault.Of(s.log, "search memories", err)
	}
	return hits, nil
}

func (s *Memory) newest(ctx context.Context, q store.MemoryQuery) (hits []schema.MemoryHit, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		hits = nil
		items, err := r.RecentMemories(q)
		for _, m := range items {
			hits = append(hits, schema.MemoryHit{Memory: m, Score: 1})
		}
		return err
	})
	return hits, err
}

// known returns CodeNotFound unless there is such an agent.
func (s *Memory) known(ctx context.Context, agentID string) error {
	err := s.store.View(ctx, func(r store.Reader) error {
		_, err := r.Agent(agentID)
		return err
	})
	return fault.OrNotFound(s.log, err, "search memories", "agent", agentID)
}

// Get returns one memory of the agent, or of any.
func (s *Memory) Get(ctx context.Context, agentID, id string) (item schema.MemoryItem, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		item, err = s.visibleMemory(ctx, r, agentID, id)
		return err
	})
	if err != nil {
		return schema.MemoryItem{}, fault.OrNotFound(s.log, err, "read memory", "memory", id)
	}
	return item, nil
}

// Delete forgets one memory of the agent.
func (s *Memory) Delete(ctx context.Context, agentID, id string) error {
	err := s.store.Update(ctx, func(tx store.Tx) error {
		item, err := s.visibleMemory(ctx, tx, agentID, id)
		if err != nil {
			return err
		}
		if v := fault.Viewer(ctx); item.Principal != v.Principal && !v.Everything {
			return schema.Errorf(schema.CodePermissionDenied, "memory %s is shared and belongs to somebody else; only its owner and %q may delete it",
				id, schema.ScopeAdmin)
		}
		return tx.DeleteMemory(id)
	})
	return fault.OrNotFound(s.log, err, "delete memory", "memory", id)
}

func (s *Memory) visibleMemory(ctx context.Context, r store.Reader, agentID, id string) (schema.MemoryItem, error) {
	item, err := r.Memory(id)
	if err != nil {
		return item, err
	}
	v := fault.Viewer(ctx)
	if expired(item, s.now()) || agentID != "" && item.AgentID != agentID || !item.Shared && item.Principal != v.Principal && !v.Everything {
		return schema.MemoryItem{}, store.ErrNotFound
	}
	return item, nil
}

package schema

import (
	"context"
	"time"
)

// MemoryItem is one thing that an agent remembers.
type MemoryItem struct {
	ID        string    `json:"id"`
	AgentID   string    `json:"agentId"`
	Principal string    `json:"principal" doc:"Who stored it, or in whose conversation it was learnt"`
	Shared    bool      `json:"shared" doc:"Whether everybody who talks to the agent may be told"`
	Content   string    `json:"content"`
	Metadata  Object    `json:"metadata"`
	CreatedAt time.Time `json:"createdAt"`
}

// NewMemory is a memory to store.
type NewMemory struct {
	AgentID  string
	Content  string
	Metadata Object
	Shared   bool // needs ScopeAdmin
}

// MemoryQuery is a search. Text is plain words: nothing in it is an operator.
type MemoryQuery struct {
	AgentID string // "" = every agent
	Text    string
	Limit   int // 0 = DefaultSearchLimit, at most MaxPageSize
}

// MemoryHit is a memory that was found. Scores are comparable within one search only; more is better, and all are > 0.
type MemoryHit struct {
	Memory MemoryItem `json:"memory"`
	Score  float64    `json:"score" doc:"Comparable within one search only; more is better"`
}

// Memory is what agents remember. A memory is seen by the principal that stored it, by everybody if it is shared, and by
// ScopeAdmin.
type Memory interface {
	// Store remembers m and returns it. CodeNotFound if there is no such agent; it need not be running. Needs ScopeChat.
	Store(ctx context.Context, m NewMemory) (MemoryItem, error)
	// Search returns memories that share a word with q.Text, best first; ties are broken by the newer one. They
	// may be fewer than q.Limit although there are more: the last ones are left out when they are large together, as far
	// as a message on the boundary is concerned beyond 8 MiB. Needs ScopeRead.
	Search(ctx context.Context, q MemoryQuery) ([]MemoryHit, error)
	// Get returns one memory of the agent; "" = of whichever agent it is. Needs ScopeRead.
	Get(ctx context.Context, agentID, id string) (MemoryItem, error)
	// Delete forgets one memory of the agent, "" = of whichever it is; CodeNotFound if there is none. The owner may, and ScopeAdmin. Needs ScopeChat.
	Delete(ctx context.Context, agentID, id string) error
}

package schema

import (
	"context"
	"time"
)

// MemoryItem is one thing that an agent remembers.
type MemoryItem struct {
	ID        string   `json:"id" doc:"Stable id"`
	AgentID   string   `json:"agentId" doc:"The agent that remembers it"`
	Principal string   `json:"principal" doc:"Who stored it, or in whose conversation it was learnt"`
	Shared    bool     `json:"shared" doc:"Whether everybody who talks to the agent may be told"`
	Content   string   `json:"content" doc:"What is remembered"`
	Metadata  Object   `json:"metadata" doc:"Free-form, and given back as it is"`
	Tags      []string `json:"tags" nullable:"false" doc:"Words to find it by, as they were given"`
	// Importance weighs a little in a search, see Memory.Search.
	Importance float64    `json:"importance" minimum:"0" maximum:"1" doc:"How much it matters, 0 to 1"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty" doc:"From when on it does not exist any more; absent: never"`
	CreatedAt  time.Time  `json:"createdAt" doc:"When it was stored"`
}

// DefaultImportance is that of a memory whose teller does not say.
const DefaultImportance = 0.5

// NewMemory is a memory to store.
type NewMemory struct {
	AgentID    string
	Content    string
	Metadata   Object
	Shared     bool // needs ScopeAdmin
	Tags       []string
	Importance *float64   // 0 to 1; nil = DefaultImportance
	ExpiresAt  *time.Time // in the future; nil = never
}

// MemoryQuery is a search. Text is plain words: nothing in it is an operator. It may be empty if there is anything else to
// search by; the newest memories come first then.
type MemoryQuery struct {
	AgentID       string // "" = every agent
	Text          string
	Limit         int              // 0 = DefaultSearchLimit, at most MaxPageSize
	Tags          []string         // that a memory has, all of them
	Metadata      []MetadataEquals // that hold for a memory, all of them
	MinImportance float64          // 0 to 1
}

// MetadataEquals holds for a memory whose metadata has a member Key that is Value: a string, or a number or true or false
// as JSON writes them. Numbers are compared as such.
type MetadataEquals struct{ Key, Value string }

// MemoryHit is a memory that was found. Scores are comparable within one search only; more is better, and all are > 0.
type MemoryHit struct {
	Memory MemoryItem `json:"memory" doc:"What was found"`
	Score  float64    `json:"score" doc:"Comparable within one search only; more is better"`
}

// Memory is what agents remember. A memory is seen by the principal that stored it, by everybody if it is shared, and by
// ScopeAdmin. One that has expired is seen by nobody, and is deleted some time later.
type Memory interface {
	// Store remembers m and returns it. CodeNotFound if there is no such agent; it need not be running. Needs ScopeChat.
	Store(ctx context.Context, m NewMemory) (MemoryItem, error)
	// Search returns memories that share a word with q.Text, and, where the runtime can tell, those that mean something near to it;
	// best first, ties are broken by the newer one. The most important memory counts a tenth more than one of DefaultImportance,
	// the least important one a tenth less. Who has stored a memory finds it by its words at once. Without q.Text, every
	// memory that fits is found, the newest first, and all scores are 1. They
	// may be fewer than q.Limit although there are more: the last ones are left out when they are large together, as far
	// as a message on the boundary is concerned beyond 8 MiB. Needs ScopeRead.
	Search(ctx context.Context, q MemoryQuery) ([]MemoryHit, error)
	// Get returns one memory of the agent; "" = of whichever agent it is. Needs ScopeRead.
	Get(ctx context.Context, agentID, id string) (MemoryItem, error)
	// Delete forgets one memory of the agent, "" = of whichever it is; CodeNotFound if there is none. The owner may, and ScopeAdmin. Needs ScopeChat.
	Delete(ctx context.Context, agentID, id string) error
}

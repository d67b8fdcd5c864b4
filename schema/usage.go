package schema

import (
	"context"
	"time"
)

// Usage is what the models behind agents have used, and what that has cost. A step of a model belongs to the principal whose
// message it was taken for; it is seen by that principal and by ScopeAdmin, and is kept when its run, its conversation or its
// agent is deleted.
type Usage interface {
	// Report adds up the steps that the caller may see and the query selects. It counts every step of a run that has come to its
	// end. Needs ScopeRead.
	Report(ctx context.Context, q UsageQuery) (UsageReport, error)
}

// UsageGrouping says by what steps are added up.
type UsageGrouping string

// By what they may be.
const (
	UsageByRun       UsageGrouping = "run"
	UsageByAgent     UsageGrouping = "agent"
	UsageByPrincipal UsageGrouping = "principal"
	UsageByProvider  UsageGrouping = "provider"
	UsageByModel     UsageGrouping = "model" // of a provider
	UsageByDay       UsageGrouping = "day"   // of UTC
)

// UsageGroupings lists every grouping.
func UsageGroupings() []UsageGrouping {
	return []UsageGrouping{UsageByRun, UsageByAgent, UsageByPrincipal, UsageByProvider, UsageByModel, UsageByDay}
}

// Latest reports whether the groups begin with the greatest key, which is the latest, and not with the smallest.
func (g UsageGrouping) Latest() bool { return g == UsageByRun || g == UsageByDay }

// UsageQuery selects steps: those to which everything applies that is given.
type UsageQuery struct {
	AgentID   string
	Principal string
	RunID     string
	Since     time.Time     // not before that; zero = from the start
	Until     time.Time     // before that; zero = up to now
	GroupBy   UsageGrouping // "" = the total and no groups
	Limit     int           // groups; 0 = DefaultPageSize, at most MaxPageSize
	Cursor    string        // NextCursor of the page before; "" = from the start
}

// UsageReport is what a query has come to.
type UsageReport struct {
	Currency   string       `json:"currency,omitempty" doc:"Of every cost, such as USD; absent where no model has a price"`
	Total      UsageSum     `json:"total" doc:"Of all the groups, whatever the page"`
	Groups     []UsageGroup `json:"groups" nullable:"false" doc:"One page, ordered by key: days and runs from the latest, all others alphabetically"`
	NextCursor string       `json:"nextCursor" doc:"Pass as cursor for the next page; empty at the end"`
}

// UsageGroup is the sum of the steps that have something in common.
type UsageGroup struct {
	Key string `json:"key" doc:"What they have in common: the id of a run or an agent, a principal, a provider, provider/model, or a day as 2026-11-25"`
	UsageSum
}

// UsageSum is what some steps have used together.
type UsageSum struct {
	Steps int64 `json:"steps" doc:"How often a model was asked"`
	TokenUsage
	CostMicros     int64 `json:"costMicros" doc:"What the tokens with a known price have cost, in millionths of the currency"`
	UnpricedTokens int64 `json:"unpricedTokens" doc:"Tokens, read and written, whose price is not known: where it is not 0, the cost is more than costMicros"`
}

// Add returns the sum of both.
func (s UsageSum) Add(t UsageSum) UsageSum {
	return UsageSum{
		Steps: s.Steps + t.Steps, TokenUsage: s.TokenUsage.Add(t.TokenUsage),
		CostMicros: s.CostMicros + t.CostMicros, UnpricedTokens: s.UnpricedTokens + t.UnpricedTokens,
	}
}

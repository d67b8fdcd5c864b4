package memory

import (
	"maps"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// InsertUsage keeps what a step has used.
func (t *tx) InsertUsage(u store.Usage) error {
	if u.Cost != nil {
		u.Cost = new(*u.Cost)
	}
	change(t, &t.usage, append(t.usage, u))
	return nil
}

// SumUsage adds up what models have used.
func (s *state) SumUsage(q store.UsageQuery) ([]schema.UsageGroup, error) {
	sums := map[string]schema.UsageSum{}
	for _, u := range s.usage {
		if key := usageKey(q.GroupBy, u); selects(q, u) && behind(q, key) {
			sums[key] = sums[key].Add(sumOf(u, q.Currency))
		}
	}
	keys := slices.Sorted(maps.Keys(sums))
	if q.GroupBy.Latest() {
		slices.Reverse(keys)
	}
	if q.Limit > 0 {
		keys = keys[:min(q.Limit, len(keys))]
	}
	var groups []schema.UsageGroup
	for _, key := range keys {
		groups = append(groups, schema.UsageGroup{Key: key, UsageSum: sums[key]})
	}
	return groups, nil
}

func selects(q store.UsageQuery, u store.Usage) bool {
	return (q.Viewer.Everything || u.Principal == q.Viewer.Principal) && (q.Principal == "" || u.Principal == q.Principal) &&
		(q.AgentID == "" || u.AgentID == q.AgentID) && (q.RunID == "" || u.RunID == q.RunID) &&
		(q.Since.IsZero() || !u.At.Before(q.Since)) && (q.Until.IsZero() || u.At.Before(q.Until))
}

// behind reports whether a group comes after the place where the page begins.
func behind(q store.UsageQuery, key string) bool {
	if q.After == "" {
		return true
	}
	if q.GroupBy.Latest() {
		return key < q.After
	}
	return key > q.After
}

// usageKey returns what a step has in common with the others of its group.
func usageKey(by schema.UsageGrouping, u store.Usage) string {
	switch by {
	case schema.UsageByRun:
		return u.RunID
	case schema.UsageByAgent:
		return u.AgentID
	case schema.UsageByPrincipal:
		return u.Principal
	case schema.UsageByProvider:
		return u.Provider
	case schema.UsageByModel:
		return u.Provider + "/" + u.Model
	case schema.UsageByDay:
		return u.At.UTC().Format(time.DateOnly)
	}
	return ""
}

func sumOf(u store.Usage, currency string) schema.UsageSum {
	s := schema.UsageSum{Steps: 1, TokenUsage: u.Tokens}
	if u.Cost != nil && (currency == "" || currency == u.Currency) {
		s.CostMicros = *u.Cost
	} else {
		s.UnpricedTokens = u.Tokens.InputTokens + u.Tokens.OutputTokens
	}
	return s
}

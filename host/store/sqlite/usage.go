package sqlite

import (
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// usageKey returns the column that a grouping is by.
func usageKey(by schema.UsageGrouping) string {
	switch by {
	case schema.UsageByRun:
		return `run_id`
	case schema.UsageByAgent:
		return `agent_id`
	case schema.UsageByPrincipal:
		return `principal`
	case schema.UsageByProvider:
		return `provider`
	case schema.UsageByModel:
		return `provider || '/' || model`
	case schema.UsageByDay:
		return `date(at / 1000000000, 'unixepoch')`
	}
	return `''`
}

// SumUsage adds up what models have used.
func (s *session) SumUsage(q store.UsageQuery) ([]schema.UsageGroup, error) {
	known := `cost IS NOT NULL AND (?1 = '' OR currency = ?1)`
	query := `SELECT ` + usageKey(q.GroupBy) + ` AS key, count(*), sum(input_tokens), sum(cached_tokens), sum(output_tokens), sum(reasoning_tokens),
		sum(CASE WHEN ` + known + ` THEN cost ELSE 0 END), sum(CASE WHEN ` + known + ` THEN 0 ELSE input_tokens + output_tokens END)
		FROM usage WHERE `
	args := []any{q.Currency}
	for _, f := range []struct {
		wanted bool
		sql    string
		value  any
	}{
		{!q.Viewer.Everything, `principal = ? AND `, q.Viewer.Principal},
		{q.Principal != "", `principal = ? AND `, q.Principal},
		{q.AgentID != "", `agent_id = ? AND `, q.AgentID},
		{q.RunID != "", `run_id = ? AND `, q.RunID},
		{!q.Since.IsZero(), `at >= ? AND `, nanos(q.Since)},
		{!q.Until.IsZero(), `at < ? AND `, nanos(q.Until)},
	} {
		if f.wanted {
			query, args = query+f.sql, append(args, f.value)
		}
	}
	order, behind := ``, `>`
	if q.GroupBy.Latest() {
		order, behind = ` DESC`, `<`
	}
	query += `true GROUP BY key HAVING true`
	if q.After != "" {
		query, args = query+` AND key `+behind+` ?`, append(args, q.After)
	}
	query += ` ORDER BY key` + order
	if q.Limit > 0 {
		query, args = query+` LIMIT ?`, append(args, q.Limit)
	}
	var groups []schema.UsageGroup
	err := s.rows(query, args, func(row scanner) error {
		var g schema.UsageGroup
		err := row.Scan(&g.Key, &g.Steps, &g.InputTokens, &g.CachedTokens, &g.OutputTokens, &g.ReasoningTokens, &g.CostMicros, &g.UnpricedTokens)
		groups = append(groups, g)
		return err
	})
	return groups, err
}

// InsertUsage keeps what a step has used.
func (t *tx) InsertUsage(u store.Usage) error {
	_, err := t.exec(`INSERT INTO usage (run_id, agent_id, principal, provider, model, input_tokens, cached_tokens, output_tokens,
		reasoning_tokens, cost, currency, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, u.RunID, u.AgentID, u.Principal, u.Provider, u.Model,
		u.Tokens.InputTokens, u.Tokens.CachedTokens, u.Tokens.OutputTokens, u.Tokens.ReasoningTokens, u.Cost, u.Currency, nanos(u.At))
	return err
}

package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// decodeUsage reads the block usage, unless the schema has said what is wrong with it.
func (l Loader) decodeUsage(cfg *Config, tree map[string]any, known []schema.Problem) []schema.Problem {
	const at = "/usage"
	block, ok := tree["usage"].(map[string]any)
	if !ok || slices.ContainsFunc(known, func(p schema.Problem) bool { return problem.Under(p.Pointer, at) }) {
		return nil
	}
	raw, err := json.Marshal(block)
	if err == nil {
		err = json.Unmarshal(raw, &cfg.Usage)
	}
	if err != nil {
		return []schema.Problem{problem.Errorf(at, "", "cannot be read: %v", err)}
	}
	problems := append(cfg.Usage.Problems(), l.strangePrices(cfg.Usage.Prices, tree)...)
	for i := range problems {
		problems[i].Pointer = at + problems[i].Pointer
	}
	return problems
}

// strangePrices returns a warning for each price of a provider that the configuration does not have, enabled or not.
func (l Loader) strangePrices(prices usage.Prices, tree map[string]any) (warnings []schema.Problem) {
	blocks, _ := tree["extensions"].(map[string]any)
	providers := slices.AppendSeq(slices.Clone(l.Brains), maps.Keys(blocks))
	for _, key := range slices.Sorted(maps.Keys(prices)) {
		provider, _, ok := strings.Cut(key, "/")
		if !ok || slices.Contains(providers, provider) {
			continue
		}
		hint := "a provider is called like its block under extensions"
		if near := problem.Nearest(provider, providers); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		warnings = append(warnings, schema.Problem{
			Severity: schema.SeverityWarning, Pointer: problem.Pointer("prices", key), Suggestion: hint,
			Message: fmt.Sprintf("there is no provider %q, so that this is the price of nothing", provider),
		})
	}
	return warnings
}

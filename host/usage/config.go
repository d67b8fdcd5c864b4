package usage

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// MaxPrice bounds prices and the cost of a budget, so that sums fit.
const MaxPrice = 1e6

// Config is what a Ledger goes by; the zero one knows no prices and bounds nothing. It is the block usage of a configuration.
type Config struct {
	Currency string   `json:"currency"` // of every price, such as USD
	Prices   Prices   `json:"prices"`
	Budgets  []Budget `json:"budgets"`
}

// Validate returns nil or what is wrong first.
func (c Config) Validate() error {
	for _, p := range c.Problems() {
		return errors.New(p.Message)
	}
	return nil
}

// Problems returns everything that is wrong; the pointers begin at the block.
func (c Config) Problems() []schema.Problem {
	var all []schema.Problem
	if len(c.Prices) > 0 && c.Currency == "" {
		all = append(all, problem.Errorf("/currency", `add "currency": "USD", or which one they are in`, "prices need a currency, such as USD"))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Prices)) {
		all = append(all, c.Prices[key].problems(key)...)
	}
	for i, b := range c.Budgets {
		all = append(all, b.problems(problem.Pointer("budgets", fmt.Sprint(i)), len(c.Prices) > 0)...)
	}
	return all
}

// problems returns what is wrong with the price under a key.
func (p Price) problems(key string) []schema.Problem {
	at := problem.Pointer("prices", key)
	provider, model, ok := strings.Cut(key, "/")
	if !ok || provider == "" || model == "" || strings.Contains(provider, "*") {
		return []schema.Problem{problem.Errorf(at, `write it like "openai/gpt-4o", or "ollama/*" for all models of a provider`,
			"prices: %.80q must be provider/model, or provider/ and the beginning of models with a * behind it", key)}
	}
	for _, n := range []float64{p.Input, p.Output, *cmp.Or(p.Cached, &p.Input)} {
		if !(n >= 0 && n <= MaxPrice) {
			return []schema.Problem{problem.Errorf(at, "", "prices: %.80q costs %v for a million tokens; it must be 0 to %v", key, n, MaxPrice)}
		}
	}
	return nil
}

// problems returns what is wrong with a budget; priced says whether any model has a price.
func (b Budget) problems(at string, priced bool) []schema.Problem {
	var p schema.Problem
	switch {
	case b.Window != Hour && b.Window != Day && b.Window != Month:
		p = problem.Errorf(at+"/window", "", "a budget for every %.80q: it must be %s, %s or %s", b.Window, Hour, Day, Month)
	case b.Tokens < 0 || !(b.Cost >= 0 && b.Cost <= MaxPrice):
		p = problem.Errorf(at, "", "the budget %s is out of bounds", b.title())
	case b.Tokens == 0 && b.Cost == 0:
		p = problem.Errorf(at, "give it tokens, cost, or both", "the budget %s bounds neither tokens nor cost", b.title())
	case b.Cost > 0 && !priced:
		p = problem.Errorf(at+"/cost", "add prices, or bound tokens", "the budget %s is of money, and no model has a price", b.title())
	default:
		return nil
	}
	return []schema.Problem{p}
}

// cost returns what tokens of a model cost, if its price is known.
func (c Config) cost(provider, model string, t schema.TokenUsage) (micros int64, known bool) {
	p, known := c.Prices.Of(provider, model)
	if !known {
		return 0, false
	}
	return p.Micros(t), true
}

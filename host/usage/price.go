package usage

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// maxTokens bounds what one step can have used: a provider that counts wrongly must not overflow a sum.
const maxTokens = 1 << 32

// Price is what a model costs, in the currency of the configuration for a million tokens.
type Price struct {
	Input  float64  `json:"inputPerMillion"`
	Cached *float64 `json:"cachedPerMillion"` // of those that are read from the provider's cache; nil = as Input
	Output float64  `json:"outputPerMillion"`
}

// Micros returns what tokens cost, in millionths of the currency, rounded to the nearest one.
func (p Price) Micros(t schema.TokenUsage) int64 {
	t = sound(t)
	cached := *cmp.Or(p.Cached, &p.Input)
	// A price for a million tokens is that of one in millionths.
	return int64(math.Round(float64(t.InputTokens-t.CachedTokens)*p.Input + float64(t.CachedTokens)*cached + float64(t.OutputTokens)*p.Output))
}

// sound returns tokens as they can be: not negative, not beyond maxTokens, and a part not more than the whole.
func sound(t schema.TokenUsage) schema.TokenUsage {
	bounded := func(n, most int64) int64 { return min(max(n, 0), most) }
	t.InputTokens, t.OutputTokens = bounded(t.InputTokens, maxTokens), bounded(t.OutputTokens, maxTokens)
	t.CachedTokens, t.ReasoningTokens = bounded(t.CachedTokens, t.InputTokens), bounded(t.ReasoningTokens, t.OutputTokens)
	return t
}

// Prices are the prices of models, by provider/model. A key that ends in * is for all models that begin like that: "ollama/*",
// "openai/gpt-4o*".
type Prices map[string]Price

// Of returns the price of a model: that under its own name, or else that of the longest key with a * that fits it. There may be
// none, which is not the same as 0.
func (p Prices) Of(provider, model string) (Price, bool) {
	name := provider + "/" + model
	if price, ok := p[name]; ok {
		return price, true
	}
	longest := -1
	var found Price
	for key, price := range p {
		prefix, any := strings.CutSuffix(key, "*")
		if any && strings.HasPrefix(name, prefix) && len(prefix) > longest {
			longest, found = len(prefix), price
		}
	}
	return found, longest >= 0
}

// Amount words millionths of a currency to a person, such as "0.0125 USD".
func Amount(micros int64, currency string) string {
	text := strconv.FormatFloat(float64(micros)/1e6, 'f', 6, 64)
	for strings.HasSuffix(text, "0") && text[len(text)-3] != '.' { // money has two digits behind the point
		text = text[:len(text)-1]
	}
	return strings.TrimSpace(text + " " + currency)
}

package usage

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Each is the principal, or the agent, of a Budget of which each of them has one.
const Each = "*"

// Window is how long a budget lasts, by the calendar of UTC.
type Window string

// The windows.
const (
	Hour  Window = "hour"
	Day   Window = "day"
	Month Window = "month"
)

// Begin returns when the window began that t is in, and when the next one begins.
func (w Window) Begin(t time.Time) (begin, next time.Time) {
	t = t.UTC()
	switch w {
	case Hour:
		begin = t.Truncate(time.Hour)
		return begin, begin.Add(time.Hour)
	case Day:
		begin = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		return begin, begin.AddDate(0, 0, 1)
	}
	begin = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return begin, begin.AddDate(0, 1, 0)
}

// Budget bounds what may be used in a window: of tokens, read and written, or of money, or of both.
type Budget struct {
	Name      string  `json:"name"`      // for a person; may be empty
	Principal string  `json:"principal"` // whose; "" = of all together, Each = of each
	Agent     string  `json:"agent"`     // id; "" = of all together, Each = of each
	Window    Window  `json:"window"`
	Tokens    int64   `json:"tokens"` // 0 = any number
	Cost      float64 `json:"cost"`   // in the currency; 0 = any amount. What has no price does not count
}

// subject is whom a counter is for; "" = everybody.
type subject struct{ principal, agent string }

// of returns the counter that a step of that principal with that agent counts for, if the budget is about it.
func (b Budget) of(principal, agent string) (subject, bool) {
	var s subject
	switch b.Principal {
	case "":
	case Each, principal:
		s.principal = principal
	default:
		return s, false
	}
	switch b.Agent {
	case "":
	case Each, agent:
		s.agent = agent
	default:
		return s, false
	}
	return s, true
}

// spent reports whether nothing is left.
func (b Budget) spent(used schema.UsageSum) bool {
	return b.Tokens > 0 && tokensOf(used) >= b.Tokens || b.Cost > 0 && used.CostMicros >= micros(b.Cost)
}

func tokensOf(s schema.UsageSum) int64 { return s.InputTokens + s.OutputTokens }

func micros(amount float64) int64 { return int64(math.Round(amount * 1e6)) }

// title names the budget to a person.
func (b Budget) title() string {
	if b.Name != "" {
		return fmt.Sprintf("%q", b.Name)
	}
	var whose []string
	for _, of := range []struct{ what, value string }{{"principal", b.Principal}, {"agent", b.Agent}} {
		switch of.value {
		case "":
		case Each:
			whose = append(whose, "each "+of.what)
		default:
			whose = append(whose, of.what+" "+of.value)
		}
	}
	if whose == nil {
		whose = []string{"everybody together"}
	}
	return fmt.Sprintf("of %s per %s", strings.Join(whose, " and "), b.Window)
}

// limits says what the budget allows, such as "100000 tokens and 5 USD".
func (b Budget) limits(currency string) string {
	var all []string
	if b.Tokens > 0 {
		all = append(all, fmt.Sprintf("%d tokens", b.Tokens))
	}
	if b.Cost > 0 {
		all = append(all, fmt.Sprintf("%v %s", b.Cost, currency))
	}
	return strings.Join(all, " and ")
}

// Exceeded says that a budget is used up. It fails a run with schema.ReasonBudget.
type Exceeded struct {
	Budget   Budget
	Used     schema.UsageSum // in this window, of whom the budget is about
	Currency string
	Again    time.Time // when the next window begins
}

// Error names the budget, what was used of it, and when it begins anew.
func (e *Exceeded) Error() string {
	used := fmt.Sprintf("%d tokens", tokensOf(e.Used))
	if e.Budget.Cost > 0 {
		used += " for " + Amount(e.Used.CostMicros, e.Currency)
	}
	return fmt.Sprintf("the budget %s is used up: it allows %s per %s, and %s were used; it begins anew at %s. Whoever runs this host can raise it in usage.budgets of its configuration",
		e.Budget.title(), e.Budget.limits(e.Currency), e.Budget.Window, used, e.Again.Format(time.RFC3339))
}

// Reason is why a run fails.
func (e *Exceeded) Reason() string { return schema.ReasonBudget }

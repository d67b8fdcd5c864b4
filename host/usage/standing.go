package usage

import (
	"cmp"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Standing is how much of a budget one of those has used that it is for, in the window that runs.
type Standing struct {
	Budget    Budget          `json:"budget"`
	Principal string          `json:"principal,omitempty"` // "" = all together
	Agent     string          `json:"agent,omitempty"`     // "" = all together
	Used      schema.UsageSum `json:"used"`
	Spent     bool            `json:"spent"` // nothing is left
	Again     time.Time       `json:"again"` // when it begins anew
}

// Standings returns how much of each budget is used, in their order: for one of each principal or agent by all that have used any of
// it, the ones with most tokens first.
func (l *Ledger) Standings() []Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	all, now := []Standing{}, l.now()
	for _, m := range l.meters {
		m.at(now)
		_, again := m.Window.Begin(m.begun)
		standing := func(s subject, used schema.UsageSum) Standing {
			return Standing{Budget: m.Budget, Principal: s.principal, Agent: s.agent, Used: used, Spent: m.spent(used), Again: again}
		}
		if m.Principal != Each && m.Agent != Each {
			only := subject{m.Principal, m.Agent}
			all = append(all, standing(only, m.used[only]))
			continue
		}
		begin := len(all)
		for s, used := range m.used {
			if used.Steps > 0 {
				all = append(all, standing(s, used))
			}
		}
		slices.SortFunc(all[begin:], func(a, b Standing) int {
			return cmp.Or(cmp.Compare(tokensOf(b.Used), tokensOf(a.Used)), cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Agent, b.Agent))
		})
	}
	return all
}

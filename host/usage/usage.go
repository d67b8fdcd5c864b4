// Package usage keeps what the models behind agents have used, knows what that costs, and holds it to budgets: it implements
// the whole of schema.Usage over a store.Store, for any runtime.
//
// A runtime asks Check before it asks a model, and has Record keep each step that a model has taken. A budget is therefore
// overrun by no more than the steps that are under way when it is used up: what a step will use is not known before it ends.
package usage

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Step is one step that a model has taken.
type Step struct {
	RunID, AgentID, Principal string // what and whom for
	Provider, Model           string
	Tokens                    schema.TokenUsage
}

// Ledger implements schema.Usage. All methods are safe for concurrent use.
type Ledger struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
	cfg    Config
	meters []*meter // one for each budget
}

var _ schema.Usage = (*Ledger)(nil)

// meter counts what is used of a budget in the window that began last.
type meter struct {
	Budget
	begun time.Time
	used  map[subject]schema.UsageSum
}

// Open returns a ledger over a store, which has counted what was used in the windows that run. now nil = time.Now, log nil = none.
func Open(ctx context.Context, s store.Store, c Config, now func() time.Time, log *slog.Logger) (*Ledger, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &Ledger{store: s, now: store.Clock(now), log: log, cfg: c}
	err := s.View(ctx, func(r store.Reader) (err error) {
		l.meters, err = meters(r, c, l.now())
		return err
	})
	return l, err
}

// Configure has the ledger go by c from now on, which it has counted by then. What was recorded before keeps the cost that it had.
// An error leaves everything as it was.
func (l *Ledger) Configure(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	return l.store.Update(ctx, func(tx store.Tx) error { // between two steps that are recorded
		counted, err := meters(tx, c, l.now())
		tx.OnCommit(func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.cfg, l.meters = c, counted
		})
		return err
	})
}

// config returns what the ledger goes by now.
func (l *Ledger) config() Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg
}

// meters counts what the store has of the windows that run.
func meters(r store.Reader, c Config, now time.Time) (all []*meter, err error) {
	for _, b := range c.Budgets {
		begin, _ := b.Window.Begin(now)
		m := &meter{Budget: b, begun: begin, used: map[subject]schema.UsageSum{}}
		if err := m.load(r, c.Currency); err != nil {
			return nil, fmt.Errorf("count what was used of the budget %s: %w", b.title(), err)
		}
		all = append(all, m)
	}
	return all, nil
}

// load counts what the store has of the window.
func (m *meter) load(r store.Reader, currency string) error {
	q := store.UsageQuery{Viewer: store.Viewer{Everything: true}, Since: m.begun, Currency: currency}
	if m.Agent != Each {
		q.AgentID = m.Agent
	}
	if m.Principal != Each {
		q.Principal = m.Principal
		return m.loadAgents(r, q)
	}
	q.GroupBy = schema.UsageByPrincipal
	principals, err := r.SumUsage(q)
	if err != nil {
		return err
	}
	for _, p := range principals {
		if m.Agent != Each {
			m.used[subject{p.Key, m.Agent}] = p.UsageSum
			continue
		}
		q.Principal = p.Key
		if err := m.loadAgents(r, q); err != nil {
			return err
		}
	}
	return nil
}

// loadAgents counts what q selects, for each agent if each has a budget.
func (m *meter) loadAgents(r store.Reader, q store.UsageQuery) error {
	q.GroupBy = ""
	if m.Agent == Each {
		q.GroupBy = schema.UsageByAgent
	}
	sums, err := r.SumUsage(q)
	for _, s := range sums {
		of := subject{q.Principal, m.Agent}
		if m.Agent == Each {
			of.agent = s.Key
		}
		m.used[of] = s.UsageSum
	}
	return err
}

// at turns the meter to the window of a time. A clock that is set back does not bring an earlier window back.
func (m *meter) at(now time.Time) {
	if begin, _ := m.Window.Begin(now); begin.After(m.begun) {
		m.begun = begin
		clear(m.used)
	}
}

// Check returns nil, or an *Exceeded: a budget of that principal with that agent is used up.
func (l *Ledger) Check(principal, agentID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, m := range l.meters {
		m.at(now)
		of, ok := m.of(principal, agentID)
		if used := m.used[of]; ok && m.spent(used) {
			_, again := m.Window.Begin(m.begun)
			return &Exceeded{Budget: m.Budget, Used: used, Currency: l.cfg.Currency, Again: again}
		}
	}
	return nil
}

// Estimate says to a person what tokens of a model cost, such as "0.0125 USD"; "" = no model has a price at all.
func (l *Ledger) Estimate(provider, model string, t schema.TokenUsage) string {
	c := l.config()
	cost, known := c.cost(provider, model, t)
	switch {
	case len(c.Prices) == 0:
		return ""
	case !known:
		return "an unknown amount, as there is no price of " + provider + "/" + model
	}
	return Amount(cost, c.Currency)
}

// Record keeps a step, durably, and counts it. It does so although its run may be over: it was used.
func (l *Ledger) Record(ctx context.Context, s Step) error {
	const maxModel = 200 // bytes; it is part of a cursor
	s.Tokens, s.Model = sound(s.Tokens), cut(s.Model, maxModel)
	c := l.config()
	u := store.Usage{
		RunID: s.RunID, AgentID: s.AgentID, Principal: s.Principal, Provider: s.Provider, Model: s.Model, Tokens: s.Tokens,
		Currency: c.Currency, At: l.now(),
	}
	if cost, known := c.cost(s.Provider, s.Model, u.Tokens); known {
		u.Cost = &cost
	}
	return l.store.Update(ctx, func(tx store.Tx) error {
		tx.OnCommit(func() { l.count(u) })
		return tx.InsertUsage(u)
	})
}

func (l *Ledger) count(u store.Usage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := schema.UsageSum{Steps: 1, TokenUsage: u.Tokens}
	if u.Cost != nil && u.Currency == l.cfg.Currency {
		sum.CostMicros = *u.Cost
	}
	for _, m := range l.meters {
		m.at(u.At)
		if of, ok := m.of(u.Principal, u.AgentID); ok {
			m.used[of] = m.used[of].Add(sum)
		}
	}
}

func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// Report adds up what the caller may see.
func (l *Ledger) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	list := paging.List("usage by " + string(q.GroupBy))
	after, err := list.Place(q.Cursor)
	if err != nil {
		return schema.UsageReport{}, err
	}
	limit, currency := schema.PageSize(q.Limit), l.config().Currency
	sq := store.UsageQuery{
		Viewer: fault.Viewer(ctx), AgentID: q.AgentID, Principal: q.Principal, RunID: q.RunID, Since: q.Since, Until: q.Until, Currency: currency,
	}
	out := schema.UsageReport{Currency: currency, Groups: []schema.UsageGroup{}}
	err = l.store.View(ctx, func(r store.Reader) error {
		total, err := r.SumUsage(sq)
		if err != nil || len(total) == 0 {
			return err
		}
		out.Total = total[0].UsageSum
		if q.GroupBy == "" {
			return nil
		}
		sq.GroupBy, sq.After, sq.Limit = q.GroupBy, after, limit+1
		groups, err := r.SumUsage(sq)
		if len(groups) > limit {
			groups = groups[:limit]
			out.NextCursor = list.Cursor(groups[limit-1].Key)
		}
		out.Groups = paging.OrNone(groups)
		return err
	})
	if err != nil {
		return schema.UsageReport{}, fault.Of(l.log, "report usage", err)
	}
	return out, nil
}

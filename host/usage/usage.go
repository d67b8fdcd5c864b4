// Package usage keeps what the models behind agents have used, knows what that costs, and holds it to budgets: it implements
// the whole of schema.Usage over a store.Store, for any runtime.
//
// A runtime asks Check before it asks a model, and has Record keep each step that a model has taken. A budget is therefore
// overrun by no more than the steps that are under way when it is used up: what a step will use is not known before it ends.
package usage

import (
	"context"
	"errors"
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

// MaxPrice bounds prices and the cost of a budget, so that sums fit.
const MaxPrice = 1e6

// Config is what a Ledger goes by; the zero one knows no prices and bounds nothing.
type Config struct {
	Currency string   `json:"currency"` // of every price, such as USD
	Prices   Prices   `json:"prices"`
	Budgets  []Budget `json:"budgets"`
}

// Validate returns nil or what is wrong.
func (c Config) Validate() error {
	if len(c.Prices) > 0 && c.Currency == "" {
		return errors.New("prices need a currency, such as USD")
	}
	if err := c.Prices.validate(); err != nil {
		return err
	}
	for _, b := range c.Budgets {
		if err := b.validate(len(c.Prices) > 0); err != nil {
			return err
		}
	}
	return nil
}

// Step is one step that a model has taken.
type Step struct {
	RunID, AgentID, Principal string // what and whom for
	Provider, Model           string
	Tokens                    schema.TokenUsage
}

// Ledger implements schema.Usage. All methods are safe for concurrent use.
type Ledger struct {
	store store.Store
	cfg   Config
	now   func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
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
	l := &Ledger{store: s, cfg: c, now: store.Clock(now), log: log}
	err := s.View(ctx, func(r store.Reader) error {
		for _, b := range c.Budgets {
			begin, _ := b.Window.Begin(l.now())
			m := &meter{Budget: b, begun: begin, used: map[subject]schema.UsageSum{}}
			if err := m.load(r, c.Currency); err != nil {
				return fmt.Errorf("count what was used of the budget %s: %w", b.title(), err)
			}
			l.meters = append(l.meters, m)
		}
		return nil
	})
	return l, err
}

// load counts what the store has of the window.
func (m *meter) load(r store.Reader, currency string) error {
	q := store.UsageQuery{Viewer: store.Viewer{Everything: true}, Since: m.begun, Currency: currency}
	principals, err := named(r, q, m.Principal, schema.UsageByPrincipal)
	for _, q.Principal = range principals {
		agents, err := named(r, q, m.Agent, schema.UsageByAgent)
		if err != nil {
			return err
		}
		of := q
		for _, of.AgentID = range agents {
			sums, err := r.SumUsage(of)
			if err != nil {
				return err
			}
			for _, sum := range sums {
				m.used[subject{of.Principal, of.AgentID}] = sum.UsageSum
			}
		}
	}
	return err
}

// named returns whom a budget is about: one, which may be "", or, for Each, all there are.
func named(r store.Reader, q store.UsageQuery, of string, by schema.UsageGrouping) ([]string, error) {
	if of != Each {
		return []string{of}, nil
	}
	q.GroupBy = by
	groups, err := r.SumUsage(q)
	var keys []string
	for _, g := range groups {
		keys = append(keys, g.Key)
	}
	return keys, err
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

// Cost returns what tokens of a model cost, in millionths of the currency, if its price is known.
func (l *Ledger) Cost(provider, model string, t schema.TokenUsage) (micros int64, known bool) {
	p, known := l.cfg.Prices.Of(provider, model)
	if !known {
		return 0, false
	}
	return p.Micros(t), true
}

// Currency is that of every cost; "" = no model has a price.
func (l *Ledger) Currency() string { return l.cfg.Currency }

// Record keeps a step, durably, and counts it. It does so although its run may be over: it was used.
func (l *Ledger) Record(ctx context.Context, s Step) error {
	const maxModel = 200 // bytes; it is part of a cursor
	s.Tokens, s.Model = sound(s.Tokens), cut(s.Model, maxModel)
	u := store.Usage{
		RunID: s.RunID, AgentID: s.AgentID, Principal: s.Principal, Provider: s.Provider, Model: s.Model, Tokens: s.Tokens,
		Currency: l.cfg.Currency, At: l.now(),
	}
	sum := schema.UsageSum{Steps: 1, TokenUsage: u.Tokens}
	if cost, known := l.Cost(s.Provider, s.Model, u.Tokens); known {
		u.Cost, sum.CostMicros = &cost, cost
	}
	return l.store.Update(ctx, func(tx store.Tx) error {
		tx.OnCommit(func() { l.count(u, sum) })
		return tx.InsertUsage(u)
	})
}

func (l *Ledger) count(u store.Usage, sum schema.UsageSum) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
	limit := schema.PageSize(q.Limit)
	sq := store.UsageQuery{
		Viewer: fault.Viewer(ctx), AgentID: q.AgentID, Principal: q.Principal, RunID: q.RunID, Since: q.Since, Until: q.Until, Currency: l.cfg.Currency,
	}
	out := schema.UsageReport{Currency: l.cfg.Currency, Groups: []schema.UsageGroup{}}
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

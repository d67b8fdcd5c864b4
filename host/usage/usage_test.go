package usage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var prices = usage.Prices{
	"openai/gpt-4o":   {Input: 2.5, Cached: new(1.25), Output: 10},
	"openai/gpt-4o-*": {Input: 0.15, Output: 0.6},
	"openai/*":        {Input: 1, Output: 1},
	"ollama/*":        {},
}

func TestCost(t *testing.T) {
	for _, c := range []struct {
		provider, model string
		tokens          schema.TokenUsage
		micros          int64
		known           bool
	}{
		{"openai", "gpt-4o", schema.TokenUsage{InputTokens: 1_000_000, OutputTokens: 1_000_000}, 12_500_000, true},
		{"openai", "gpt-4o", schema.TokenUsage{InputTokens: 1000, CachedTokens: 400, OutputTokens: 100, ReasoningTokens: 50}, 3000, true},
		{"openai", "gpt-4o-mini", schema.TokenUsage{InputTokens: 10, CachedTokens: 10, OutputTokens: 0}, 2, true}, // 1.5, rounded
		{"openai", "o3", schema.TokenUsage{InputTokens: 3, OutputTokens: 4}, 7, true},
		{"ollama", "qwen3", schema.TokenUsage{InputTokens: 1 << 30, OutputTokens: 1 << 30}, 0, true},
		{"anthropic", "claude", schema.TokenUsage{InputTokens: 3}, 0, false},
		{"open", "ai/o3", schema.TokenUsage{InputTokens: 3}, 0, false},
		{"openai", "o3", schema.TokenUsage{InputTokens: -5, CachedTokens: 7, OutputTokens: 2}, 2, true},
		{"openai", "o3", schema.TokenUsage{InputTokens: 1, CachedTokens: 7}, 1, true},
	} {
		price, known := prices.Of(c.provider, c.model)
		if micros := price.Micros(c.tokens); micros != c.micros || known != c.known {
			t.Errorf("%s/%s %+v costs %d (known: %v), want %d (%v)", c.provider, c.model, c.tokens, micros, known, c.micros, c.known)
		}
	}
}

func TestConfigsThatCannotBe(t *testing.T) {
	for says, c := range map[string]usage.Config{
		"need a currency":          {Prices: prices},
		`"openai" must be`:         {Currency: "USD", Prices: usage.Prices{"openai": {}}},
		`"*/x" must be`:            {Currency: "USD", Prices: usage.Prices{"*/x": {}}},
		"costs -1":                 {Currency: "USD", Prices: usage.Prices{"a/b": {Output: -1}}},
		"costs 1e+07":              {Currency: "USD", Prices: usage.Prices{"a/b": {Cached: new(1e7)}}},
		`"week": it must be`:       {Budgets: []usage.Budget{{Window: "week", Tokens: 1}}},
		"neither tokens nor cost":  {Budgets: []usage.Budget{{Window: usage.Day}}},
		"no model has a price":     {Budgets: []usage.Budget{{Window: usage.Day, Cost: 1}}},
		`"small" is out of bounds`: {Budgets: []usage.Budget{{Name: "small", Window: usage.Day, Tokens: -1}}},
		"each principal per hour":  {Budgets: []usage.Budget{{Principal: usage.Each, Window: usage.Hour, Tokens: -1}}},
	} {
		_, err := usage.Open(t.Context(), memory.New(), c, nil, nil)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want that it says %s", err, says)
		}
	}
}

func TestWindows(t *testing.T) {
	at := time.Date(2028, 2, 29, 23, 59, 59, 999, time.FixedZone("", 3600)) // 22:59 of UTC
	for w, want := range map[usage.Window]string{
		usage.Hour: "2028-02-29T22:00:00Z 2028-02-29T23:00:00Z", usage.Day: "2028-02-29T00:00:00Z 2028-03-01T00:00:00Z",
		usage.Month: "2028-02-01T00:00:00Z 2028-03-01T00:00:00Z",
	} {
		begin, next := w.Begin(at)
		if got := begin.Format(time.RFC3339) + " " + next.Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", w, got, want)
		}
	}
}

// TestBudgets uses budgets of every kind up, sees what the refusal says, waits for the next window, and opens the ledger anew.
func TestBudgets(t *testing.T) {
	db := file(t)
	now := time.Date(2026, 11, 25, 13, 59, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	cfg := usage.Config{Currency: "USD", Prices: prices, Budgets: []usage.Budget{
		{Name: "everybody", Window: usage.Month, Tokens: 1000},
		{Principal: usage.Each, Window: usage.Hour, Tokens: 100},
		{Principal: "carol", Agent: "nyx", Window: usage.Day, Cost: 0.0001},
		{Agent: usage.Each, Window: usage.Day, Tokens: 600},
	}}
	l := open(t, db, cfg, clock)
	record := func(who, agent, model string, tokens int64) {
		t.Helper()
		s := usage.Step{RunID: "run_1", AgentID: agent, Principal: who, Provider: "openai", Model: model, Tokens: schema.TokenUsage{InputTokens: tokens}}
		if err := l.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(who, agent string, says ...string) {
		t.Helper()
		for _, opened := range []string{"", " after it was opened anew"} {
			err := l.Check(who, agent)
			var e *usage.Exceeded
			switch {
			case says == nil && err != nil, says != nil && (!errors.As(err, &e) || e.Reason() != schema.ReasonBudget):
				t.Errorf("%s with %s%s: %v", who, agent, opened, err)
			case says != nil:
				for _, s := range says {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("%s with %s%s: %v does not say %s", who, agent, opened, err, s)
					}
				}
			}
			l = open(t, db, cfg, clock)
		}
	}
	refused("alice", "nyx")
	record("alice", "nyx", "o3", 99)
	refused("alice", "nyx")
	record("alice", "aria", "o3", 1)
	refused("alice", "nyx", "of each principal per hour", "allows 100 tokens per hour", "100 tokens were used", "begins anew at 2026-11-25T14:00:00Z")
	refused("bob", "nyx")
	record("carol", "nyx", "gpt-4o", 50) // 125 millionths
	refused("carol", "nyx", "of principal carol and agent nyx", "allows 0.0001 USD per day", "50 tokens for 0.000125 USD were used", "2026-11-26T00:00:00Z")
	refused("carol", "aria")
	now = now.Add(time.Minute)
	refused("alice", "nyx")
	refused("carol", "nyx", "principal carol")
	record("dave", "nyx", "o3", 451)
	refused("erin", "nyx", "of each agent per day", "600 tokens were used")
	refused("erin", "aria")
	record("dave", "aria", "o3", 399)
	refused("erin", "aria", `the budget "everybody"`, "1000 tokens were used", "2026-12-01T00:00:00Z", "usage.budgets of its configuration")
	now = now.AddDate(0, 0, 6)
	refused("erin", "aria")
	refused("carol", "nyx")
}

// TestStandings looks at budgets of every kind, before and after an hour ends.
func TestStandings(t *testing.T) {
	now := time.Date(2026, 11, 25, 13, 59, 0, 0, time.UTC)
	db := file(t)
	l := open(t, db, usage.Config{Budgets: []usage.Budget{
		{Window: usage.Month, Tokens: 50}, {Principal: "erin", Window: usage.Month, Tokens: 9}, {Principal: usage.Each, Agent: usage.Each, Window: usage.Hour, Tokens: 20},
	}}, func() time.Time { return now })
	for who, tokens := range map[string]int64{"alice": 20, "bob": 10, "carol": 10} {
		if err := l.Record(t.Context(), usage.Step{Principal: who, AgentID: "nyx", Tokens: schema.TokenUsage{OutputTokens: tokens}}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range l.Standings() {
			got = append(got, fmt.Sprintf("%s/%s %d %v %s", s.Principal, s.Agent, s.Used.OutputTokens, s.Spent, s.Again.Format("02T15")))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the budgets stand at %q, want %q", got, want)
		}
	}
	is("/ 40 false 01T00", "erin/ 0 false 01T00", "alice/nyx 20 true 25T14", "bob/nyx 10 false 25T14", "carol/nyx 10 false 25T14")
	now = now.Add(time.Minute)
	is("/ 40 false 01T00", "erin/ 0 false 01T00")
}

// TestMetersAgreeWithTheStore takes steps, moves the clock and opens the ledger anew, in any order: what is refused is always what
// the sums of the store say.
func TestMetersAgreeWithTheStore(t *testing.T) {
	who, agents := []string{"alice", "bob"}, []string{"nyx", "aria"}
	rapid.Check(t, func(t *rapid.T) {
		db, now := memory.New(), time.Date(2026, 11, 30, 22, 0, 0, 0, time.UTC)
		b := usage.Budget{
			Principal: rapid.SampledFrom([]string{"", usage.Each, "alice"}).Draw(t, "principal"), Agent: rapid.SampledFrom([]string{"", usage.Each, "nyx"}).Draw(t, "agent"),
			Window: rapid.SampledFrom([]usage.Window{usage.Hour, usage.Day, usage.Month}).Draw(t, "window"), Tokens: rapid.Int64Range(1, 40).Draw(t, "limit"),
		}
		renew := func() *usage.Ledger {
			l, err := usage.Open(context.Background(), db, usage.Config{Budgets: []usage.Budget{b}}, func() time.Time { return now }, nil)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := renew()
		t.Repeat(map[string]func(*rapid.T){
			"step": func(t *rapid.T) {
				s := usage.Step{Principal: rapid.SampledFrom(who).Draw(t, "who"), AgentID: rapid.SampledFrom(agents).Draw(t, "of"), Tokens: schema.TokenUsage{OutputTokens: rapid.Int64Range(0, 9).Draw(t, "tokens")}}
				if err := l.Record(context.Background(), s); err != nil {
					t.Fatal(err)
				}
			},
			"time":  func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute) },
			"again": func(*rapid.T) { l = renew() },
			"other budget": func(t *rapid.T) {
				b.Tokens = rapid.Int64Range(1, 40).Draw(t, "limit")
				if err := l.Configure(context.Background(), usage.Config{Budgets: []usage.Budget{b}}); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				for _, p := range who {
					for _, a := range agents {
						if got, want := l.Check(p, a) != nil, overdrawn(t, db, b, now, p, a); got != want {
							t.Fatalf("%s with %s is refused: %v, want %v", p, a, got, want)
						}
					}
				}
			},
		})
	})
}

// overdrawn says by the store whether a budget lets a principal ask an agent.
func overdrawn(t *rapid.T, db store.Store, b usage.Budget, now time.Time, p, a string) bool {
	begin, _ := b.Window.Begin(now)
	q := store.UsageQuery{Viewer: store.Viewer{Everything: true}, Since: begin}
	if b.Principal != "" && b.Principal != usage.Each && b.Principal != p || b.Agent != "" && b.Agent != usage.Each && b.Agent != a {
		return false
	}
	if b.Principal != "" {
		q.Principal = p
	}
	if b.Agent != "" {
		q.AgentID = a
	}
	var used int64
	if err := db.View(context.Background(), func(r store.Reader) error {
		sums, err := r.SumUsage(q)
		for _, s := range sums {
			used += s.OutputTokens
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return used >= b.Tokens
}

// TestConfigureUnderLoad changes the budgets while steps are recorded: none is counted twice, or not at all.
func TestConfigureUnderLoad(t *testing.T) {
	const writers, steps = 4, 50
	for name, db := range map[string]store.Store{"in memory": memory.New(), "in a file": file(t)} {
		t.Run(name, func(t *testing.T) {
			budget := func(tokens int64) usage.Config {
				return usage.Config{Budgets: []usage.Budget{{Window: usage.Month, Tokens: tokens}}}
			}
			l := open(t, db, budget(1), nil)
			var recording sync.WaitGroup
			for range writers {
				recording.Go(func() {
					for range steps {
						if err := l.Record(context.Background(), usage.Step{Principal: "alice", Tokens: schema.TokenUsage{OutputTokens: 1}}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				recording.Wait()
			}()
			for limit := int64(2); ; limit++ {
				if err := l.Configure(t.Context(), budget(1+limit%2)); err != nil {
					t.Fatal(err)
				}
				select {
				case <-done:
				default:
					continue
				}
				break
			}
			err := l.Check("alice", "nyx")
			var e *usage.Exceeded
			if !errors.As(err, &e) || e.Used.OutputTokens != writers*steps {
				t.Errorf("%d tokens are used, and it says %v", writers*steps, err)
			}
		})
	}
}

// TestConfigure changes prices and the currency: what was used keeps its cost, and what cannot be leaves all as it was.
func TestConfigure(t *testing.T) {
	l := open(t, file(t), usage.Config{Currency: "USD", Prices: usage.Prices{"a/*": {Input: 1}}}, nil)
	record := func() {
		t.Helper()
		if err := l.Record(t.Context(), usage.Step{Principal: "alice", Provider: "a", Model: "m", Tokens: schema.TokenUsage{InputTokens: 10}}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(currency string, cost, unpriced int64) {
		t.Helper()
		r, err := l.Report(schema.WithCaller(t.Context(), schema.Caller{Principal: "alice"}), schema.UsageQuery{})
		if err != nil || r.Currency != currency || r.Total.CostMicros != cost || r.Total.UnpricedTokens != unpriced {
			t.Errorf("%+v, %v; want %d %s and %d tokens without a price", r, err, cost, currency, unpriced)
		}
	}
	record()
	is("USD", 10, 0)
	dearer := usage.Config{Currency: "USD", Prices: usage.Prices{"a/*": {Input: 3}}, Budgets: []usage.Budget{{Window: usage.Month, Cost: 0.00004}}}
	if err := l.Configure(t.Context(), dearer); err != nil {
		t.Fatal(err)
	}
	is("USD", 10, 0)
	if err := l.Check("alice", "nyx"); err != nil {
		t.Error(err)
	}
	record()
	is("USD", 40, 0)
	if err := l.Check("alice", "nyx"); err == nil {
		t.Error("the budget is not used up")
	}
	if err := l.Configure(t.Context(), usage.Config{Prices: prices}); err == nil || !strings.Contains(err.Error(), "need a currency") {
		t.Errorf("a configuration that cannot be: %v", err)
	}
	is("USD", 40, 0)
	dearer.Currency = "EUR"
	if err := l.Configure(t.Context(), dearer); err != nil {
		t.Fatal(err)
	}
	is("EUR", 0, 20)
	if err := l.Check("alice", "nyx"); err != nil {
		t.Errorf("dollars count for a budget of euros: %v", err)
	}
}

// TestOverrunIsBounded has many ask at once, each of whom checks, takes a step and records it: what is used beyond the budget is
// at most what the steps under way at that time have used.
func TestOverrunIsBounded(t *testing.T) {
	const askers, limit = 8, 100
	l := open(t, memory.New(), usage.Config{Budgets: []usage.Budget{{Window: usage.Month, Tokens: limit}}}, nil)
	var wg sync.WaitGroup
	for i := range askers {
		wg.Go(func() {
			for l.Check("alice", "nyx") == nil {
				s := usage.Step{RunID: fmt.Sprint("run_", i), AgentID: "nyx", Principal: "alice", Tokens: schema.TokenUsage{OutputTokens: 1}}
				if err := l.Record(context.Background(), s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	r, err := l.Report(schema.WithCaller(t.Context(), schema.Caller{Principal: "alice"}), schema.UsageQuery{})
	if n := r.Total.OutputTokens; err != nil || n < limit || n > limit+askers-1 {
		t.Errorf("%d tokens were used (%v), want %d to %d", n, err, limit, limit+askers-1)
	}
}

func TestReport(t *testing.T) {
	l := open(t, file(t), usage.Config{Currency: "USD", Prices: prices}, nil)
	for i, who := range []string{"alice", "bob", "alice"} {
		s := usage.Step{RunID: fmt.Sprint("run_", i), AgentID: "nyx", Principal: who, Provider: "openai", Model: "o3", Tokens: schema.TokenUsage{InputTokens: 10}}
		if who == "bob" {
			s.Provider, s.Model = "mystery", strings.Repeat("ö", 300)+"\xff"
		}
		if err := l.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	as := func(who string, scopes ...schema.Scope) context.Context {
		return schema.WithCaller(t.Context(), schema.Caller{Principal: who, Scopes: scopes})
	}
	report := func(ctx context.Context, q schema.UsageQuery) schema.UsageReport {
		t.Helper()
		r, err := l.Report(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	root := as("root", schema.ScopeAdmin)
	if r := report(root, schema.UsageQuery{}); r.Currency != "USD" || r.Total.CostMicros != 20 || r.Total.UnpricedTokens != 10 || r.Total.Steps != 3 || r.Groups == nil || len(r.Groups) != 0 {
		t.Errorf("everything is %+v", r)
	}
	if r := report(as("alice"), schema.UsageQuery{GroupBy: schema.UsageByPrincipal}); r.Total.Steps != 2 || len(r.Groups) != 1 || r.Groups[0].Key != "alice" {
		t.Errorf("alice sees %+v", r)
	}
	if r := report(as("carol"), schema.UsageQuery{GroupBy: schema.UsageByDay}); r.Total != (schema.UsageSum{}) || r.Groups == nil || len(r.Groups) != 0 {
		t.Errorf("carol sees %+v", r)
	}
	var keys []string
	for q := (schema.UsageQuery{GroupBy: schema.UsageByModel, Limit: 1}); ; {
		r := report(root, q)
		if keys = append(keys, r.Groups[0].Key); r.Total.Steps != 3 || len(r.NextCursor) > schema.MaxCursorBytes {
			t.Errorf("a page has the total %+v and a cursor of %d bytes", r.Total, len(r.NextCursor))
		}
		if q.Cursor = r.NextCursor; q.Cursor == "" {
			break
		}
		if _, err := l.Report(root, schema.UsageQuery{GroupBy: schema.UsageByRun, Cursor: q.Cursor}); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("the cursor of models leads into runs: %v", err)
		}
	}
	if len(keys) != 2 || keys[0] != "mystery/"+strings.Repeat("ö", 100) || keys[1] != "openai/o3" {
		t.Errorf("the models are %q", keys)
	}
}

func file(t *testing.T) store.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/usage.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func open(t *testing.T, s store.Store, c usage.Config, now func() time.Time) *usage.Ledger {
	t.Helper()
	l, err := usage.Open(t.Context(), s, c, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

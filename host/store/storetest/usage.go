package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// midnight is the end of noon's day.
var midnight = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)

func step(run, agent, who, model string, tokens, cost int64, currency string, at time.Time) store.Usage {
	u := store.Usage{
		RunID: run, AgentID: agent, Principal: who, Provider: "openai", Model: model, Currency: currency, At: at,
		Tokens: schema.TokenUsage{InputTokens: tokens, CachedTokens: 1, OutputTokens: 2 * tokens, ReasoningTokens: 3},
	}
	if cost >= 0 {
		u.Cost = &cost
	}
	return u
}

// usageIsAddedUp looks at four steps from every side.
func usageIsAddedUp(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for _, u := range []store.Usage{
			step("run_1", "nyx", "alice", "small", 10, 100, "USD", noon),
			step("run_1", "nyx", "alice", "large", 20, 200, "USD", midnight.Add(-1)),
			step("run_2", "aria", "alice", "small", 40, -1, "USD", midnight),
			step("run_3", "nyx", "bob", "small", 80, 0, "EUR", midnight.Add(time.Hour)),
		} {
			if err := tx.InsertUsage(u); err != nil {
				return err
			}
		}
		return nil
	})
	all := store.Viewer{Everything: true}
	for _, c := range []struct {
		name string
		q    store.UsageQuery
		want string // key:steps:input:cost:unpriced
	}{
		{"everything", store.UsageQuery{Viewer: all}, "[:4:150:300:120]"},
		{"in one currency", store.UsageQuery{Viewer: all, Currency: "USD"}, "[:4:150:300:360]"},
		{"alice looks", store.UsageQuery{Viewer: store.Viewer{Principal: "alice"}, Currency: "USD"}, "[:3:70:300:120]"},
		{"alice looks at bob's", store.UsageQuery{Viewer: store.Viewer{Principal: "alice"}, Principal: "bob"}, "[]"},
		{"of bob", store.UsageQuery{Viewer: all, Principal: "bob"}, "[:1:80:0:0]"},
		{"of an agent", store.UsageQuery{Viewer: all, AgentID: "nyx"}, "[:3:110:300:0]"},
		{"of a run", store.UsageQuery{Viewer: all, RunID: "run_1"}, "[:2:30:300:0]"},
		{"since", store.UsageQuery{Viewer: all, Since: midnight}, "[:2:120:0:120]"},
		{"until", store.UsageQuery{Viewer: all, Until: midnight}, "[:2:30:300:0]"},
		{"since long ago", store.UsageQuery{Viewer: all, Since: time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)}, "[:4:150:300:120]"},
		{"until the end of time", store.UsageQuery{Viewer: all, Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, "[:4:150:300:120]"},
		{"not yet", store.UsageQuery{Viewer: all, Since: time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), GroupBy: schema.UsageByRun}, "[]"},
		{"never", store.UsageQuery{Viewer: all, Since: midnight.Add(2 * time.Hour), GroupBy: schema.UsageByRun}, "[]"},
		{"by run", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByRun}, "[run_3:1:80:0:0 run_2:1:40:0:120 run_1:2:30:300:0]"},
		{"by agent", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByAgent}, "[aria:1:40:0:120 nyx:3:110:300:0]"},
		{"by principal", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByPrincipal}, "[alice:3:70:300:120 bob:1:80:0:0]"},
		{"by provider", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByProvider}, "[openai:4:150:300:120]"},
		{"by model", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByModel}, "[openai/large:1:20:200:0 openai/small:3:130:100:120]"},
		{"by day", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByDay}, "[2026-01-03:2:120:0:120 2026-01-02:2:30:300:0]"},
		{"a page", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByRun, Limit: 1}, "[run_3:1:80:0:0]"},
		{"the next page", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByRun, After: "run_3", Limit: 1}, "[run_2:1:40:0:120]"},
		{"the next agents", store.UsageQuery{Viewer: all, GroupBy: schema.UsageByAgent, After: "aria"}, "[nyx:3:110:300:0]"},
	} {
		if got := sums(t, s, c.q); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	view(t, s, func(r store.Reader) error {
		groups, err := r.SumUsage(store.UsageQuery{Viewer: all, RunID: "run_1"})
		same(t, "tokens", groups[0].TokenUsage, schema.TokenUsage{InputTokens: 30, CachedTokens: 2, OutputTokens: 60, ReasoningTokens: 6})
		return err
	})
}

// sums returns groups as a text.
func sums(t *testing.T, s store.Store, q store.UsageQuery) string {
	t.Helper()
	out := []string{}
	view(t, s, func(r store.Reader) error {
		groups, err := r.SumUsage(q)
		for _, g := range groups {
			out = append(out, fmt.Sprintf("%s:%d:%d:%d:%d", g.Key, g.Steps, g.InputTokens, g.CostMicros, g.UnpricedTokens))
		}
		return err
	})
	return fmt.Sprint(out)
}

// usageAgrees keeps any steps at all: however they are grouped, the groups come to the same as everything together, and pages
// of one group hold the same as all at once.
func usageAgrees(t *testing.T, s store.Store) {
	one := func(prefix string) *rapid.Generator[string] {
		return rapid.Map(rapid.IntRange(1, 4), func(n int) string { return fmt.Sprint(prefix, n) })
	}
	var want schema.UsageSum
	rapid.Check(t, func(t *rapid.T) {
		u := step(one("run").Draw(t, "run"), one("agent").Draw(t, "agent"), one("who").Draw(t, "who"), one("model").Draw(t, "model"),
			rapid.Int64Range(0, 1<<40).Draw(t, "tokens"), rapid.Int64Range(-1, 1<<40).Draw(t, "cost"), rapid.SampledFrom([]string{"USD", "EUR"}).Draw(t, "currency"),
			noon.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "hours"))*time.Hour))
		if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.InsertUsage(u) }); err != nil {
			t.Fatal(err)
		}
		want = want.Add(schema.UsageSum{Steps: 1, TokenUsage: u.Tokens})
		if u.Cost != nil && u.Currency == "USD" {
			want.CostMicros += *u.Cost
		} else {
			want.UnpricedTokens += u.Tokens.InputTokens + u.Tokens.OutputTokens
		}
		for _, by := range append(schema.UsageGroupings(), "") {
			var all, paged schema.UsageSum
			err := s.View(t.Context(), func(r store.Reader) error {
				q := store.UsageQuery{Viewer: store.Viewer{Everything: true}, Currency: "USD", GroupBy: by}
				groups, err := r.SumUsage(q)
				for _, g := range groups {
					all = all.Add(g.UsageSum)
				}
				for q.Limit = 1; err == nil; {
					var page []schema.UsageGroup
					if page, err = r.SumUsage(q); len(page) == 0 {
						break
					}
					paged, q.After = paged.Add(page[0].UsageSum), page[0].Key
					if by == "" {
						break
					}
				}
				return err
			})
			if err != nil || all != want || paged != want {
				t.Fatalf("by %q it comes to %+v, in pages to %+v (%v), want %+v", by, all, paged, err, want)
			}
		}
	})
}

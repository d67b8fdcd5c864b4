package services

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func usageChecks() []check {
	return []check{
		{"adds-up", "however steps are grouped, the groups come to the total, each group has its key, and they are in order", "schema.UsageReport", usageAddsUp},
		{"of-a-run", "a run says the same of itself as the report of it", "schema.Run", usageOfRun},
		{"selects", "each part of a query selects", "schema.UsageQuery", usageSelects},
		{"pages", "pages hold the same groups as one list, and another cursor is CodeInvalidArgument", "schema.UsageReport", usagePages},
		{"isolation", "usage is its principal's, and ScopeAdmin's", "schema.Usage", usageIsolation},
		{"outlives-its-conversation", "what was used is counted although its conversation was deleted", "schema.Usage", usageOutlives},
	}
}

// spend has a caller talk to both agents, and returns the runs.
func (s *suite) spend(ctx context.Context) (runs []string) {
	for _, agent := range []string{nyx, aria, nyx} {
		runs = append(runs, s.say(ctx, schema.SendRequest{AgentID: agent, Message: "how much is that?"}).accepted.RunID)
	}
	return runs
}

func (s *suite) usage(ctx context.Context, q schema.UsageQuery) schema.UsageReport {
	s.Helper()
	r := must1[schema.UsageReport](s)(s.Usage.Report(ctx, q))
	if r.Groups == nil {
		s.Errorf("%+v: the groups are nil, and must not be", q)
	}
	return r
}

func usageAddsUp(s *suite) {
	ctx := s.user()
	who, began := schema.CallerFrom(ctx).Principal, time.Now()
	runs := s.spend(ctx)
	total := s.usage(ctx, schema.UsageQuery{})
	if len(total.Groups) != 0 || total.NextCursor != "" {
		s.Errorf("without groups it has %+v", total.Groups)
	}
	days := []string{began.UTC().Format(time.DateOnly), time.Now().UTC().Format(time.DateOnly)}
	for by, expected := range map[schema.UsageGrouping]func(key string) bool{
		schema.UsageByRun:       func(key string) bool { return slices.Contains(runs, key) },
		schema.UsageByAgent:     func(key string) bool { return key == nyx || key == aria },
		schema.UsageByPrincipal: func(key string) bool { return key == who },
		schema.UsageByProvider:  func(key string) bool { return key != "" && !strings.Contains(key, "/") },
		schema.UsageByModel:     func(key string) bool { return strings.Contains(key, "/") },
		schema.UsageByDay:       func(key string) bool { return slices.Contains(days, key) },
	} {
		r := s.usage(ctx, schema.UsageQuery{GroupBy: by})
		var sum schema.UsageSum
		for i, g := range r.Groups {
			sum = sum.Add(g.UsageSum)
			if !expected(g.Key) || g.Steps == 0 || i > 0 && (g.Key < r.Groups[i-1].Key) != by.Latest() {
				s.Errorf("by %s there is the group %+v", by, g)
			}
		}
		if sum != total.Total || r.Total != total.Total || r.Currency != total.Currency {
			s.Errorf("by %s it comes to %+v of %+v, want %+v", by, sum, r.Total, total.Total)
		}
	}
}

func usageOfRun(s *suite) {
	ctx := s.user()
	for _, id := range s.spend(ctx) {
		r := s.usage(ctx, schema.UsageQuery{RunID: id})
		var said schema.UsageSum
		if used := must1[schema.Run](s)(s.Chat.Run(ctx, id)).Usage; used != nil {
			said = *used
		}
		if said.Steps != r.Total.Steps || said.TokenUsage != r.Total.TokenUsage {
			s.Errorf("the run says %+v, and the report %+v", said, r.Total)
		}
	}
}

func usageSelects(s *suite) {
	ctx := s.user()
	runs := s.spend(ctx)
	total := s.usage(ctx, schema.UsageQuery{}).Total
	sum := func(qs ...schema.UsageQuery) (sum schema.UsageSum) {
		for _, q := range qs {
			sum = sum.Add(s.usage(ctx, q).Total)
		}
		return sum
	}
	soon, long := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for what, got := range map[string]schema.UsageSum{
		"its runs":   sum(schema.UsageQuery{RunID: runs[0]}, schema.UsageQuery{RunID: runs[1]}, schema.UsageQuery{RunID: runs[2]}),
		"its agents": sum(schema.UsageQuery{AgentID: nyx}, schema.UsageQuery{AgentID: aria}),
		"itself":     sum(schema.UsageQuery{Principal: schema.CallerFrom(ctx).Principal}),
		"now":        sum(schema.UsageQuery{Since: long, Until: soon}),
	} {
		if got != total {
			s.Errorf("of %s it is %+v, want %+v", what, got, total)
		}
	}
	for what, q := range map[string]schema.UsageQuery{
		"no run": {RunID: newRunID()}, "no agent": {AgentID: "nobody"}, "the future": {Since: soon}, "the past": {Until: long},
	} {
		if got := sum(q); got != (schema.UsageSum{}) {
			s.Errorf("of %s it is %+v, want nothing", what, got)
		}
	}
}

func usagePages(s *suite) {
	ctx := s.user()
	s.spend(ctx)
	whole := s.usage(ctx, schema.UsageQuery{GroupBy: schema.UsageByRun})
	paged := []schema.UsageGroup{}
	for q := (schema.UsageQuery{GroupBy: schema.UsageByRun, Limit: 1}); ; {
		r := s.usage(ctx, q)
		paged = append(paged, r.Groups...)
		if r.Total != whole.Total || len(r.Groups) > 1 || len(paged) > len(whole.Groups) {
			s.Fatalf("a page is %+v", r)
		}
		if q.Cursor = r.NextCursor; q.Cursor == "" {
			break
		}
	}
	if !slices.Equal(paged, whole.Groups) {
		s.Errorf("in pages there are %+v, and at once %+v", paged, whole.Groups)
	}
	_, err := s.Usage.Report(ctx, schema.UsageQuery{GroupBy: schema.UsageByRun, Cursor: "nonsense"})
	s.wantCode(err, schema.CodeInvalidArgument)
}

func usageIsolation(s *suite) {
	alice, bob := s.user(), s.user()
	who := schema.CallerFrom(alice).Principal
	runs := s.spend(alice)
	for _, q := range []schema.UsageQuery{{}, {Principal: who}, {RunID: runs[0]}, {GroupBy: schema.UsageByPrincipal}} {
		if r := s.usage(bob, q); r.Total != (schema.UsageSum{}) || len(r.Groups) != 0 {
			s.Errorf("%+v shows somebody else %+v", q, r)
		}
	}
	own, seen := s.usage(alice, schema.UsageQuery{}), s.usage(s.admin(), schema.UsageQuery{Principal: who})
	if own.Total != seen.Total {
		s.Errorf("an administrator sees %+v, and they themselves %+v", seen.Total, own.Total)
	}
}

func usageOutlives(s *suite) {
	ctx := s.user()
	s.say(ctx, schema.SendRequest{AgentID: nyx, ConversationID: "short", Message: "how much is that?"})
	before := s.usage(ctx, schema.UsageQuery{}).Total
	s.must(s.Chat.DeleteConversation(ctx, "short", 0))
	if after := s.usage(ctx, schema.UsageQuery{}).Total; after != before {
		s.Errorf("after its conversation was deleted it is %+v, and was %+v", after, before)
	}
}

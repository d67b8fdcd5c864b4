package host_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// counts is a runtime that says what was used, and who asked.
type counts struct {
	spends
	asked *schema.UsageQuery
}

func (c *counts) Services() schema.Services { return schema.Services{Usage: c} }

func (c *counts) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	*c.asked = q
	if !schema.CallerFrom(ctx).Can(schema.ScopeAdmin) {
		return schema.UsageReport{}, schema.Errorf(schema.CodePermissionDenied, "who are you?")
	}
	return schema.UsageReport{Currency: "USD", Total: schema.UsageSum{Steps: 2}, Groups: []schema.UsageGroup{{Key: "nyx", UsageSum: schema.UsageSum{CostMicros: 7}}}, NextCursor: "next"}, nil
}

func TestControlOfUsage(t *testing.T) {
	var asked schema.UsageQuery
	_, folder := declaring(t, &counts{asked: &asked}, slog.New(slog.DiscardHandler))
	c, err := host.Connect(t.Context(), filepath.Join(filepath.Dir(folder), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q := schema.UsageQuery{
		AgentID: "nyx", Principal: "alice&bob", RunID: "run_1", GroupBy: schema.UsageByAgent, Limit: 3, Cursor: "place",
		Since: time.Date(2026, 11, 1, 0, 0, 0, 1, time.UTC), Until: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
	}
	r, err := c.Usage(t.Context(), q)
	if err != nil || r.Total.Steps != 2 || r.Groups[0].CostMicros != 7 || r.NextCursor != "next" || asked != q {
		t.Errorf("the answer is %+v, %v; asked was %+v", r, err, asked)
	}
	if _, err := c.Usage(t.Context(), schema.UsageQuery{GroupBy: "moon"}); refused(err).Status != http.StatusUnprocessableEntity {
		t.Errorf("a grouping that there is not: %v", err)
	}
	all, err := c.Budgets(t.Context())
	if err != nil || len(all) != 1 || all[0].Budget != (usage.Budget{Name: "all", Window: usage.Day, Tokens: 5}) || !all[0].Spent {
		t.Errorf("the budgets are %+v, %v", all, err)
	}
}

func TestControlWithoutUsage(t *testing.T) {
	c := newHouse(t).client()
	for what, ask := range map[string]func() error{
		"say what":   func() error { _, err := c.Usage(t.Context(), schema.UsageQuery{}); return err },
		"no budgets": func() error { _, err := c.Budgets(t.Context()); return err },
	} {
		if e := refused(ask()); e.Status != http.StatusNotImplemented || !strings.Contains(e.Message, what) {
			t.Errorf("a runtime that has none is said to %+v, want %s", e, what)
		}
	}
}

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMoments(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "2026-02-28": "2026-02-28T00:00:00Z", "2026-02-28T10:00:00+01:00": "2026-02-28T09:00:00Z",
		"24h": "2026-02-28T12:00:00Z", "7d": "2026-02-22T12:00:00Z", "0d": "2026-03-01T12:00:00Z", "1h30m": "2026-03-01T10:30:00Z",
	} {
		if got, err := moment(text, now); err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "d", "-1d", "1.5d", "7d ", "-1h", "2026-02-30", "28.2.2026"} {
		if got, err := moment(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestTableOfUsage(t *testing.T) {
	known := schema.UsageSum{Steps: 2, TokenUsage: schema.TokenUsage{InputTokens: 1830, CachedTokens: 1024, OutputTokens: 214}, CostMicros: 5435}
	unknown := schema.UsageSum{Steps: 1, TokenUsage: schema.TokenUsage{InputTokens: 640, OutputTokens: 88, ReasoningTokens: 8}, UnpricedTokens: 728}
	show := func(r schema.UsageReport) string {
		var out bytes.Buffer
		if err := writeUsage(&out, "model", r); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	got := show(schema.UsageReport{Currency: "USD", Total: known.Add(unknown), NextCursor: "x", Groups: []schema.UsageGroup{{Key: "ollama/qwen3\x1b", UsageSum: unknown}, {Key: "openai/gpt-4o", UsageSum: known}}})
	const table = `MODEL          STEPS  READ  CACHED  WRITTEN  REASONING  COST
ollama/qwen3�  1      640   0       88       8          0.00 USD +
openai/gpt-4o  2      1830  1024    214      0          0.005435 USD
total          3      2470  1024    302      8          0.005435 USD +
`
	const want = table + `
There is more, which the total counts: raise --limit, or ask for less.

728 of the tokens have no known price, so that the cost is more than this: add it under usage.prices.
`
	if got != want {
		t.Errorf("it shows\n%s\nwant\n%s", got, want)
	}
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "brains.md"))
	if err != nil || !strings.Contains(string(chapter), strings.Replace(table, "�", " ", 1)) {
		t.Errorf("docs/brains.md does not show\n%s%v", table, err)
	}
	if got := show(schema.UsageReport{Total: known}); !strings.Contains(got, "0          -\n") {
		t.Errorf("without prices it shows\n%s", got)
	}
	if got := show(schema.UsageReport{Currency: "USD"}); got != "no model was asked\n" {
		t.Errorf("of nothing it shows %s", got)
	}
}

func TestTableOfBudgets(t *testing.T) {
	var out bytes.Buffer
	again := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	all := []usage.Standing{
		{Budget: usage.Budget{Name: "all", Window: usage.Month, Cost: 5}, Used: schema.UsageSum{TokenUsage: schema.TokenUsage{InputTokens: 9, OutputTokens: 1}, CostMicros: 12_500}, Again: again},
		{Budget: usage.Budget{Principal: usage.Each, Window: usage.Day, Tokens: 10}, Principal: "alice", Used: schema.UsageSum{TokenUsage: schema.TokenUsage{InputTokens: 11}}, Spent: true, Again: again},
	}
	if err := writeBudgets(&out, all, 3); err != nil {
		t.Fatal(err)
	}
	const want = `BUDGET  PRINCIPAL  AGENT  WINDOW  TOKENS    COST         AGAIN              LEFT
all     all        all    month   10        0.0125 of 5  2026-12-01T00:00Z  yes
-       alice      all    day     11 of 10  0.00         2026-12-01T00:00Z  no

1 more have used some of theirs: raise --limit, or see --json.
`
	if out.String() != want {
		t.Errorf("it shows\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := writeBudgets(&out, nil, 0); err != nil || !strings.Contains(out.String(), "usage.budgets") {
		t.Errorf("without budgets it shows %s, %v", out.String(), err)
	}
}

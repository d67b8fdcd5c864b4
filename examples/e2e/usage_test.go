//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// startCounting starts a host whose agent abacus thinks with the example brain: it counts to three, which uses a token for the message and
// one for each number. usage is what the block usage has.
func startCounting(t *testing.T, usage string) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{file: filepath.Join(dir, "stagehouse.json")}
	path := filepath.Join(dir, "plugins", "stagehouse-brain")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/stagehouse/stagehouse/examples/brain").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	write(t, h.file, priced(usage))
	h.server = start(t, t.TempDir(), "--config", h.file)
	return h
}

func priced(usage string) string {
	return `{"extensions": {"api": {"port": 0}, "brain": {"pauseMs": 0}}, "usage": {` + usage + `},
		"agents": [{"id": "abacus", "brain": {"provider": "brain", "upTo": 3, "fallback": ["builtin"]}}, {"id": "plain"}]}`
}

// tool runs a command of stagehouse at the data of the host.
func (s *server) tool(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	return run(s.t, "", append(args, "--data", s.data)...)
}

// sum is what a report says was used, as far as the tests look at it.
func sum(t *testing.T, a answer) (total schema.UsageSum, keys string) {
	t.Helper()
	var r schema.UsageReport
	if err := json.Unmarshal(a.raw, &r); err != nil {
		t.Fatal(err)
	}
	for _, g := range r.Groups {
		keys += g.Key + " "
	}
	return r.Total, strings.TrimSpace(keys)
}

// TestUsageAndBudgets has three people use a model up to what they may, looks at what was used from every side, raises the budget while
// the host runs, and starts the host anew.
func TestUsageAndBudgets(t *testing.T) {
	const prices = `"currency": "USD", "prices": {"brain/*": {"inputPerMillion": 1000, "outputPerMillion": 2000}}, `
	const budget = `"budgets": [{"name": "fair share", "principal": "*", "agent": "abacus", "window": "month", "tokens": `
	h := startCounting(t, prices+budget+`8}]`)
	c := newClient(t)
	tokens := map[string]string{"alice": h.created("alice", "chat"), "bob": h.created("bob", "chat")}
	say := func(who string, want int, more ...any) answer {
		t.Helper()
		body := map[string]any{"agentId": "abacus", "message": "Count."}
		for i := 0; i < len(more); i += 2 {
			body[more[i].(string)] = more[i+1]
		}
		return h.with(c, want, http.MethodPost, "/api/chat/send", body, "Authorization", "Bearer "+tokens[who])
	}
	used := func(who, query string) (schema.UsageSum, string) {
		t.Helper()
		return sum(t, h.with(c, http.StatusOK, http.MethodGet, "/api/usage?"+query, nil, "Authorization", "Bearer "+tokens[who]))
	}
	one := schema.UsageSum{Steps: 1, TokenUsage: schema.TokenUsage{InputTokens: 1, OutputTokens: 3}, CostMicros: 7000}

	if text := say("alice", http.StatusOK, "context", map[string]any{"dryRun": true}).raw; !strings.Contains(string(text), "nobody was asked") || !strings.Contains(string(text), "USD") {
		t.Errorf("a dry run says %s", text)
	}
	if got, _ := used("alice", ""); got != (schema.UsageSum{}) {
		t.Errorf("a dry run has used %+v", got)
	}
	first := say("alice", http.StatusOK).str("runId")
	var run schema.Run
	if a := h.with(c, http.StatusOK, http.MethodGet, "/api/runs/"+first, nil, "Authorization", "Bearer "+tokens["alice"]); json.Unmarshal(a.raw, &run) != nil || run.Usage == nil || *run.Usage != one {
		t.Errorf("the run is %s", a.raw)
	}
	say("bob", http.StatusOK)
	second := say("alice", http.StatusOK)
	if got, keys := used("alice", "groupBy=run"); got != one.Add(one) || keys != second.str("runId")+" "+first {
		t.Errorf("alice has used %+v in %s", got, keys)
	}

	a := say("alice", http.StatusPaymentRequired)
	for _, says := range []string{`"budget_exceeded"`, `fair share`, "it allows 8 tokens per month", "begins anew at", a.str("runId")} {
		if a.str("runId") == "" || !strings.Contains(string(a.raw), says) {
			t.Errorf("over budget it says %s, without %s", a.raw, says)
		}
	}
	k := h.authenticated(tokens["alice"])
	k.send(frame{"type": "chat:message", "id": 1, "agentId": "abacus", "message": "Count."})
	if f := k.until("chat:failed", "chat:reply", "error"); f.str("type") != "chat:failed" || f.str("reason") != schema.ReasonBudget || !strings.Contains(f.str("error"), "fair share") {
		t.Errorf("over budget it tells a socket %v", f)
	}
	if got, keys := used("alice", "groupBy=principal&principal=bob"); got != (schema.UsageSum{}) || keys != "" {
		t.Errorf("alice sees of bob %+v %s", got, keys)
	}
	for by, want := range map[string]string{"principal": "alice bob", "agent": "abacus", "provider": "brain", "model": "brain/counter"} {
		if got, keys := sum(t, h.do(c, http.StatusOK, http.MethodGet, "/api/usage?groupBy="+by, nil)); got.Steps != 3 || keys != want {
			t.Errorf("by %s the admin sees %+v %s, want %s", by, got, keys, want)
		}
	}

	out, stderr, code := h.tool("usage", "--by", "principal", "--since", "1d")
	for _, line := range []string{"PRINCIPAL", "\nalice ", "\nbob        1      1 ", "\ntotal      3 ", "USD"} {
		if code != 0 || !strings.Contains(out, line) {
			t.Errorf("usage prints, with exit code %d and without %q:\n%s%s", code, line, out, stderr)
		}
	}
	if out, _, code = h.tool("usage", "--budgets"); code != 0 || !strings.Contains(out, "fair share  alice      abacus  month   ") || !strings.Contains(out, " of 8 ") {
		t.Errorf("usage --budgets prints, with exit code %d:\n%s", code, out)
	}
	if out, _, code = h.tool("usage", "--agent", "plain", "--json"); code != 0 || !strings.Contains(out, `"steps": 0`) {
		t.Errorf("usage --json prints, with exit code %d:\n%s", code, out)
	}

	write(t, h.file, priced(prices+budget+`"many"}]`))
	if out, _, code := h.tool("validate", "--config", h.file); code != 2 || !strings.Contains(out, "/usage/budgets/0/tokens") {
		t.Errorf("validate prints, with exit code %d:\n%s", code, out)
	}
	if _, stderr, code := h.ext("reload", "--all"); code != 1 || !strings.Contains(stderr, "/usage/budgets/0/tokens") {
		t.Errorf("a reload of a budget that cannot be ends with %d: %s", code, stderr)
	}
	say("alice", http.StatusPaymentRequired)
	write(t, h.file, priced(prices+budget+`12}]`))
	if _, stderr, code := h.ext("reload", "--all"); code != 0 {
		t.Fatalf("reload: %s", stderr)
	}
	say("alice", http.StatusOK)
	say("alice", http.StatusPaymentRequired)

	h.kill9()
	h.server = start(t, h.data, "--config", h.file)
	say("alice", http.StatusPaymentRequired)
	if got, _ := used("bob", "groupBy=day"); got != one {
		t.Errorf("after a restart bob has used %+v, want %+v", got, one)
	}
}

package config_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

func TestUsageIsRead(t *testing.T) {
	t.Parallel()
	file := write(t, `{"extensions": {"api": {}}, "usage": {"currency": "${env:MONEY}", "prices": {
		"api/m.1": {"inputPerMillion": 2.5, "cachedPerMillion": 0, "outputPerMillion": 10}, "builtin/*": {}},
		"budgets": [{"name": "all", "window": "month", "tokens": 5}, {"principal": "*", "agent": "nyx", "window": "day", "cost": 0.5}]}}`)
	cfg, problems := load(t, loader(), config.Sources{File: file, Env: []string{"MONEY=USD"}, Set: []string{"usage.budgets=[]"}})
	want := usage.Config{Currency: "USD", Prices: usage.Prices{"api/m.1": {Input: 2.5, Cached: new(float64), Output: 10}, "builtin/*": {}}, Budgets: []usage.Budget{}}
	if len(problems) > 0 || !reflect.DeepEqual(cfg.Usage, want) {
		t.Errorf("read as %+v, %+v; want %+v", cfg.Usage, problems, want)
	}
	cfg, problems = load(t, loader(), config.Sources{File: file, Env: []string{"MONEY=USD", "STAGEHOUSE_USAGE__CURRENCY=EUR"}})
	budgets := []usage.Budget{{Name: "all", Window: usage.Month, Tokens: 5}, {Principal: usage.Each, Agent: "nyx", Window: usage.Day, Cost: 0.5}}
	if len(problems) > 0 || cfg.Usage.Currency != "EUR" || !reflect.DeepEqual(cfg.Usage.Budgets, budgets) {
		t.Errorf("read as %+v, %+v", cfg.Usage, problems)
	}
}

// says reports whether a problem says something, or its suggestion does.
func says(p schema.Problem, text string) bool {
	return strings.Contains(p.Message+" "+p.Suggestion, text)
}

func TestUsageThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		block, at, says string
	}{
		"unknown key":       {`{"price": {}}`, "/usage/price", `did you mean "prices"?`},
		"unknown price key": {`{"currency": "USD", "prices": {"api/x": {"input": 1}}}`, "/usage/prices/api~1x/input", "unknown"},
		"no currency":       {`{"prices": {"api/x": {}}}`, "/usage/currency", "such as USD"},
		"no model":          {`{"currency": "USD", "prices": {"api": {}}}`, "/usage/prices/api", "provider/model"},
		"negative":          {`{"currency": "USD", "prices": {"api/x": {"inputPerMillion": -1}}}`, "/usage/prices/api~1x/inputPerMillion", "0"},
		"no window":         {`{"budgets": [{"tokens": 1}]}`, "/usage/budgets/0", "window"},
		"odd window":        {`{"budgets": [{"tokens": 1, "window": "week"}]}`, "/usage/budgets/0/window", "month"},
		"no bound":          {`{"budgets": [{"window": "day", "tokens": 1}, {"window": "day"}]}`, "/usage/budgets/1", "neither tokens nor cost"},
		"bound of nothing":  {`{"budgets": [{"window": "day", "tokens": 0}]}`, "/usage/budgets/0/tokens", "1"},
		"no price":          {`{"budgets": [{"window": "day", "cost": 1}]}`, "/usage/budgets/0/cost", "no model has a price"},
		"no provider":       {`{"currency": "USD", "prices": {"appi/x": {}}}`, "/usage/prices/appi~1x", `did you mean "api"?`},
		"not an object":     {`[]`, "/usage", "object"},
	} {
		_, problems := load(t, loader(), config.Sources{File: write(t, `{"usage": `+c.block+`}`)})
		if len(problems) != 1 || problems[0].Pointer != c.at || !says(problems[0], c.says) {
			t.Errorf("%s: %+v, want one at %s that says %s", name, problems, c.at, c.says)
		}
	}
	_, problems := load(t, runtimeLoader(aRuntime, anExtension), config.Sources{File: write(t, `{"runtime": {"plugin": {"path": `+quote(program(t))+`}}, "usage": {}}`)})
	if len(problems) != 1 || problems[0].Pointer != "/usage" || !says(problems[0], "the block runtime") {
		t.Errorf("beside a runtime that is a process: %+v", problems)
	}
}

// TestEveryServiceCanBeGranted names all that there is.
func TestEveryServiceCanBeGranted(t *testing.T) {
	t.Parallel()
	grants, err := json.Marshal(append(schema.ServiceNames(), schema.GrantCommands, schema.GrantBrain))
	if err != nil {
		t.Fatal(err)
	}
	if _, problems := load(t, loader(), config.Sources{File: write(t, `{"extensions": {"api": {"plugin": {"grants": `+string(grants)+`}}}}`)}); len(problems) > 0 {
		t.Errorf("%s: %+v", grants, problems)
	}
}

// TestDocsShowAConfiguration keeps the chapter about usage true.
func TestDocsShowAConfiguration(t *testing.T) {
	t.Parallel()
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "brains.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(chapter), "\n## Usage, cost and budgets\n")
	_, shown, _ := strings.Cut(section, "```json\n")
	shown, _, ok := strings.Cut(shown, "```")
	if !ok {
		t.Fatal("the chapter shows no configuration")
	}
	l, file := loader(), write(t, shown)
	plugins := filepath.Join(filepath.Dir(file), "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(plugins, "stagehouse-openai"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) { return schema.CheckResult{}, nil }
	cfg, problems := load(t, l, config.Sources{File: file, Env: []string{"OPENAI_API_KEY=x"}})
	if len(problems) > 0 || len(cfg.Usage.Prices) != 3 || len(cfg.Usage.Budgets) != 3 {
		t.Errorf("it is read as %+v, with %+v", cfg, problems)
	}
}

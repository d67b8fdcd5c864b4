package config_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
)

// block is a block of an extension as its author has it.
type block struct {
	Port int    `json:"port"`
	Host string `json:"host,omitempty"`
}

// TestValuesOfTheProgram makes configurations of Go values, which are checked as files are.
func TestValuesOfTheProgram(t *testing.T) {
	values := map[string]any{"data": "elsewhere", "extensions": map[string]any{"api": block{Port: 7}}}
	cfg, problems := load(t, loader(), config.Sources{Values: values})
	if len(problems) > 0 || cfg.Data != "elsewhere" || cfg.File != "" || len(cfg.Extensions) != 1 || string(cfg.Extensions[0].Block) != `{"port":7}` {
		t.Errorf("config is %+v, problems %+v", cfg, problems)
	}
	file := write(t, `{"data":"from the file","extensions":{"api":{"port":1,"host":"h"}}}`)
	cfg, problems = load(t, loader(), config.Sources{File: file, Values: values, Env: []string{"STAGEHOUSE_DATA=from the environment"}})
	if len(problems) > 0 || cfg.Data != "from the environment" || string(cfg.Extensions[0].Block) != `{"host":"h","port":7}` {
		t.Errorf("over a file and under the environment, config is %+v, %s, problems %+v", cfg, cfg.Extensions[0].Block, problems)
	}
}

func TestWrongValuesOfTheProgram(t *testing.T) {
	for name, c := range map[string]struct {
		values any
		says   string
	}{
		"unknown key":     {map[string]any{"extension": map[string]any{}}, `"extension"`},
		"wrong block":     {map[string]any{"extensions": map[string]any{"api": block{Port: 70_000}}}, "65535"},
		"no object":       {[]string{"api"}, "the program's own values"},
		"cannot be coded": {map[string]any{"data": math.Inf(1)}, "the program's own values cannot be encoded"},
	} {
		_, problems := load(t, loader(), config.Sources{Values: c.values})
		if len(problems) != 1 || !strings.Contains(problems[0].Message+problems[0].Suggestion, c.says) {
			t.Errorf("%s: problems %+v, want one with %q", name, problems, c.says)
		}
	}
}

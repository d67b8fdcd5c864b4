//go:build unix

package e2e

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/extension/anthropic/anthropictest"
	"github.com/stagehouse/stagehouse/extension/openai/openaitest"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
)

// TestProvidersConform holds the programs of the providers, with stand-ins behind them, to what a host expects of a brain.
func TestProvidersConform(t *testing.T) {
	if err := buildProviders(); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]object{
		"openai":    {"baseUrl": openaitest.New(t).URL, "apiKey": openaitest.Key, "model": "gpt-4.1-mini", "embeddingModel": "text-embedding-3-small"},
		"anthropic": {"baseUrl": anthropictest.New(t).URL, "apiKey": anthropictest.Key, "model": "claude-haiku-4-5"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := json.Marshal(block)
			if err != nil {
				t.Fatal(err)
			}
			groups := trial.Program{
				Spec:     plugin.Spec{Name: name, Path: provider(name), Config: config},
				Services: func(conform.T) schema.Services { return schema.Services{} },
			}.Groups()
			i := slices.IndexFunc(groups, func(g conform.Group) bool { return g.Name == "extension/brain" })
			conformtest.Run(t, groups[i:i+1])
		})
	}
}

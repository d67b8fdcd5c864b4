package config_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/schema"
)

// TestEnvironmentSetsTheEmbedder: the block memory is set like any other.
func TestEnvironmentSetsTheEmbedder(t *testing.T) {
	file := write(t, `{"memory": {"embedder": {"provider": "api", "model": "small"}}, "extensions": {"api": {}}}`)
	cfg, problems := load(t, loader(), config.Sources{File: file, Env: []string{"STAGEHOUSE_MEMORY__EMBEDDER__MODEL=large"}})
	if len(problems) > 0 || cfg.Memory.Embedder == nil || cfg.Memory.Embedder.Model != "large" {
		t.Errorf("the embedder is %+v, problems %+v", cfg.Memory.Embedder, problems)
	}
}

// TestDocsShowAnEmbedder keeps what docs/brains.md says of memory.embedder a configuration that works, and its keys those of the schema.
func TestDocsShowAnEmbedder(t *testing.T) {
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "brains.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(chapter), "## Memory that finds things\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(section, -1)
	if len(blocks) != 1 {
		t.Fatalf("the section has %d configurations", len(blocks))
	}
	l := loader()
	l.BuiltIns["openai"] = config.Command{Path: "/bin/true", BuiltIn: true}
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{Description: schema.Description{Name: "openai", ConfigSchema: json.RawMessage(`{"type":"object"}`)}}, nil
	}
	cfg, problems := load(t, l, config.Sources{File: write(t, blocks[0][1]), Env: []string{"OPENAI_API_KEY=x"}})
	if len(problems) > 0 || cfg.Memory.Embedder == nil || cfg.Memory.Embedder.Provider != "openai" {
		t.Errorf("the embedder is %+v, problems %+v", cfg.Memory.Embedder, problems)
	}
	for _, key := range []string{"provider", "model", "minSimilarity", "batch", "perMinute"} {
		if !strings.Contains(section, "`"+key+"`") {
			t.Errorf("the section does not say what %s is", key)
		}
	}
}

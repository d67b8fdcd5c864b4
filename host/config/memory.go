package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// decodeMemory reads the block memory. Whether the extension that is named embeds is known only when it runs.
func (l Loader) decodeMemory(cfg *Config, tree map[string]any, known []schema.Problem) []schema.Problem {
	block, _ := tree["memory"].(map[string]any)
	raw, ok := block["embedder"].(map[string]any)
	at := problem.Pointer("memory", "embedder")
	if !ok || slices.ContainsFunc(known, func(p schema.Problem) bool { return problem.Under(p.Pointer, at) }) {
		return nil
	}
	var e memories.Embedder
	b, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil {
		return []schema.Problem{problem.Errorf(at, "", "cannot be read: %v", err)}
	}
	cfg.Memory.Embedder = &e
	if cfg.Runtime != nil || slices.Contains(l.mayThink, e.Provider) {
		return nil
	}
	hint := "name an extension that embeds, such as one of stagehouse-openai, and give it a block under extensions"
	if near := problem.Nearest(e.Provider, l.mayThink); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(l.mayThink) > 0 {
		hint += "; the extensions that run are " + strings.Join(l.mayThink, ", ")
	}
	return []schema.Problem{problem.Errorf(at+"/provider", hint, "no extension %q runs", e.Provider)}
}

package config

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Unsound is a file of the folder of agents that declares nothing, because something is wrong with it.
type Unsound struct {
	Name     string // of the file; "" = the folder itself
	Problems []schema.Problem
}

// declaration is one declared agent.
type declaration struct {
	place string // pointer; that of a file is character.Place
	file  string // its name; "" = it is no file
	id    string
	raw   json.RawMessage
}

// Folder returns the absolute path of the folder of the agents that are files, or "" if there is none.
func (s Sources) Folder() string {
	dir := s.Agents
	switch {
	case dir == "" && s.File == "":
		return ""
	case dir == "":
		dir = filepath.Join(filepath.Dir(s.File), character.Folder)
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// readAgents reads the agents that are files, and has each of them that is sound declared. Extensions offer the brains.
func (l Loader) readAgents(ctx context.Context, cfg *Config, s Sources, brains []schema.BrainInfo) error {
	if cfg.AgentsDir = s.Folder(); cfg.AgentsDir == "" {
		return nil
	}
	if err := json.Unmarshal(orNull(l.Starters), &cfg.starters); err != nil {
		return fmt.Errorf("read the starter agents: %w", err)
	}
	files, problems, err := character.ReadFolder(ctx, cfg.AgentsDir)
	if err != nil {
		return err
	}
	if len(files) > 0 && cfg.Runtime != nil {
		problems = append(problems, problem.Errorf(problem.Pointer(character.Folder), "move the files away; what the runtime wants to know stands in the block runtime",
			"%s is for the runtime of the host, and this configuration has a runtime of its own", cfg.AgentsDir))
	}
	if len(problems) > 0 {
		cfg.Unsound = []Unsound{{Problems: problems}}
		return nil
	}
	for _, f := range files {
		f.Problems = append(f.Problems, l.clashes(cfg, f, files)...)
		f.Problems = append(f.Problems, l.unfit(f.Declaration, brains, character.Place(f.Name, "/brain"))...)
		if len(f.Problems) > 0 {
			cfg.Unsound = append(cfg.Unsound, Unsound{f.Name, f.Problems})
			continue
		}
		cfg.files = append(cfg.files, declaration{character.Place(f.Name, ""), f.Name, f.ID, f.Declaration})
	}
	cfg.compose()
	return nil
}

func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

// UnmarshalJSON reads a starter agent.
func (d *declaration) UnmarshalJSON(raw []byte) error {
	var spec struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(raw, &spec)
	d.id, d.raw = spec.ID, slices.Clone(raw)
	return err
}

// clashes returns what is wrong with a file because of what stands elsewhere.
func (l Loader) clashes(cfg *Config, f character.File, files []character.File) []schema.Problem {
	var problems []schema.Problem
	twice := func(where string) {
		problems = append(problems, problem.Errorf(character.Place(f.Name, "/id"), "give each agent an id of its own",
			"the agent %q is declared twice, also at %s", f.ID, where))
	}
	for _, d := range cfg.listed {
		if d.id == f.ID {
			twice(d.place)
		}
	}
	for _, g := range files {
		if g.ID == f.ID && g.Name != f.Name {
			twice(character.Place(g.Name, ""))
		}
	}
	var spec struct {
		Brain any `json:"brain"`
	}
	if f.Declaration != nil && json.Unmarshal(f.Declaration, &spec) == nil { // it was encoded a moment ago
		problems = append(problems, l.checkBrain(spec.Brain, character.Place(f.Name, "/brain"))...)
	}
	return problems
}

// compose makes Agents of everything that is declared. A file takes the place of a starter agent with its id.
func (c *Config) compose() {
	all := c.listed
	if all == nil && len(c.files) > 0 {
		all = slices.DeleteFunc(slices.Clone(c.starters), func(d declaration) bool { return declares(c.files, d.id) })
	}
	c.Agents = nil
	if c.listed == nil && len(c.files) == 0 {
		return
	}
	list := []byte{'['}
	for i, d := range slices.Concat(all, c.files) {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, d.raw...)
	}
	list = append(list, ']')
	c.Agents = list
}

func declares(list []declaration, id string) bool {
	return slices.ContainsFunc(list, func(d declaration) bool { return d.id == id })
}

// Keep has the files that are unsound declare what they declared in the configuration before, unless their agents are declared
// elsewhere by now.
func (c *Config) Keep(before *Config) {
	for _, u := range c.Unsound {
		for _, d := range before.files {
			if (u.Name == "" || u.Name == d.file) && !declares(c.listed, d.id) && !declares(c.files, d.id) {
				c.files = append(c.files, d)
			}
		}
	}
	slices.SortFunc(c.files, func(a, b declaration) int { return cmp.Compare(a.file, b.file) })
	c.compose()
}

// Without returns the problems that are not those of unsound files.
func (c *Config) Without(problems []schema.Problem) []schema.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool {
		return slices.ContainsFunc(c.Unsound, func(u Unsound) bool { return slices.Contains(u.Problems, p) })
	})
}

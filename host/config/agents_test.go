package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/schema"
)

// place makes a configuration file and the files of agents beside it, and returns how it is loaded.
func place(t *testing.T, text string, agents map[string]string) config.Sources {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "agents")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{filepath.Join(dir, "stagehouse.json"): text}
	for name, agent := range agents {
		files[filepath.Join(folder, name)] = agent
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Sources{File: filepath.Join(dir, "stagehouse.json")}
}

func ids(t *testing.T, cfg *config.Config) string {
	t.Helper()
	var list []struct {
		ID string `json:"id"`
	}
	if cfg.Agents == nil {
		return "none"
	}
	if err := json.Unmarshal(cfg.Agents, &list); err != nil {
		t.Fatalf("%s: %v", cfg.Agents, err)
	}
	var all []string
	for _, a := range list {
		all = append(all, a.ID)
	}
	return strings.Join(all, " ")
}

func at(problems []schema.Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Pointer+": "+p.Message)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// known has two starter agents and one brain.
func known() config.Loader {
	l := loader()
	l.Starters = json.RawMessage(`[{"id":"aria"},{"id":"nyx","name":"Nyx"}]`)
	l.Brains = []string{"builtin"}
	return l
}

func TestAgentsAsFiles(t *testing.T) {
	for name, c := range map[string]struct {
		config   string
		agents   map[string]string
		want     string
		problems []string
	}{
		"no folder's worth":   {`{}`, nil, "none", nil},
		"beside the starters": {`{}`, map[string]string{"luna.json": `{}`}, "aria nyx luna", nil},
		"in place of one":     {`{}`, map[string]string{"x.json": `{"id":"nyx"}`}, "aria nyx", nil},
		"beside a list":       {`{"agents":[{"id":"b"}]}`, map[string]string{"z.json": `{}`, "a.json": `{}`}, "b a z", nil},
		"instead of all":      {`{"agents":[]}`, map[string]string{"a.json": `{}`}, "a", nil},
		"an empty list":       {`{"agents":[]}`, nil, "", nil},
		"declared twice": {`{"agents":[{"id":"b"}]}`, map[string]string{"b.json": `{}`, "c.json": `{}`}, "b c",
			[]string{`/agents/b.json/id: the agent "b" is declared twice, also at /agents/0`}},
		"in two files": {`{}`, map[string]string{"a.json": `{"id":"x"}`, "b.json": `{"id":"x"}`, "c.json": `{}`}, "aria nyx c",
			[]string{`/agents/a.json/id: the agent "x" is declared twice, also at /agents/b.json`, `/agents/b.json/id: the agent "x" is declared twice, also at /agents/a.json`}},
		"a brain that nobody has": {`{}`, map[string]string{"a.json": `{"brain":"biultin"}`}, "none", []string{`/agents/a.json/brain: there is no brain "biultin"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, problems, err := known().Load(t.Context(), place(t, c.config, c.agents))
			if err != nil {
				t.Fatal(err)
			}
			if got := at(problems); got != strings.Join(c.problems, "\n") {
				t.Errorf("problems are\n%s", got)
			}
			if rest := cfg.Without(problems); len(rest) > 0 {
				t.Errorf("of the configuration itself: %v", rest)
			}
			if got := ids(t, cfg); got != c.want {
				t.Errorf("declared are %q, want %q", got, c.want)
			}
		})
	}
}

// TestKeep: what a file says that cannot be read now is what it said before.
func TestKeep(t *testing.T) {
	s := place(t, `{}`, map[string]string{"luna.json": `{"name":"Luna"}`, "sol.json": `{}`, "gone.json": `{}`})
	load := func() *config.Config {
		t.Helper()
		cfg, _, err := known().Load(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.Folder(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(before *config.Config, want string) *config.Config {
		t.Helper()
		cfg := load()
		cfg.Keep(before)
		if got := ids(t, cfg); got != want {
			t.Fatalf("declared are %q, want %q", got, want)
		}
		return cfg
	}
	first := load()
	write("luna.json", `{`)
	write("new.json", `{`)
	if err := os.Remove(filepath.Join(s.Folder(), "gone.json")); err != nil {
		t.Fatal(err)
	}
	second := kept(first, "aria nyx luna sol")
	if !strings.Contains(string(second.Agents), `"name":"Luna"`) {
		t.Errorf("luna is not what it was: %s", second.Agents)
	}
	third := kept(second, "aria nyx luna sol") // and once more
	write("moon.json", `{"id":"luna"}`)
	kept(third, "aria nyx luna sol") // of moon.json by now
	if err := os.RemoveAll(s.Folder()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Folder(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kept(third, "aria nyx luna sol") // the folder cannot be read
	if err := os.Remove(s.Folder()); err != nil {
		t.Fatal(err)
	}
	kept(third, "none")
}

func TestFilesAreNotForAnotherRuntime(t *testing.T) {
	s := place(t, `{"runtime":{"plugin":{"path":"`+filepath.ToSlash(self(t))+`"}}}`, map[string]string{"luna.json": `{}`})
	cfg, problems, err := known().Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got := at(problems); !strings.Contains(got, "this configuration has a runtime of its own") || cfg.Agents != nil {
		t.Errorf("agents are %s, problems\n%s", cfg.Agents, got)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNoFileNoFolder: a program that has no file of a configuration reads no folder, unless it says so.
func TestNoFileNoFolder(t *testing.T) {
	if dir := (config.Sources{}).Folder(); dir != "" {
		t.Errorf("the folder is %s", dir)
	}
	s := place(t, `{}`, map[string]string{"luna.json": `{}`})
	cfg, _, err := known().Load(t.Context(), config.Sources{Agents: s.Folder()})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, cfg); got != "aria nyx luna" {
		t.Errorf("declared are %q", got)
	}
}

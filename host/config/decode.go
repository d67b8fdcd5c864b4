package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// hostKeys are the keys of a block that belong to the host; the others are the extension's.
var hostKeys = []string{"enabled", "plugin"}

// place returns where the block of a process stands in the configuration.
func place(name string) []string {
	if name == plugin.RuntimeName {
		return []string{name}
	}
	return []string{"extensions", name}
}

// at returns the pointer to a place in the block of a process.
func at(name string, path ...string) string { return problem.Pointer(append(place(name), path...)...) }

// pluginKeyNames are the keys of extensions.<name>.plugin.
var pluginKeyNames = []string{"path", "attach", "args", "env", "sha256", "startTimeoutMs", "drainTimeoutMs", "grants"}

// pluginKeys is extensions.<name>.plugin.
type pluginKeys struct {
	Path           string            `json:"path"`
	Attach         string            `json:"attach"`
	Args           []string          `json:"args"`
	Env            map[string]string `json:"env"`
	SHA256         string            `json:"sha256"`
	StartTimeoutMs int64             `json:"startTimeoutMs"`
	DrainTimeoutMs int64             `json:"drainTimeoutMs"`
	Grants         []string          `json:"grants"`
}

// decode builds the Config from a merged tree. Values at the places of known problems are skipped, not reported again.
func (l Loader) decode(tree map[string]any, s Sources, known []schema.Problem) (*Config, []schema.Problem) {
	cfg := &Config{Data: DefaultData}
	if s.File != "" {
		if abs, err := filepath.Abs(s.File); err == nil {
			cfg.File = abs
		}
	}
	if data, ok := tree["data"].(string); ok {
		cfg.Data = data
	}
	if level, ok := tree["logLevel"].(string); ok {
		cfg.LogLevel = logLevel(level)
	}
	cfg.Events = decodeEvents(tree)
	problems := append(l.decodeAgents(cfg, tree, known), l.decodeRuntime(cfg, tree, known)...)
	problems = append(problems, l.decodeUsage(cfg, tree, known)...)
	problems = append(problems, l.decodeMemory(cfg, tree, known)...)
	blocks, _ := tree["extensions"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		block, ok := blocks[name].(map[string]any)
		if !ok || saidAt(at(name), known) {
			continue
		}
		if name == plugin.RuntimeName {
			problems = append(problems, problem.Errorf(problem.Pointer("extensions", name), "give it another name",
				"no extension can be called %q: that is the name of the runtime", name))
			continue
		}
		e, p := l.decodeExtension(cfg.File, name, block, known)
		problems = append(problems, p...)
		if e != nil {
			cfg.Extensions = append(cfg.Extensions, *e)
		}
	}
	return cfg, problems
}

// logLevel returns the slog level of a name that the schema allows. slog has no trace: it is four below debug.
func logLevel(name string) slog.Level {
	if name == "trace" {
		return slog.LevelDebug - 4
	}
	var level slog.Level
	_ = level.UnmarshalText([]byte(name)) // a name that is not a level is already a problem of the schema's
	return level
}

// eventKeys is the block events.
type eventKeys struct {
	Retain   int   `json:"retain"`
	RetainMs int64 `json:"retainMs"`
}

func decodeEvents(tree map[string]any) Events {
	var keys eventKeys
	b, err := json.Marshal(tree["events"])
	if err == nil {
		err = json.Unmarshal(b, &keys)
	}
	if err != nil {
		return Events{} // the schema has said what is wrong with it
	}
	return Events{Retain: keys.Retain, RetainAge: time.Duration(keys.RetainMs) * time.Millisecond}
}

func (l Loader) decodeAgents(cfg *Config, tree map[string]any, known []schema.Problem) []schema.Problem {
	agents, ok := tree["agents"].([]any)
	if !ok {
		return nil
	}
	var problems []schema.Problem
	seen := map[any]int{}
	cfg.listed = []declaration{}
	for i, a := range agents {
		m, _ := a.(map[string]any)
		problems = append(problems, l.checkBrain(m["brain"], problem.Pointer("agents", fmt.Sprint(i), "brain"))...)
		id, ok := m["id"].(string)
		if !ok {
			continue
		}
		at := problem.Pointer("agents", fmt.Sprint(i), "id")
		if !schema.ValidID(id) && !saidAt(at, known) {
			problems = append(problems, problem.Errorf(at, "use letters, digits and . _ ~ : -", "%q cannot be an id", id))
		}
		if first, twice := seen[id]; twice {
			problems = append(problems, problem.Errorf(at, "give each agent an id of its own",
				"the agent %q is declared twice, first at /agents/%d", id, first))
			continue
		}
		seen[id] = i
		raw, err := json.Marshal(a)
		if err != nil {
			problems = append(problems, problem.Errorf(problem.Pointer("agents", fmt.Sprint(i)), "", "cannot be encoded: %v", err))
			continue
		}
		cfg.listed = append(cfg.listed, declaration{place: problem.Pointer("agents", fmt.Sprint(i)), id: id, raw: raw})
	}
	cfg.compose()
	return problems
}

// checkBrain returns a problem where the brain of an agent, given as JSON has it, or a fallback, is one that nobody has.
func (l Loader) checkBrain(brain any, at string) (problems []schema.Problem) {
	if m, ok := brain.(map[string]any); ok {
		fallbacks, _ := m["fallback"].([]any)
		for i, f := range fallbacks {
			problems = append(problems, l.checkBrain(f, fmt.Sprintf("%s/fallback/%d", at, i))...)
		}
		brain, at = m["provider"], at+"/provider"
	}
	provider, ok := brain.(string)
	known := append(slices.Clone(l.Brains), l.mayThink...)
	if !ok || provider == "" || l.Brains == nil || slices.Contains(known, provider) {
		return problems
	}
	hint := "this host has: " + strings.Join(l.Brains, ", ") + "; an extension that is a brain needs a block of that name"
	if near := problem.Nearest(provider, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return append(problems, problem.Errorf(at, hint, "there is no brain %q", provider))
}

// unfit returns what is wrong with what the brain of a declared agent, at the place, says to the host and to the brains of extensions.
func (l Loader) unfit(declared json.RawMessage, brains []schema.BrainInfo, at string) []schema.Problem {
	var spec struct{ Brain schema.Brain }
	if l.BrainProblems == nil || len(declared) == 0 || json.Unmarshal(declared, &spec) != nil || spec.Brain.Provider == "" {
		return nil // the schema of the configuration has said what cannot be read
	}
	problems := l.BrainProblems(spec.Brain, brains)
	for i := range problems {
		problems[i].Pointer = at + problems[i].Pointer
	}
	return problems
}

// enabledBlocks returns the names of the extensions that run, any of which may be a brain.
func enabledBlocks(tree map[string]any) []string {
	blocks, _ := tree["extensions"].(map[string]any)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(blocks)) {
		if block, _ := blocks[name].(map[string]any); block["enabled"] != false {
			names = append(names, name)
		}
	}
	return names
}

// decodeRuntime reads the block of a runtime that is a process. What the host's own runtime would be told is nothing to it.
func (l Loader) decodeRuntime(cfg *Config, tree map[string]any, known []schema.Problem) []schema.Problem {
	block, ok := tree[plugin.RuntimeName].(map[string]any)
	if !ok || saidAt(at(plugin.RuntimeName), known) {
		return nil
	}
	var problems []schema.Problem
	cfg.Runtime, problems = l.decodeExtension(cfg.File, plugin.RuntimeName, block, known)
	for _, key := range []string{"agents", "events", "memory", "usage"} {
		if _, ok := tree[key]; ok {
			problems = append(problems, problem.Errorf(problem.Pointer(key), "leave it out; what the runtime wants to know stands in the block runtime",
				"%s is for the runtime of the host, and this configuration has a runtime of its own", key))
		}
	}
	return problems
}

func (l Loader) decodeExtension(file, name string, block map[string]any, known []schema.Problem) (*Extension, []schema.Problem) {
	pluginAt := at(name, "plugin")
	if slices.ContainsFunc(known, func(p schema.Problem) bool { return aboutTheProgram(p.Pointer, pluginAt) }) {
		return nil, nil // the wrong program must not be asked, nor be looked for
	}
	e := &Extension{Name: name, Enabled: true}
	if enabled, ok := block["enabled"].(bool); ok && name != plugin.RuntimeName {
		e.Enabled = enabled
	}
	keys := decodePlugin(block["plugin"], pluginAt, known)
	own := maps.Clone(block)
	for _, k := range e.hostKeys() {
		delete(own, k)
	}
	b, err := json.Marshal(own)
	if err != nil {
		return nil, []schema.Problem{problem.Errorf(at(name), "", "cannot be encoded: %v", err)}
	}
	e.Block, e.Env, e.SHA256, e.Grants = b, keys.Env, keys.SHA256, keys.Grants
	e.StartTimeout = time.Duration(keys.StartTimeoutMs) * time.Millisecond
	e.DrainTimeout = cmp.Or(time.Duration(keys.DrainTimeoutMs)*time.Millisecond, plugin.DefaultDrainTimeout)
	var problems []schema.Problem
	if e.Attach = keys.Attach; e.Attach != "" {
		return e, nil // the program is somebody else's business
	}
	e.Command, problems = l.command(file, name, keys)
	if len(problems) > 0 && !e.Enabled {
		return nil, nil // what is switched off need not be installed
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return e, nil
}

// aboutTheProgram reports whether a problem leaves it open which program plugin, the keys at that place, would run and how:
// a misspelt sha256 must not let any program run, nor a misspelt env one that lacks what it needs.
func aboutTheProgram(pointer, plugin string) bool {
	key, inside := strings.CutPrefix(pointer, plugin+"/")
	if !inside {
		return pointer == plugin
	}
	key, _, _ = strings.Cut(key, "/")
	switch problem.Nearest(key, pluginKeyNames) {
	case "path", "attach", "args", "env", "sha256":
		return true
	}
	return false
}

// decodePlugin reads the keys at extensions.<name>.plugin. One that has a problem is as good as absent: the schema has said
// what is wrong with it, and the rest of the block can be checked all the same.
func decodePlugin(raw any, at string, known []schema.Problem) pluginKeys {
	given, _ := raw.(map[string]any)
	sound := map[string]any{}
	for key, v := range given {
		place := at + problem.Pointer(key)
		if !slices.ContainsFunc(known, func(p schema.Problem) bool { return problem.Under(p.Pointer, place) }) {
			sound[key] = v
		}
	}
	var keys pluginKeys
	if b, err := json.Marshal(sound); err == nil {
		_ = json.Unmarshal(b, &keys) // what it could not take has a problem already
	}
	return keys
}

// command finds the program of an extension: plugin.path, else a built-in, else plugins/stagehouse-<name> beside the file.
func (l Loader) command(file, name string, keys pluginKeys) (Command, []schema.Problem) {
	base := filepath.Dir(file)
	pathAt := at(name)
	if keys.Path != "" {
		pathAt = at(name, "plugin", "path")
	}
	path := keys.Path
	switch {
	case path != "" && !filepath.IsAbs(path):
		path = filepath.Join(base, path)
	case path == "":
		if c, ok := l.BuiltIns[name]; ok {
			c.Args = append(slices.Clone(c.Args), keys.Args...)
			return c, nil
		}
		path = filepath.Join(base, "plugins", "stagehouse-"+name+exeSuffix())
	}
	info, err := os.Stat(path)
	switch {
	case err != nil && keys.Path == "":
		known := slices.Sorted(maps.Keys(l.BuiltIns))
		hint := fmt.Sprintf("put its program at %s, or name it with plugin.path", path)
		if near := problem.Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return Command{}, []schema.Problem{problem.Errorf(pathAt, hint, "there is no extension %q: it is not built in, and %s does not exist", name, path)}
	case err != nil:
		return Command{}, []schema.Problem{problem.Errorf(pathAt, "name the program of the "+kind(name), "cannot run %s: %v", path, err)}
	case info.IsDir() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return Command{}, []schema.Problem{problem.Errorf(pathAt, "chmod +x it, or name the program inside", "%s cannot be executed", path)}
	}
	return Command{Path: path, Args: keys.Args}, nil
}

func exeSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

package config

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
	schemaconfig "github.com/stagehouse/stagehouse/schema/config"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Defaults of what a file may leave out.
const (
	DefaultData     = "./stagehouse-data"
	DefaultLogLevel = "info"
)

// Config is a configuration that has been read, merged and found sound. Its secrets are resolved: do not print it.
type Config struct {
	File       string          // absolute path of the file; "" = none
	Data       string          // directory of all state
	LogLevel   slog.Level      // the least important line that is written
	Events     Events          // how much of the event log is kept
	Usage      usage.Config    // what models cost, and how much of them may be used
	Memory     Memory          // how memories are found
	Agents     json.RawMessage // the declared agents, a JSON array, those included that are files; nil = the runtime's own
	AgentsDir  string          // absolute path of the folder of those files; "" = there is none
	Unsound    []Unsound       // the files there that declare nothing because something is wrong with them
	Runtime    *Extension      // the runtime, where it is a process of its own; nil = the host has one
	Extensions []Extension     // by name

	listed   []declaration // by the configuration; nil = it says nothing
	starters []declaration // where it says nothing
	files    []declaration // that are sound, or were
	secrets  scrubber
	origins  origins
}

// HasSecrets reports whether Scrub has anything to do.
func (c *Config) HasSecrets() bool { return c.secrets.replacer != nil }

// Scrub returns text with every secret of the configuration replaced by its reference, however the text quotes it.
func (c *Config) Scrub(text string) string { return c.secrets.text(text) }

// Trace returns text with the reference behind the name of every key whose value comes from one: "check extensions.openai.apiKey"
// becomes "check extensions.openai.apiKey (${env:OPENAI_API_KEY})".
func (c *Config) Trace(text string) string { return c.origins.text(text) }

// Events is the block events. Both bounds hold; zero is what the runtime does by itself.
type Events struct {
	Retain    int           // events
	RetainAge time.Duration // of an event
}

// Memory is the block memory.
type Memory struct {
	Embedder *memories.Embedder // nil = by their words alone
}

// Extension is one block under extensions, or the block runtime, whose name is plugin.RuntimeName.
type Extension struct {
	Name    string
	Enabled bool
	Command Command
	// Attach is the address of a process that somebody else runs, in the place of Command; "" = none.
	Attach string
	// Block is the extension's own keys, a JSON object without those of the host.
	Block        json.RawMessage
	Env          map[string]string // beside the allow-list that every extension gets
	SHA256       string            // hex; "" = any program
	StartTimeout time.Duration     // 0 = what package plugin has for it
	DrainTimeout time.Duration
	Grants       []string // host services that it may call; nil = all
}

// Command is a program that speaks the extension protocol.
type Command struct {
	Path    string
	Args    []string
	BuiltIn bool // it is the host's own executable
}

// Sources says where a configuration comes from.
type Sources struct {
	File     string   // path of the JSON file; "" = none
	Values   any      // what a program says instead of a file, or over one: whatever encodes as the JSON object of a file; nil = nothing
	Env      []string // KEY=VALUE, as os.Environ gives it
	Set      []string // path=value pairs of flags, such as extensions.api.port=3002; a value is JSON, or else text
	Data     string   // --data; "" = not given
	LogLevel string   // --log-level; "" = not given
	Agents   string   // folder of the agents that are files; "" = "agents" beside File, or none if there is none
}

// A Checker asks an extension to check its block: plugin.Check, in production.
type Checker func(ctx context.Context, e Extension) (schema.CheckResult, error)

// Loader reads configurations.
type Loader struct {
	BuiltIns map[string]Command // the extensions that the host's executable carries
	Brains   []string           // the providers of brains that the runtime has; nil = nobody knows
	Starters json.RawMessage    // the agents that the runtime has where a configuration has none: files add to them; nil = nobody knows
	Check    Checker
	// BrainProblems returns what is wrong with what an agent's brain says, given the brains that extensions offer, with pointers into
	// it; nil = nobody knows.
	BrainProblems func(b schema.Brain, offered []schema.BrainInfo) []schema.Problem

	mayThink []string // extensions, of which any may be a brain
}

// Load reads, merges and checks a configuration. The Config is meaningful only when none of the problems is an error.
// The error is for what has nothing to do with the configuration's content, such as a cancelled ctx.
func (l Loader) Load(ctx context.Context, s Sources) (*Config, []schema.Problem, error) {
	tree, settings, problems, err := merge(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if problem.Fatal(problems) {
		return nil, problems, nil
	}
	l.mayThink = enabledBlocks(tree)
	secrets, origins, unresolved := resolveSecrets(tree, s)
	shape, err := problem.Schema{Raw: schemaconfig.Host}.Check(tree)
	if err != nil {
		return nil, nil, err
	}
	problems = append(problems, shape...)
	cfg, more := l.decode(tree, s, append(slices.Clone(unresolved), problems...))
	problems = append(problems, more...)
	cfg.secrets, cfg.origins = secrets, origins
	offer := &offer{holders: map[string]string{}}
	for _, e := range cfg.blocks() {
		found, err := l.checkExtension(ctx, e, offer)
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, found...)
	}
	for _, d := range cfg.listed {
		problems = append(problems, l.unfit(d.raw, offer.brains, d.place+"/brain")...)
	}
	if err := l.readAgents(ctx, cfg, s, offer.brains); err != nil {
		return nil, nil, err
	}
	problems = slices.DeleteFunc(problems, func(p schema.Problem) bool {
		return saidAt(p.Pointer, unresolved) // it is about the text of a reference that leads nowhere
	})
	problems = append(problems, unresolved...)
	nameSources(problems, settings)
	problems = secrets.scrub(problems)
	for _, u := range cfg.Unsound {
		problems = append(problems, secrets.scrub(u.Problems)...)
	}
	problem.Sort(problems)
	return cfg, problems, nil
}

// blocks returns everything that is a process and has a block of its own.
func (c *Config) blocks() []*Extension {
	var all []*Extension
	if c.Runtime != nil {
		all = append(all, c.Runtime)
	}
	for i := range c.Extensions {
		all = append(all, &c.Extensions[i])
	}
	return all
}

// saidAt reports whether one of the problems is about the very value at that place.
func saidAt(pointer string, problems []schema.Problem) bool {
	return slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.Pointer == pointer })
}

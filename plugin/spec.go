package plugin

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of an extension whose Spec sets none.
const (
	DefaultStartTimeout = 20 * time.Second
	DefaultDrainTimeout = 10 * time.Second
	// AttachedStartTimeout is DefaultStartTimeout of a process that is attached: a person may look at how it starts.
	AttachedStartTimeout = 24 * time.Hour
)

// Spec says how an extension is run.
type Spec struct {
	Name         string            // its key in the configuration
	Path         string            // its program; "" where Attach is set
	Attach       string            // address of a process that somebody else runs, as sdk.Main does with -debug; "" = none
	Args         []string          // of the program
	Env          map[string]string // beside the few variables that every extension inherits; none that is protocol.Reserved
	SHA256       string            // of the program, in hexadecimal; "" = any. It implies Private.
	Private      bool              // run a copy, so that the program can be replaced while it runs
	Config       json.RawMessage   // its block, a JSON object without the host's own keys; nil = {}
	StartTimeout time.Duration     // from the launch to the first good health; 0 = DefaultStartTimeout
	DrainTimeout time.Duration     // 0 = DefaultDrainTimeout
	Grants       []string          // the services that it may use, schema.GrantCommands and schema.GrantBrain; nil = all
}

func (s Spec) validate() error {
	switch {
	case s.Name == "":
		return errors.New("the extension has no name")
	case s.Path == "" && s.Attach == "":
		return errors.New("the extension has no program")
	case s.Attach != "" && s.Name == RuntimeName:
		return errors.New("a runtime cannot be attached; the host runs it itself")
	case s.Attach != "" && (s.Path != "" || len(s.Args) > 0 || len(s.Env) > 0 || s.SHA256 != ""):
		return errors.New("the extension is attached: its program, arguments, environment and SHA-256 are for whoever runs it")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		if protocol.Reserved(name) {
			return &ReservedError{Name: name}
		}
	}
	for _, g := range s.Grants {
		if g != schema.GrantCommands && g != schema.GrantBrain && !slices.Contains(schema.ServiceNames(), g) {
			return fmt.Errorf("grant of an unknown service %q; what can be granted is %v, %s and %s",
				g, schema.ServiceNames(), schema.GrantCommands, schema.GrantBrain)
		}
	}
	return nil
}

func (s Spec) withDefaults() Spec {
	if s.Attach != "" {
		s.StartTimeout = cmp.Or(s.StartTimeout, AttachedStartTimeout)
	}
	s.StartTimeout = cmp.Or(s.StartTimeout, DefaultStartTimeout)
	s.DrainTimeout = cmp.Or(s.DrainTimeout, DefaultDrainTimeout)
	if len(s.Config) == 0 {
		s.Config = json.RawMessage("{}")
	}
	return s
}

// granted returns what of offered the extension may use.
func (s Spec) granted(offered schema.Services) schema.Services {
	if s.Grants == nil {
		return offered
	}
	return offered.Only(s.Grants)
}

func (s Spec) process(generation uint64, runDir string, l *tether.Listeners, log *slog.Logger) process.Config {
	return process.Config{
		Name: s.Name, Generation: generation, Path: s.Path, Args: s.Args, Env: s.Env, SHA256: s.SHA256, Private: s.Private, Attach: s.Attach,
		RunDir: runDir, Listeners: l, Log: log,
	}
}

package host

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/usage"
)

// Declarer is a Runtime that can be told, while it runs, which agents the configuration declares. With one that is none, they are
// what they were when it was opened.
type Declarer interface {
	// DeclareAgents has the agents of a JSON array be all that is declared: config.Config.Agents, where nil is that nothing is said
	// of agents. What has not changed is left alone. A joined error tells of agents one by one; one with a method AgentID() string
	// says which. The others are as they are declared. Host.Reload calls it, one call at a time.
	DeclareAgents(ctx context.Context, agents json.RawMessage) error
}

// Budgeter is a Runtime that can be told, while it runs, what models cost and how much of them may be used. With one that is none, that
// is what it was when the runtime was opened.
type Budgeter interface {
	// SetUsage has the runtime go by c from now on. An error leaves it as it was. Host.Reload calls it, one call at a time.
	SetUsage(ctx context.Context, c usage.Config) error
	// Budgets returns how much of each budget is used.
	Budgets() []usage.Standing
}

// AgentError says that the file of an agent is unsound, so that the agent is what it was, if it was there.
type AgentError struct {
	Place string // pointer to the file; see character.Place
	Err   error  // a *ConfigError
}

func (e *AgentError) Error() string { return e.Err.Error() }

func (e *AgentError) Unwrap() error { return e.Err }

// see takes the configuration file and the files of agents as they are now for known.
func (h *Host) see(cfg *config.Config) {
	if cfg.File != "" {
		h.files.Seen(cfg.File)
	}
	if cfg.AgentsDir != "" {
		h.files.SeenFolder(cfg.AgentsDir, character.IsFile)
	}
}

// declare tells the runtime which agents cfg declares, and what may be used of models. h.reloading is held.
func (h *Host) declare(ctx context.Context, cfg *config.Config) error {
	var errs []error
	for _, u := range cfg.Unsound {
		place := character.Place(u.Name, "")
		if u.Name == "" {
			place = "/" + character.Folder
		}
		errs = append(errs, &AgentError{place, &ConfigError{File: cfg.File, Problems: u.Problems}})
	}
	if d, ok := h.runtime.(Declarer); ok {
		cfg.Keep(h.declared)
		h.declared = cfg
		errs = append(errs, d.DeclareAgents(ctx, cfg.Agents))
	}
	if b, ok := h.runtime.(Budgeter); ok {
		errs = append(errs, b.SetUsage(ctx, cfg.Usage))
	}
	return errors.Join(errs...)
}

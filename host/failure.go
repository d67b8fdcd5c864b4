package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// ConfigError says that a configuration has errors. It is what a Source returns.
type ConfigError struct {
	File     string // "" = there is none
	Problems []schema.Problem
}

// Error lists the problems in one line.
func (e *ConfigError) Error() string {
	var parts []string
	for _, p := range e.Problems {
		text := p.Message
		if p.Pointer != "" {
			text = p.Pointer + ": " + text
		}
		if p.Suggestion != "" {
			text += " (" + p.Suggestion + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// extension returns the name of the extension, or of the runtime, that all problems are about, or "".
func (e *ConfigError) extension() string {
	found := ""
	for _, p := range e.Problems {
		rest, ok := strings.CutPrefix(p.Pointer, "/extensions/")
		if under := "/" + plugin.RuntimeName; !ok && problem.Under(p.Pointer, under) {
			rest, ok = plugin.RuntimeName, true
		}
		name, _, _ := strings.Cut(rest, "/")
		if !ok || found != "" && name != found {
			return ""
		}
		found = name
	}
	return found
}

// Failure is one reason why a reload did not do all that it was to do.
type Failure struct {
	Extension  string       `json:"extension,omitempty"`  // "" = about none in particular
	Agent      string       `json:"agent,omitempty"`      // its id, or the pointer to its file; "" = about none
	Generation uint64       `json:"generation,omitempty"` // that failed; 0 = it did not come to that
	Phase      plugin.Phase `json:"phase,omitempty"`
	Cause      string       `json:"cause"`
	Next       string       `json:"next,omitempty"`    // what the operator can do
	Serving    uint64       `json:"serving,omitempty"` // the generation that goes on; 0 = none
}

// failures tells an error of Reload, one by one, without secrets.
func (h *Host) failures(err error) []Failure {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // what is joined deeper is one failure
		var all []Failure
		for _, e := range joined.Unwrap() {
			all = append(all, h.failures(e)...)
		}
		return all
	}
	f := failure(err)
	for _, s := range h.processes() {
		if s.Name == f.Extension && s.State == plugin.StateRunning {
			f.Serving = s.Generation
		}
	}
	f.Cause, f.Next = h.Scrub(f.Cause), h.Scrub(f.Next)
	return []Failure{f}
}

func failure(err error) Failure {
	var start *plugin.StartError
	var cfg *ConfigError
	var unsound *AgentError
	var agent interface{ AgentID() string }
	switch {
	case errors.As(err, &unsound):
		f := failure(unsound.Err)
		f.Agent, f.Extension = unsound.Place, ""
		return f
	case errors.As(err, &agent):
		return Failure{Agent: agent.AgentID(), Cause: err.Error(), Next: "do what the cause says, then reload"}
	case errors.As(err, &start):
		return Failure{
			Extension: start.Extension, Generation: start.Generation, Phase: start.Phase,
			Cause: start.Cause.Error(), Next: cmp.Or(start.Next, "do what the cause says, then reload"),
		}
	case errors.As(err, &cfg):
		f := Failure{Extension: cfg.extension(), Phase: plugin.PhaseCheck, Cause: err.Error(), Next: "correct the environment or the flags"}
		if cfg.File != "" {
			f.Next = fmt.Sprintf("correct it; \"stagehouse validate --config %s\" checks it again", cfg.File)
		}
		return f
	case errors.Is(err, plugin.ErrSuperseded):
		return Failure{Cause: err.Error(), Next: "nothing, if that one is well; \"stagehouse ext list\" shows it"}
	}
	return Failure{Cause: err.Error()}
}

// told writes a line for each failure of a reload to the log, and returns the error.
func (h *Host) told(err error) error {
	for _, wish := range []error{plugin.ErrSuperseded, plugin.ErrClosed, plugin.ErrUnknown, context.Canceled} {
		if errors.Is(err, wish) {
			return err // nothing is wrong with an extension
		}
	}
	for _, f := range h.failures(err) {
		h.log.Error("reload failed; what was running goes on", f.attrs()...)
	}
	return err
}

func (f Failure) attrs() []any {
	var attrs []any
	for _, a := range []slog.Attr{
		slog.String("extension", f.Extension), slog.String("agent", f.Agent), slog.Uint64("generation", f.Generation), slog.String("phase", string(f.Phase)),
		slog.String("cause", f.Cause), slog.String("next", f.Next), slog.Uint64("serving", f.Serving),
	} {
		if !a.Value.Equal(slog.StringValue("")) && !a.Value.Equal(slog.Uint64Value(0)) {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

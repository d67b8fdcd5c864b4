// Package trial holds the program of an extension, in whatever language it is written, to what a host expects of it: what it
// says of itself, its life and its configuration (package schema/conform/life), how its process ends, and how it is run and
// replaced by a real plugin.Manager.
package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/life"
)

// Program is the program that is checked.
type Program struct {
	Spec plugin.Spec // its Config is a block that it accepts, and with which it can be started again and again (use port 0)
	// Services returns what the extension may use. It is called for each instance, and cleans up with t.Cleanup.
	Services func(t conform.T) schema.Services
	// Brain is options with which its brain answers in several pieces, a JSON object; what their JSON Schema requires
	// and it does not say is made up.
	Brain json.RawMessage
}

// mark is the variable by which the processes of a check are found again, whatever has become of them.
const mark = "STAGEHOUSE_CONFORM"

// Where the contract is written.
const (
	theProgram = "docs/protocol.md#1-the-program"
	theBlock   = "docs/protocol.md#the-block"
	itsLife    = "docs/protocol.md#6-the-life-stagehousev1extension"
	theTether  = "docs/protocol.md#7-the-tether"
	itsEnd     = "docs/protocol.md#8-a-swap-and-the-end"
	calling    = "docs/protocol.md#9-the-hosts-services"
	aRuntime   = "docs/protocol.md#14-a-runtime"
)

// Groups returns the checks: extension/describe, life, config, commands, brain, metrics, calls, reload, process and host.
func (p Program) Groups() []conform.Group {
	subject := life.Subject{
		Open:     func(t conform.T) life.Extension { return p.open(t, p.Services(t)) },
		Bare:     func(t conform.T) life.Extension { return p.open(t, schema.Services{}) },
		Block:    p.Spec.Config,
		Schema:   func(t conform.T) json.RawMessage { return p.describe(t).Description.ConfigSchema },
		Requires: func(t conform.T) []string { return p.describe(t).Description.Requires },
	}
	groups := append([]conform.Group{p.describeGroup()}, subject.Groups()...)
	return append(groups, p.commandGroup(), p.brainGroup(), p.metricGroup(), p.callGroup(), p.reloadGroup(), p.processGroup(), p.hostGroup())
}

// marked returns the spec for one check, and the mark of its processes.
func (p Program) marked(t conform.T) (plugin.Spec, string) {
	s := p.Spec
	s.Env = maps.Clone(s.Env)
	if s.Env == nil {
		s.Env = map[string]string{}
	}
	value := fmt.Sprintf("%d-%d", time.Now().UnixNano(), serial.Add(1))
	s.Env[mark] = value
	t.Cleanup(func() { killMarked(value) }) // what a check that failed has found
	return s, value
}

// bound returns a context for what a check does, which ends when most is over, or the patience of the check.
func bound(t conform.T, most time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), min(most, conform.Patience(t)))
	t.Cleanup(cancel)
	return ctx
}

// eventually polls ok until it is true, and reports whether it was within most, or the patience of the check.
func eventually(t conform.T, most time.Duration, ok func() bool) bool {
	deadline := time.NewTimer(min(most, conform.Patience(t)))
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			return ok()
		}
	}
	return true
}

// logger returns a log that goes to the check's.
func logger(t conform.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(lines{t}, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

type lines struct{ t conform.T }

func (l lines) Write(b []byte) (int, error) {
	l.t.Logf("%s", strings.TrimSuffix(string(b), "\n"))
	return len(b), nil
}

package trial

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/problem"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// commandGroup has the checks of what an extension lets agents do. None of its commands is carried out: what that would do is the
// extension's own.
func (p Program) commandGroup() conform.Group {
	return conform.Group{Name: "extension/commands", Checks: []conform.Check{
		{Name: "are-whole", Expect: "each command has a name of its own, a description, and JSON Schemas that can be used", Contract: "schema.Command", Run: p.commandsWhole},
		{Name: "agree", Expect: "it has the same commands when it runs as when it is asked what it is", Contract: itsLife, Run: p.commandsAgree},
		{Name: "unknown", Expect: "a command that it does not have is CodeNotFound", Contract: "schema.Commands.Run", Run: p.commandUnknown},
		{Name: "bad-input", Expect: "input that does not fit the JSON Schema of a command is CodeInvalidArgument", Contract: "schema.Commands.Run", Run: p.commandInput},
		{Name: "not-begun", Expect: "before its start and after its drain a command is ABORTED, and not begun", Contract: itsLife, Run: p.commandNotBegun},
	}}
}

// commands returns the commands of the description, or skips the check.
func (p Program) commands(t conform.T) []schema.Command {
	t.Helper()
	all := p.describe(t).Description.Commands
	if len(all) == 0 {
		t.Skipf("it has no commands")
	}
	return all
}

func (p Program) commandsWhole(t conform.T) {
	var names []string
	for _, c := range p.commands(t) {
		if err := c.Validate(); err != nil {
			t.Errorf("%v", err)
		}
		if slices.Contains(names, c.Name) {
			t.Errorf("there are two commands of the name %s", c.Name)
		}
		names = append(names, c.Name)
		for what, raw := range map[string]json.RawMessage{"input": c.InputSchema, "output": c.OutputSchema} {
			if _, err := (problem.Schema{Raw: raw}).Check(map[string]any{}); err != nil {
				t.Errorf("the JSON Schema of the %s of %s cannot be used: %v", what, c.Name, err)
			}
		}
	}
}

func (p Program) commandsAgree(t conform.T) {
	described := p.commands(t)
	r := p.open(t, p.Services(t))
	if _, err := r.Init(bound(t, callTimeout)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	var running []schema.Command
	for _, c := range r.introduced.GetCommands() {
		running = append(running, wire.FromCommand(c))
	}
	if !same(t, running, described) {
		t.Errorf("it runs with the commands %s, and describes itself with %s", names(running), names(described))
	}
}

// same reports whether JSON says the same of both, whatever the form of it.
func same(t conform.T, a, b any) bool {
	t.Helper()
	return reflect.DeepEqual(plain(t, a), plain(t, b))
}

func plain(t conform.T, v any) (out any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatalf("what it says of itself is not JSON: %v", err)
	}
	return out
}

func names(commands []schema.Command) (names []string) {
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return names
}

// command asks a process for a command on behalf of an administrator.
func (r *running) command(t conform.T, name string, input schema.Object) error {
	ctx := schema.WithCaller(bound(t, callTimeout), schema.Caller{Principal: "trial", Scopes: []schema.Scope{schema.ScopeAdmin}})
	_, err := wire.RunCommand(ctx, pb.NewCommandsClient(r.proc.Conn()), schema.CommandCall{
		ID: "trial-1", Name: name, Input: input, AgentID: "nyx", ConversationID: "conv_trial", RunID: "run_trial",
	})
	return err
}

func wants(t conform.T, what string, err error, code schema.ErrorCode) {
	t.Helper()
	if got := schema.CodeOf(err); got != code {
		t.Errorf("%s = %v (%s), want %s", what, err, got, code)
	}
}

func (p Program) commandUnknown(t conform.T) {
	p.commands(t)
	r, _, _ := p.begun(t)
	wants(t, "a command that is not there", r.command(t, "no-such-command", schema.Object{}), schema.CodeNotFound)
}

func (p Program) commandInput(t conform.T) {
	var r *running
	for _, c := range p.commands(t) {
		input, ok := unfit(c.InputSchema)
		if !ok {
			continue
		}
		if r == nil {
			r, _, _ = p.begun(t)
		}
		wants(t, c.Name+" with an input that does not fit", r.command(t, c.Name, input), schema.CodeInvalidArgument)
	}
	if r == nil {
		t.Skipf("any object fits its commands, as far as can be found out")
	}
}

// unfit returns an object that does not fit a JSON Schema; ok is false where none is found.
func unfit(raw json.RawMessage) (input schema.Object, ok bool) {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	candidates := []schema.Object{{"noSuchKey": true}, {}}
	for name := range s.Properties {
		for _, v := range []any{nil, "x", true, json.Number("-1.5"), []any{}, map[string]any{}} {
			candidates = append(candidates, schema.Object{name: v})
		}
	}
	for _, c := range candidates {
		if problems, err := (problem.Schema{Raw: raw}).Check(map[string]any(c)); err == nil && len(problems) > 0 {
			return c, true
		}
	}
	return nil, false
}

func (p Program) commandNotBegun(t conform.T) {
	name := p.commands(t)[0].Name
	early := p.open(t, p.Services(t))
	if _, err := early.Init(bound(t, callTimeout)); err != nil {
		t.Fatalf("Init: %v", err)
	}
	notBegun(t, "before Start", early.command(t, name, schema.Object{}))
	late, _, _ := p.begun(t)
	if _, err := late.Drain(bound(t, callTimeout), callTimeout/2); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	notBegun(t, "after Drain", late.command(t, name, schema.Object{}))
}

func notBegun(t conform.T, when string, err error) {
	t.Helper()
	if !wire.NotBegun(err) {
		t.Errorf("a command %s = %v, want the status ABORTED without details", when, err)
	}
}

// metricGroup has the checks of what an extension counts.
func (p Program) metricGroup() conform.Group {
	return conform.Group{Name: "extension/metrics", Checks: []conform.Check{
		{Name: "are-sound", Expect: "what it counts has a name of a-z, 0-9 and _, and a number, and there is not too much of it", Contract: "schema.ValidMetric", Run: p.metricsSound},
		{Name: "totals-grow", Expect: "what ends in _total only grows while it runs", Contract: itsLife, Run: p.totalsGrow},
	}}
}

// counts returns what a process counts at the moment, or skips the check.
func (r *running) counts(t conform.T) map[string]float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), min(callTimeout, conform.Patience(t)))
	defer cancel()
	out, err := r.client.Health(ctx, &pb.HealthRequest{})
	if err != nil {
		t.Fatalf("Health = %v", err)
	}
	if len(out.GetMetrics()) == 0 {
		t.Skipf("it counts nothing")
	}
	return out.GetMetrics()
}

func (p Program) metricsSound(t conform.T) {
	r, _, _ := p.begun(t)
	all := r.counts(t)
	if len(all) > schema.MaxMetrics {
		t.Errorf("it counts %d things, and may count %d", len(all), schema.MaxMetrics)
	}
	for name, value := range all {
		if !schema.ValidMetric(name, value) {
			t.Errorf("it counts %q = %v", name, value)
		}
	}
}

func (p Program) totalsGrow(t conform.T) {
	const questions = 20
	r, listeners, _ := p.begun(t)
	before := r.counts(t)
	for range questions {
		visit(listeners)
		now := r.counts(t)
		for name, value := range before {
			if strings.HasSuffix(name, "_total") && now[name] < value {
				t.Fatalf("%s went from %v to %v", name, value, now[name])
			}
		}
		before = now
	}
}

//go:build unix

package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func commanderSpec(t *testing.T, name string) plugin.Spec {
	t.Helper()
	spec := servantSpec(t, `{}`)
	spec.Name = name
	delete(spec.Env, envExtension)
	spec.Env[envCommander] = "1"
	return spec
}

func ann(scopes ...schema.Scope) context.Context {
	return schema.WithCaller(context.Background(), schema.Caller{Principal: "ann", Scopes: scopes})
}

func callOf(name string, input schema.Object) schema.CommandCall {
	return schema.CommandCall{ID: "call_1", Name: name, Input: input, AgentID: "nyx", ConversationID: "conv_1", RunID: "run_1"}
}

// generationOf returns which generation carried a command out.
func generationOf(t *testing.T, result schema.Object, err error) string {
	t.Helper()
	n, ok := result["generation"].(json.Number)
	if err != nil || !ok || result["principal"] != "ann" {
		t.Fatalf("it returned %v, %v", result, err)
	}
	return n.String()
}

// TestACommandEndsWhereItBegan: the extension is replaced while it carries one out; the next one goes to the next generation.
func TestACommandEndsWhereItBegan(t *testing.T) {
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	begun, until := filepath.Join(dir, "begun"), filepath.Join(dir, "until")
	type answer struct {
		result schema.Object
		err    error
	}
	held := make(chan answer, 1)
	go func() {
		result, err := m.Commands().Run(ann(schema.ScopeChat), callOf("hold", schema.Object{"begun": begun, "until": until}))
		held <- answer{result, err}
	}()
	eventually(t, "the command to begin", func() bool { _, err := os.Stat(begun); return err == nil })
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	result, err := m.Commands().Run(ann(schema.ScopeChat), callOf("which", nil))
	if g := generationOf(t, result, err); g != "2" {
		t.Errorf("after the swap generation %s carries commands out", g)
	}
	select {
	case a := <-held:
		t.Fatalf("the command that was under way ended with the swap: %+v", a)
	default:
	}
	if err := os.WriteFile(until, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a := <-held
	if g := generationOf(t, a.result, a.err); g != "1" {
		t.Errorf("the command that was under way ended in generation %s", g)
	}
}

// TestCommandsOverSwaps: commands are given without a pause while the extension is replaced; each of them is carried out.
func TestCommandsOverSwaps(t *testing.T) {
	m, _ := newManager(t)
	spec := commanderSpec(t, "commander")
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	counts := make(chan int, 2)
	for range cap(counts) {
		go func() {
			n := 0
			for ctx.Err() == nil {
				if _, err := m.Commands().Run(ann(schema.ScopeChat), callOf("which", nil)); err != nil {
					t.Errorf("command %d: %v", n, err)
					break
				}
				n++
			}
			counts <- n
		}()
	}
	for range 3 {
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Error(err)
		}
	}
	stop()
	for range cap(counts) {
		if n := <-counts; n == 0 {
			t.Error("no command was given")
		}
	}
}

// TestACommandOfAProcessThatDies: the caller is told that it is not known, and the command is there again when the extension is.
func TestACommandOfAProcessThatDies(t *testing.T) {
	m, _ := newManager(t)
	if err := m.Start(context.Background(), commanderSpec(t, "commander")); err != nil {
		t.Fatal(err)
	}
	_, err := m.Commands().Run(ann(schema.ScopeChat), callOf("fault", schema.Object{"fault": "exit"}))
	if schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "may be done or not") {
		t.Errorf("of a process that died: %v", err)
	}
	if all, err := m.Commands().List(ann(schema.ScopeChat)); err != nil || len(all) != 4 {
		t.Errorf("while it is restarted there are %d commands, %v", len(all), err)
	}
	eventually(t, "the command to be there again", func() bool {
		_, err := m.Commands().Run(ann(schema.ScopeChat), callOf("which", nil))
		if err != nil && schema.CodeOf(err) != schema.CodeUnavailable {
			t.Fatal(err)
		}
		return err == nil
	})
}

func TestWhatACommandAnswers(t *testing.T) {
	m, log := newManager(t)
	if err := m.Start(context.Background(), commanderSpec(t, "commander")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		input schema.Object
		code  schema.ErrorCode
		text  string
	}{
		{"nonsense", nil, schema.CodeNotFound, "no command"},
		{"rule", nil, schema.CodePermissionDenied, `needs the scope "admin"`},
		{"slow", nil, schema.CodeDeadlineExceeded, "did not finish within 50ms"},
		{"fault", schema.Object{"fault": "panic"}, schema.CodeInternal, "failed unexpectedly"},
		{"fault", schema.Object{"fault": "missing"}, schema.CodeNotFound, "there is no such thing"},
		{"fault", schema.Object{"fault": "stale"}, schema.CodeRevisionMismatch, "somebody was quicker"},
		{"fault", schema.Object{"fault": "large"}, schema.CodeTooLarge, "at most"},
		{"fault", schema.Object{"fault": "plain"}, schema.CodeInternal, "just so"},
		{"fault", schema.Object{"fault": "other"}, schema.CodeInvalidArgument, "/fault"},
		{"hold", schema.Object{"begun": "", "until": "x", "odd": 1}, schema.CodeInvalidArgument, "/odd"},
		{"hold", nil, schema.CodeInvalidArgument, "begun"},
	} {
		result, err := m.Commands().Run(ann(schema.ScopeChat), callOf(c.name, c.input))
		if result != nil || schema.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s %v: %v, %v, want %s with %q", c.name, c.input, result, err, c.code, c.text)
		}
	}
	var e *schema.Error
	_, err := m.Commands().Run(ann(schema.ScopeChat), callOf("hold", schema.Object{"begun": "", "until": "x", "odd": 1}))
	if !errors.As(err, &e) || len(e.Fields) != 2 {
		t.Errorf("two values are wrong: %+v", e)
	}
	result, err := m.Commands().Run(ann(schema.ScopeAdmin), callOf("rule", nil))
	if g := generationOf(t, result, err); g != "1" {
		t.Errorf("generation %s", g)
	}
	if all, err := m.Commands().List(ann(schema.ScopeAdmin)); err != nil || len(all) != 5 || all[0].Name != "fault" {
		t.Errorf("an admin has %v, %v", all, err)
	}
	if !strings.Contains(log.String(), "on purpose") {
		t.Error("the log does not tell of the panic")
	}
}

// TestOneCommandOfTwoExtensions: the second one does not start, and may when the first one is gone.
func TestOneCommandOfTwoExtensions(t *testing.T) {
	m, _ := newManager(t)
	first, second := commanderSpec(t, "first"), commanderSpec(t, "second")
	if err := m.Start(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := m.Start(context.Background(), second)
		var start *plugin.StartError
		var taken *plugin.TakenError
		if !errors.As(err, &start) || start.Phase != plugin.PhaseInit || !errors.As(err, &taken) || taken.By != "first" || start.Next == "" {
			t.Fatalf("two extensions with the same command: %v", err)
		}
	}
	second.Grants = []string{}
	if err := m.Start(context.Background(), second); err != nil {
		t.Errorf("without the grant to add commands: %v", err)
	}
	if err := errors.Join(m.Stop(context.Background(), "first"), m.Stop(context.Background(), "second")); err != nil {
		t.Fatal(err)
	}
	if all, err := m.Commands().List(ann(schema.ScopeChat)); err != nil || len(all) != 0 {
		t.Errorf("nobody has %v, %v", all, err)
	}
	second.Grants = []string{schema.GrantCommands}
	if err := m.Start(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Commands().Run(ann(schema.ScopeChat), callOf("which", nil)); err != nil {
		t.Error(err)
	}
}

// wrongCommands has one that cannot be.
type wrongCommands struct{ commands []sdk.Command }

func (wrongCommands) Start(context.Context, *sdk.Host) error { return nil }
func (x *wrongCommands) Commands() []sdk.Command             { return x.commands }

type loop struct {
	Next *loop `json:"next"`
}

func TestCommandsThatCannotBe(t *testing.T) {
	ok := func(context.Context, sdk.CommandCall, none) (none, error) { return none{}, nil }
	for want, commands := range map[string][]sdk.Command{
		"cannot be the name":      {sdk.NewCommand("Of the name", "x", ok)},
		"needs a description":     {sdk.NewCommand("x", " ", ok)},
		`needs the scope "root"`:  {sdk.NewCommand("x", "x", ok, sdk.NeedsScope("root"))},
		"more than nothing":       {sdk.NewCommand("x", "x", ok, sdk.TakesUpTo(0))},
		"two commands":            {sdk.NewCommand("x", "x", ok), sdk.NewCommand("x", "y", ok)},
		"not made by":             {{}},
		"is not a struct":         {sdk.NewCommand("x", "x", func(context.Context, sdk.CommandCall, string) (none, error) { return none{}, nil })},
		"contains itself at Next": {sdk.NewCommand("x", "x", func(context.Context, sdk.CommandCall, loop) (none, error) { return none{}, nil })},
		"time.Duration": {sdk.NewCommand("x", "x", func(context.Context, sdk.CommandCall, struct{ D time.Duration }) (none, error) {
			return none{}, nil
		})},
	} {
		d := sdk.Definition{Name: "wrong", Version: "1", New: func() sdk.Extension { return &wrongCommands{commands} }}
		failed := &recording{TB: t}
		func() {
			defer func() { _ = recover() }()
			sdktest.Start(failed, d, ``, sdk.Services{})
		}()
		if !strings.Contains(failed.said, want) {
			t.Errorf("the extension starts, or says %q, want %q", failed.said, want)
		}
	}
}

// recording is a test that fails by itself.
type recording struct {
	testing.TB
	said string
}

func (r *recording) Fatalf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			r.said = err.Error()
		}
	}
	panic(format)
}

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/conformtest"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const upTo = 60

func counted() string {
	var b strings.Builder
	for n := range upTo {
		fmt.Fprintf(&b, "%d ", n+1)
	}
	return b.String()
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagehouse-brain")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// house is a runtime with an agent that the extension, which is a process, thinks for.
func house(t *testing.T) (*local.Runtime, *plugin.Manager, plugin.Spec) {
	t.Helper()
	rt, err := local.Open(context.Background(), local.Options{Dir: t.TempDir(), UseBrains: true, Agents: []local.AgentSpec{
		{ID: "abacus", Brain: schema.Brain{Provider: "brain", Options: schema.Object{"upTo": upTo}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := plugin.New(guard.New(rt.Services()), plugin.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))
	rt.UseBrains(m.Brains())
	t.Cleanup(func() {
		if err := errors.Join(m.Close(context.Background()), rt.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	spec := plugin.Spec{Name: "brain", Path: build(t), Private: true}
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	return rt, m, spec
}

// ask returns the deltas of a turn, joined, and its reply. at is called when the first has come.
func ask(t *testing.T, rt *local.Runtime, at func()) (said, reply string) {
	t.Helper()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
	for e, err := range rt.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "abacus", Message: "Count."}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Event == nil:
		case e.Event.Type == schema.EventDelta:
			var d schema.Delta
			if err := json.Unmarshal(e.Event.Payload, &d); err != nil {
				t.Fatal(err)
			}
			if said += d.Delta; d.Index == 0 && at != nil {
				at()
			}
		case e.Event.Type == schema.EventReply:
			var r schema.Reply
			if err := json.Unmarshal(e.Event.Payload, &r); err != nil {
				t.Fatal(err)
			}
			return said, r.Reply.Content
		case e.Event.Type.Terminal():
			t.Fatalf("the turn ends with %s %s", e.Event.Type, e.Event.Payload)
		}
	}
	return said, ""
}

// TestAnAnswerOutlivesItsBrain: while an agent speaks the extension that thinks for it is replaced, and killed; what it says comes
// out whole, with nothing twice.
func TestAnAnswerOutlivesItsBrain(t *testing.T) {
	rt, m, spec := house(t)
	for name, strike := range map[string]func(){
		"nothing": func() {},
		"a swap": func() {
			if err := m.Reload(context.Background(), spec); err != nil {
				t.Error(err)
			}
		},
		"a kill": func() {
			for _, s := range m.Status() {
				if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		if said, reply := ask(t, rt, strike); said != counted() || reply != counted() {
			t.Errorf("%s: it says %q, and replies %q", name, said, reply)
		}
	}
}

// TestConforms holds the extension to what a host expects of one, and of a brain.
func TestConforms(t *testing.T) {
	program := trial.Program{
		Spec:     plugin.Spec{Name: "brain", Path: build(t), Config: []byte(`{"pauseMs": 5}`)},
		Services: func(conform.T) schema.Services { return sdktest.NewHost().Services() },
		Brain:    []byte(`{"upTo": 20}`),
	}
	conformtest.Run(t, program.Groups())
}

// TestReadmeShowsThisSource keeps README.md true.
func TestReadmeShowsThisSource(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "```go\n"+string(source)+"```") {
		t.Errorf("README.md does not show main.go as it is (%v)", err)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoll(t *testing.T) {
	x := sdktest.Start(t, definition(), ``, sdktest.NewHost().Services())
	result, err := x.Command(t.Context(), "roll", `{"dice": "3d1"}`)
	if err != nil || result["text"] != "3d1 is 3: [1 1 1]" {
		t.Errorf("it rolls %v, %v", result, err)
	}
	for _, input := range []string{`{}`, `{"dice": "six"}`, `{"dice": "0d6"}`, `{"dice": "2d6", "cheat": true}`} {
		if result, err := x.Command(t.Context(), "roll", input); sdk.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("%s: %v, %v", input, result, err)
		}
	}
}

func TestPresentAsksForWhoSpeaks(t *testing.T) {
	host := sdktest.NewHost(sdk.Agent{ID: "nyx", Name: "Nyx"}, sdk.Agent{ID: "aria", Name: "Aria"})
	x := sdktest.Start(t, definition(), ``, host.Services())
	result, err := x.Command(t.Context(), "present", `{}`)
	if err != nil || result["text"] != "Beside me: Aria is running" {
		t.Errorf("present are %v, %v", result, err)
	}
	if calls := host.Calls("Agents.List"); len(calls) != 1 || calls[0].Caller.Principal != "ann" {
		t.Errorf("the host was asked %+v", calls)
	}
}

func TestItKeepsThePromises(t *testing.T) {
	sdktest.TestExtension(t, definition(), ``, sdktest.NewHost().Services())
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagehouse-commands")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// say returns the reply of an agent to a message, and the action that it has shown meanwhile.
func say(t *testing.T, rt *local.Runtime, message string) (reply string, action schema.Action) {
	t.Helper()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
	for e, err := range rt.Services().Chat.Send(ctx, schema.SendRequest{AgentID: "nyx", Message: message}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Event == nil:
		case e.Event.Type == schema.EventAction:
			if err := json.Unmarshal(e.Event.Payload, &action); err != nil {
				t.Fatal(err)
			}
		case e.Event.Type == schema.EventReply:
			var r schema.Reply
			if err := json.Unmarshal(e.Event.Payload, &r); err != nil {
				t.Fatal(err)
			}
			reply = r.Reply.Content
		case e.Event.Type.Terminal():
			t.Fatalf("%s: the turn ends with %s %s", message, e.Event.Type, e.Event.Payload)
		}
	}
	return reply, action
}

// TestAnAgentRollsDice: who speaks to an agent gives it a command of an extension that is a process of its own, and everybody
// sees what came of it; when the extension is gone, they are told.
func TestAnAgentRollsDice(t *testing.T) {
	rt, err := local.Open(context.Background(), local.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	m := plugin.New(guard.New(rt.Services()), plugin.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))
	rt.UseCommands(m.Commands())
	defer func() {
		if err := errors.Join(m.Close(context.Background()), rt.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}()
	if err := m.Start(context.Background(), plugin.Spec{Name: "dice", Path: build(t), Private: true}); err != nil {
		t.Fatal(err)
	}
	rolled := regexp.MustCompile(`^2d6 is [0-9]+: \[[1-6] [1-6]\]$`)
	for _, message := range []string{"/roll 2d6", `/roll {"dice": "2d6"}`} {
		reply, action := say(t, rt, message)
		if !rolled.MatchString(reply) {
			t.Errorf("%s: %q", message, reply)
		}
		if action.Action != "roll" || action.Input["dice"] != "2d6" || action.Result["text"] != reply {
			t.Errorf("%s was shown as %+v", message, action)
		}
	}
	if reply, _ := say(t, rt, "/present"); reply != "Beside me: Aria is running" {
		t.Errorf("/present: %q", reply)
	}
	if reply, action := say(t, rt, "/roll many"); !strings.Contains(reply, `/roll {"dice": <string: How many of how many sides, such as 2d6>}`) ||
		action.Result["error"].(map[string]any)["code"] != "invalid_argument" {
		t.Errorf("/roll many: %q, shown as %+v", reply, action)
	}
	if reply, action := say(t, rt, "/help"); !strings.Contains(reply, "/present – Tells which agents there are") || action.Action != "" {
		t.Errorf("/help: %q, shown as %+v", reply, action)
	}
	if err := m.Stop(context.Background(), "dice"); err != nil {
		t.Fatal(err)
	}
	if reply, action := say(t, rt, "/roll 2d6"); rolled.MatchString(reply) || action.Action == "roll" {
		t.Errorf("without the extension: %q, shown as %+v", reply, action)
	}
}

// TestReadmeShowsThisSource keeps README.md true.
func TestReadmeShowsThisSource(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "```go\n"+string(source)+"```\n") {
		t.Errorf("README.md does not show main.go as it is (%v)", err)
	}
}

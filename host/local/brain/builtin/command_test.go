package builtin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/schema"
)

// kit is a few commands; each returns what it was given.
type kit struct {
	all []schema.Command
	err error
}

func (k kit) List(context.Context) ([]schema.Command, error) { return k.all, nil }

func (k kit) Run(_ context.Context, name string, input schema.Object) (schema.Object, error) {
	b, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	return schema.Object{"text": name + string(b)}, k.err
}

func tool(name, input string) schema.Command {
	return schema.Command{Name: name, Description: "Does " + name + ".", InputSchema: json.RawMessage(input)}
}

func someTools() []schema.Command {
	return []schema.Command{
		tool("weather", `{"properties":{"city":{"type":"string","description":"Where"},"days":{"type":"integer"}},"required":["city"]}`),
		tool("wait", `{"properties":{"minutes":{"type":"number"}}}`),
		tool("light", `{"properties":{"on":{"type":"boolean"}},"required":["on"]}`),
		tool("move", `{"properties":{"x":{"type":"number"},"y":{"type":"number"}},"required":["x","y"]}`),
		tool("ping", `{"type":"object"}`),
	}
}

// ask returns the reply to a message, and fails if it is not the concatenation of its pieces.
func ask(t *testing.T, commands brain.Commands, message string) string {
	t.Helper()
	turn := brain.Turn{Agent: schema.Agent{ID: "nyx", Name: "Nyx"}, Message: schema.Message{Content: message}, Memory: &shelf{}, Commands: commands}
	var pieces, reply string
	for step, err := range (builtin.Brain{}).Respond(context.Background(), turn) {
		if err != nil {
			return "error: " + err.Error()
		}
		pieces, reply = pieces+step.Delta, step.Reply
	}
	if pieces != reply || reply == "" {
		t.Errorf("%q: the pieces %q are not the reply %q", message, pieces, reply)
	}
	return reply
}

func TestCommands(t *testing.T) {
	for message, want := range map[string]string{
		`/weather {"city": "Rome", "days": 2}`: `weather{"city":"Rome","days":2}`,
		`/weather New York`:                    `weather{"city":"New York"}`,
		`  /weather Rome  `:                    `weather{"city":"Rome"}`,
		`/wait 2.5`:                            `wait{"minutes":2.5}`,
		`/wait soon`:                           "I need a number for minutes.",
		`/light true`:                          `light{"on":true}`,
		`/light maybe`:                         "I need true or false for on.",
		`/move 1`:                              `/move {"x": <number>, "y": <number>}`,
		`/weather {"city": `:                   `/weather {"city": <string: Where>, "days": <integer (optional)>}`,
		`/ping`:                                "ping{}",
		`/ping pong`:                           "Use it like this: /ping",
		`/help`:                                "/ping – Does ping",
		`/nonsense 1`:                          "I know no command /nonsense. These I know:",
	} {
		got := ask(t, kit{all: someTools()}, message)
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", message, got, want)
		}
	}
}

// TestNoCommand: what only looks like a command is a message like any other.
func TestNoCommand(t *testing.T) {
	for _, c := range []struct {
		commands brain.Commands
		message  string
	}{
		{nil, "/weather Rome"}, {kit{}, "/weather Rome"}, {kit{all: someTools()}, "/etc/passwd is a file"},
		{kit{all: someTools()}, "Is /weather a command?"}, {kit{all: someTools()}, "/"},
	} {
		if got := ask(t, c.commands, c.message); strings.Contains(got, "command") || strings.HasPrefix(got, "weather") {
			t.Errorf("%s: %q", c.message, got)
		}
	}
}

func TestFailedCommand(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{schema.Errorf(schema.CodeUnavailable, "the extension is away"), "I could not do that: The extension is away."},
		{schema.Errorf(schema.CodeInvalidArgument, "/city: too long"), "Use it like this: /weather {"},
		{fmt.Errorf("odd"), "I could not do that: Odd."},
	} {
		if got := ask(t, kit{all: someTools(), err: c.err}, "/weather Rome"); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stagehouse/stagehouse/schema"
)

// Commander is implemented by an extension that lets agents do something. Commands returns what, and is called on a struct that
// nothing has been started of, too, when the host asks what the extension is: it says what there is and does nothing. A handler
// is called after Start has returned, several at a time. Names are the extension's own: two extensions with a command of the same name do
// not run beside each other.
type Commander interface {
	Commands() []Command
}

// CommandCall is one command to be carried out: which one, by what call, and for what turn of which agent.
type CommandCall = schema.CommandCall

// Command is something that an extension lets agents do. NewCommand makes it.
type Command struct {
	spec schema.Command
	run  func(ctx context.Context, c CommandCall) (Object, error)
	err  error // what is wrong with it
}

// CommandOption changes what NewCommand makes.
type CommandOption func(*schema.Command)

// NeedsScope is for a command that not everybody who may talk to an agent may have carried out. Default: ScopeChat.
func NeedsScope(s Scope) CommandOption { return func(c *schema.Command) { c.Scope = s } }

// TakesUpTo bounds a command, in steps of a millisecond. Default: schema.DefaultCommandTimeout.
func TakesUpTo(d time.Duration) CommandOption {
	return func(c *schema.Command) { c.TimeoutMs = d.Milliseconds() }
}

// NewCommand returns a command. In and Out are structs, and the JSON Schemas of both are derived from them with the tags that
// [ConfigSchema] knows; so input that run is called with fits. Name and description are what a person or a model chooses by.
//
// The caller in the context of run is who speaks to the agent, so that what is asked of the Host is asked on its behalf. The
// context ends when the time of the command is over, or nobody waits any more. An error is told to the agent, with its code.
// A command that is under way when the extension drains is waited for.
func NewCommand[In, Out any](
	name, description string, run func(ctx context.Context, c CommandCall, in In) (Out, error), opts ...CommandOption,
) Command {
	c := Command{spec: schema.Command{
		Name: name, Description: description, Scope: schema.ScopeChat, TimeoutMs: schema.DefaultCommandTimeout.Milliseconds(),
	}}
	for _, o := range opts {
		o(&c.spec)
	}
	var errIn, errOut error
	c.spec.InputSchema, errIn = typeSchema(reflect.TypeFor[In]())
	c.spec.OutputSchema, errOut = typeSchema(reflect.TypeFor[Out]())
	if errIn != nil || errOut != nil {
		c.err = fmt.Errorf("the command %s: %w", name, errors.Join(errIn, errOut))
		return c
	}
	c.err = c.spec.Validate()
	c.run = func(ctx context.Context, call CommandCall) (Object, error) {
		var in In
		if err := decodeInput(c.spec.InputSchema, call.Input, &in); err != nil {
			return nil, err
		}
		out, err := run(ctx, call, in)
		if err != nil {
			return nil, err
		}
		return encodeResult(out)
	}
	return c
}

// typeSchema derives the JSON Schema of a struct type.
func typeSchema(t reflect.Type) (json.RawMessage, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is not a struct", t)
	}
	if path := recursive(t, nil); path != "" {
		return nil, fmt.Errorf("%s contains itself at %s", t, path)
	}
	return structSchema(reflect.New(t))
}

// decodeInput checks what a command is given against its schema, and decodes it.
func decodeInput(raw json.RawMessage, input Object, into any) error {
	b, err := json.Marshal(input)
	if err != nil {
		return schema.Errorf(schema.CodeInvalidArgument, "the input cannot be read: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		return schema.Errorf(schema.CodeInvalidArgument, "the input cannot be read: %w", err)
	}
	problems := checkSchema(raw, doc)
	if len(problems) == 0 {
		problems = decodeStrict(into, b)
	}
	if len(problems) == 0 {
		return nil
	}
	e := &schema.Error{Code: schema.CodeInvalidArgument}
	for _, p := range problems {
		text := p.Message
		if p.Suggestion != "" {
			text += " (" + p.Suggestion + ")"
		}
		e.Fields = append(e.Fields, schema.FieldError{Location: p.Pointer, Message: text})
	}
	e.Message = "the input does not fit: " + fieldTexts(e.Fields)
	return e
}

// fieldTexts says what is wrong, and where, in a line.
func fieldTexts(fields []schema.FieldError) string {
	texts := make([]string, len(fields))
	for i, f := range fields {
		texts[i] = strings.TrimPrefix(f.Location+": "+f.Message, ": ")
	}
	return strings.Join(texts, "; ")
}

// encodeResult returns what a command returned as an object.
func encodeResult(out any) (Object, error) {
	b, err := json.Marshal(out)
	if err != nil {
		return nil, schema.Errorf(schema.CodeInternal, "what came of the command cannot be encoded: %w", err)
	}
	if len(b) > schema.MaxObjectBytes {
		return nil, schema.Errorf(schema.CodeTooLarge, "what came of the command has %d bytes; at most %d are allowed", len(b), schema.MaxObjectBytes)
	}
	var o Object
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, schema.Errorf(schema.CodeInternal, "what came of the command is no JSON object: %w", err)
	}
	return o, nil
}

// commandsOf returns the commands of an extension, or what is wrong with one of them.
func commandsOf(log *slog.Logger, ext Extension) (commands []Command, err error) {
	x, ok := ext.(Commander)
	if !ok {
		return nil, nil
	}
	if err := contain(log, "Commands", func() error { commands = x.Commands(); return nil }); err != nil {
		return nil, err
	}
	for i, c := range commands {
		switch {
		case c.err != nil:
			return nil, c.err
		case c.run == nil:
			return nil, errors.New("a command was not made by sdk.NewCommand")
		case slices.ContainsFunc(commands[:i], func(d Command) bool { return d.spec.Name == c.spec.Name }):
			return nil, fmt.Errorf("there are two commands of the name %s", c.spec.Name)
		}
	}
	return commands, nil
}

// abilities returns what the extension would let agents do and think with, without starting anything; brain nil = nothing.
func (d Definition) abilities(log *slog.Logger) (specs []schema.Command, brain *schema.BrainInfo, err error) {
	var ext Extension
	if err := contain(log, "New", func() error { ext = d.New(); return nil }); err != nil {
		return nil, nil, err
	}
	commands, err := commandsOf(log, ext)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range commands {
		specs = append(specs, c.spec)
	}
	b, err := brainOf(log, ext)
	if b != nil {
		brain = &b.info
	}
	return specs, brain, err
}

package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Direction is who sends a frame.
type Direction string

// The directions.
const (
	FromClient Direction = "a client"
	FromServer Direction = "the server"
)

// Frames knows which frames an AsyncAPI document allows. It may be used from many goroutines.
type Frames struct {
	schemas  map[Direction]map[string]*jsonschema.Schema // by the type of the frame
	commands map[string]answers                          // by the type of the command
}

// answers is what a command may come to.
type answers struct {
	types, codes []string
}

// document is what is looked at of an AsyncAPI document. Its references lead to places in itself.
type document struct {
	Operations map[string]struct {
		Action   string      `json:"action"`
		Messages []reference `json:"messages"`
		Reply    struct {
			Messages []reference `json:"messages"`
		} `json:"reply"`
		Codes []string `json:"x-error-codes"`
	} `json:"operations"`
}

type reference struct {
	To string `json:"$ref"`
}

// address is under which the compiler knows the document.
const address = "asyncapi.json"

// NewFrames reads an AsyncAPI document, as JSON. In its schemas whatever the server sends is open, so that clients do not mind
// what a later version adds; here only what is described may be sent.
func NewFrames(asyncAPI []byte) (*Frames, error) {
	var doc document
	if err := json.Unmarshal(asyncAPI, &doc); err != nil {
		return nil, fmt.Errorf("read the AsyncAPI document: %w", err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(asyncAPI))
	if err != nil {
		return nil, fmt.Errorf("read the AsyncAPI document: %w", err)
	}
	closeObjects(whole)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // that of AsyncAPI's own schemas
	c.AssertFormat()
	if err := c.AddResource(address, whole); err != nil {
		return nil, fmt.Errorf("read the AsyncAPI document: %w", err)
	}
	f := &Frames{schemas: map[Direction]map[string]*jsonschema.Schema{FromClient: {}, FromServer: {}}, commands: map[string]answers{}}
	for name, op := range doc.Operations {
		received, sent := op.Messages, op.Reply.Messages
		if op.Action == "send" {
			received, sent = nil, op.Messages
		}
		commands, err := f.add(c, whole, FromClient, received)
		replies, wrong := f.add(c, whole, FromServer, sent)
		if err := errors.Join(err, wrong); err != nil {
			return nil, fmt.Errorf("operation %s: %w", name, err)
		}
		for _, kind := range commands {
			f.commands[kind] = answers{replies, op.Codes}
		}
	}
	return f, nil
}

// add compiles the payloads of messages, and returns their types.
func (f *Frames) add(c *jsonschema.Compiler, whole any, d Direction, messages []reference) (types []string, err error) {
	for _, r := range messages {
		m, err := follow(whole, r.To)
		if err != nil {
			return nil, err
		}
		message, _ := m.(map[string]any)
		name, _ := message["name"].(string)
		payload, _ := message["payload"].(map[string]any)
		at, _ := payload["$ref"].(string)
		if name == "" || at == "" {
			return nil, fmt.Errorf("%s has no name, or no payload that is a reference", r.To)
		}
		if f.schemas[d][name], err = c.Compile(address + at); err != nil {
			return nil, fmt.Errorf("compile the payload of %s: %w", name, err)
		}
		types = append(types, name)
	}
	return types, nil
}

// follow returns what a reference leads to, if need be over others.
func follow(whole any, to string) (any, error) {
	for range 8 {
		at := whole
		for name := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
			object, _ := at.(map[string]any)
			below, ok := object[name]
			if !ok {
				return nil, fmt.Errorf("%s leads nowhere", to)
			}
			at = below
		}
		object, _ := at.(map[string]any)
		next, further := object["$ref"].(string)
		if !further {
			return at, nil
		}
		to = next
	}
	return nil, fmt.Errorf("%s leads in circles", to)
}

// closeObjects has every object that says which properties it has, and not what others may be, have no others.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		_, described := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; described && !said && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, e := range v {
			closeObjects(e)
		}
	}
}

// Types lists the types of the frames that one side may send.
func (f *Frames) Types(d Direction) []string { return slices.Sorted(maps.Keys(f.schemas[d])) }

// Check returns what is wrong with a frame, or nil. The error quotes the frame.
func (f *Frames) Check(d Direction, frame []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return fmt.Errorf("%s sends what is not JSON: %w\n%.2000s", d, err, frame)
	}
	members, _ := v.(map[string]any)
	kind, _ := members["type"].(string)
	schema := f.schemas[d][kind]
	if schema == nil {
		return fmt.Errorf("%s sends a frame of type %q, which the document does not have\n%.2000s", d, kind, frame)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%s sends a %s that is not as the document says: %w\n%.2000s", d, kind, err, frame)
	}
	return nil
}

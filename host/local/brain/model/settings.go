package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Defaults of what an agent's brain leaves open.
const (
	DefaultContextTokens = 16_000
	DefaultMaxSteps      = 8
)

// settings is what the field "brain" of an agent says to the host. Everything else in it is the provider's.
type settings struct {
	Fallback      []schema.Brain `json:"fallback"`
	ContextTokens int            `json:"contextTokens"`
	MaxTokens     int            `json:"maxTokens"`
	MaxSteps      int            `json:"maxSteps"`
	Tools         *bool          `json:"tools"`
	Emotion       string         `json:"emotion"`
	Remember      string         `json:"remember"`
	DryRun        bool           `json:"dryRun"`
}

// settingsSchema is the JSON Schema of settings.
const settingsSchema = `{
	"type": "object",
	"properties": {
		"fallback": {"type": "array", "maxItems": 8, "items": {"type": ["string", "object"]}},
		"contextTokens": {"type": "integer", "minimum": 500, "maximum": 2000000},
		"maxTokens": {"type": "integer", "minimum": 1, "maximum": 1000000},
		"maxSteps": {"type": "integer", "minimum": 1, "maximum": 64},
		"tools": {"type": "boolean"},
		"emotion": {"enum": ["text", "model"]},
		"remember": {"enum": ["text", "model", "off"]},
		"dryRun": {"type": "boolean"}
	}
}`

// ownOptions are the names in settings.
var ownOptions = []string{"fallback", "contextTokens", "maxTokens", "maxSteps", "tools", "emotion", "remember", "dryRun"}

// candidate is a brain that may think for the agent.
type candidate struct {
	provider string
	options  schema.Object // that are the provider's
}

// parse reads what an agent's brain says: the settings, and who thinks for it, first the one that is named, then the fallbacks.
func parse(b schema.Brain) (settings, []candidate, error) {
	s := settings{ContextTokens: DefaultContextTokens, MaxSteps: DefaultMaxSteps, Emotion: "text", Remember: "text"}
	own, theirs := split(b.Options)
	if err := s.read(own); err != nil {
		return s, nil, err
	}
	chain := []candidate{{b.Provider, theirs}}
	for _, f := range s.Fallback {
		for name := range f.Options {
			if slices.Contains(ownOptions, name) {
				return s, nil, fmt.Errorf("the fallback %s cannot have an option %q; it holds for the whole brain", f.Provider, name)
			}
		}
		if slices.ContainsFunc(chain, func(c candidate) bool { return c.provider == f.Provider && sameOptions(c.options, f.Options) }) {
			return s, nil, fmt.Errorf("the brain %s is there twice", f.Provider)
		}
		chain = append(chain, candidate{f.Provider, f.Options})
	}
	return s, chain, nil
}

// split tells what is in settings from what is the provider's.
func split(options schema.Object) (own, theirs schema.Object) {
	own, theirs = schema.Object{}, schema.Object{}
	for name, v := range options {
		if slices.Contains(ownOptions, name) {
			own[name] = v
		} else {
			theirs[name] = v
		}
	}
	return own, theirs
}

func sameOptions(a, b schema.Object) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// read fills in what own says, if it can be.
func (s *settings) read(own schema.Object) error {
	raw, err := json.Marshal(own)
	if err != nil {
		return fmt.Errorf("the options cannot be read: %w", err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("the options cannot be read: %w", err)
	}
	if err := check([]byte(settingsSchema), v, nil); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return fmt.Errorf("fallback: %w", err)
	}
	return nil
}

// check returns what of v does not fit a JSON Schema, in a line.
func check(raw []byte, v any, also []string) error {
	problems, err := problem.Schema{Raw: raw, Also: also}.Check(v)
	if err != nil {
		return err
	}
	return problem.InALine(problems)
}

// fits returns what is wrong with the options of a brain that is offered.
func (c candidate) fits(info schema.BrainInfo) error {
	raw, err := c.options.MarshalJSON()
	if err != nil {
		return err
	}
	var v schema.Object
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if v == nil {
		v = schema.Object{}
	}
	if err := check(info.OptionsSchema, map[string]any(v), ownOptions); err != nil {
		return fmt.Errorf("%s: %w", c.provider, err)
	}
	return nil
}

// names lists the providers that are there, for a person.
func names(all []schema.BrainInfo, hosts []string) string {
	known := map[string]bool{}
	for _, n := range hosts {
		known[n] = true
	}
	for _, b := range all {
		known[b.Provider] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

package trial

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// options returns options that fit a brain: what its JSON Schema requires, and the author's. It skips the check if there are none.
func (p Program) options(t conform.T, b schema.BrainInfo) schema.Object {
	t.Helper()
	options := required(b.OptionsSchema)
	if len(p.Brain) > 0 {
		if err := decode(p.Brain, &options); err != nil {
			t.Fatalf("read the options of the brain: %v", err)
		}
	}
	if problems := unfitting(b.OptionsSchema, options); len(problems) > 0 {
		q := problems[0]
		t.Skipf("no options are known that fit its brain, give some: %s %s %s", q.Pointer, q.Message, q.Suggestion)
	}
	return options
}

// decode reads JSON, with json.Number for numbers.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// unfitting returns the problems of options; there are none with a JSON Schema that cannot be used.
func unfitting(raw json.RawMessage, options schema.Object) []schema.Problem {
	problems, err := (problem.Schema{Raw: raw}).Check(map[string]any(options))
	if err != nil {
		return nil
	}
	return problems
}

// shape is as much of a JSON Schema as is needed to make a value for it.
type shape struct {
	Type             any                        `json:"type"`
	Default          any                        `json:"default"`
	Const            any                        `json:"const"`
	Enum             []any                      `json:"enum"`
	Minimum          json.Number                `json:"minimum"`
	ExclusiveMinimum json.Number                `json:"exclusiveMinimum"`
	MinLength        int                        `json:"minLength"`
	MinItems         int                        `json:"minItems"`
	Items            json.RawMessage            `json:"items"`
	Required         []string                   `json:"required"`
	Properties       map[string]json.RawMessage `json:"properties"`
}

// required returns an object with what a JSON Schema requires, and no more. It may not fit one that is not simple.
func required(raw json.RawMessage) schema.Object {
	var s shape
	o := schema.Object{}
	if decode(raw, &s) != nil {
		return o
	}
	for _, name := range s.Required {
		o[name] = sample(s.Properties[name])
	}
	return o
}

// sample returns a value for a JSON Schema: what it proposes, or the least that it allows. It is nil where that is not to be seen.
func sample(raw json.RawMessage) any {
	var s shape
	if decode(raw, &s) != nil {
		return nil
	}
	switch {
	case s.Default != nil:
		return s.Default
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case "string":
		return strings.Repeat("x", max(s.MinLength, 1))
	case "integer", "number":
		return s.least()
	case "boolean":
		return false
	case "object":
		return map[string]any(required(raw))
	case "array":
		items := make([]any, s.MinItems)
		for i := range items {
			items[i] = sample(s.Items)
		}
		return items
	}
	return nil
}

// least returns a number that is as small as a JSON Schema allows, or 1.
func (s shape) least() json.Number {
	switch {
	case s.Minimum != "":
		return s.Minimum
	case s.ExclusiveMinimum != "":
		if n, err := s.ExclusiveMinimum.Int64(); err == nil {
			b, _ := json.Marshal(n + 1) // a number is always JSON
			return json.Number(b)
		}
	}
	return "1"
}

// misfits returns options that a JSON Schema does not allow, each of which is good but for one member.
func misfits(raw json.RawMessage, good schema.Object) (bad []schema.Object) {
	var s shape
	if decode(raw, &s) != nil {
		return nil
	}
	add := func(name string, values ...any) {
		for _, v := range values {
			o := schema.Object{}
			maps.Copy(o, good)
			o[name] = v
			if len(unfitting(raw, o)) > 0 {
				bad = append(bad, o)
				return
			}
		}
	}
	add("noSuchKey", true)
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		add(name, map[string]any{}, []any{}, "x", true, json.Number("-1.5"))
	}
	return bad
}

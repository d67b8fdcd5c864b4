package docs

import (
	"encoding/json"
	"slices"
)

// sampleDepth bounds the examples that are made up from schemas.
const sampleDepth = 6

// exampleIn returns the example that a schema, a parameter or a media type gives itself.
func exampleIn(p part) (any, bool) {
	if v, ok := p.values["example"]; ok {
		return v, true
	}
	if list, ok := p.values["examples"].([]any); ok && len(list) > 0 {
		return list[0], true
	}
	return nil, false
}

// sample makes an example of a schema, from the examples that are in it wherever there are some. A sample of a request leaves
// out what only an answer has, and what is neither required nor has an example.
func (d *document) sample(v any, request bool) any {
	s := sampler{d, request, nil}
	made, _ := s.of(v)
	return made
}

type sampler struct {
	*document
	request bool
	open    []any // schemas that the sample is within
}

// of returns a value, and whether it comes from an example.
func (s sampler) of(v any) (any, bool) {
	v, _ = s.resolve(v)
	o, ok := v.(*object)
	if !ok || slices.Contains(s.open, v) || len(s.open) > sampleDepth {
		return nil, false
	}
	s.open = append(slices.Clip(s.open), v)
	p := partOf(o)
	if v, ok := exampleIn(p); ok {
		return v, true
	}
	for _, name := range []string{"const", "default"} {
		if v, ok := p.values[name]; ok {
			return v, true
		}
	}
	if values := p.list("enum"); len(values) > 0 {
		return values[0], true
	}
	for _, name := range []string{"oneOf", "anyOf"} {
		if list := p.list(name); len(list) > 0 {
			return s.of(list[0])
		}
	}
	return s.byType(p)
}

func (s sampler) byType(p part) (any, bool) {
	if list := p.list("allOf"); len(list) > 0 {
		return s.all(p, list)
	}
	switch kind(p) {
	case "object":
		return s.object(p)
	case "array":
		item, given := s.of(p.values["items"])
		if item == nil {
			return []any{}, false
		}
		return []any{item}, given
	case "string":
		return text(p.text("format")), false
	case "integer", "number":
		if least, ok := p.values["minimum"].(json.Number); ok {
			return least, false
		}
		return json.Number("0"), false
	case "boolean":
		return false, false
	default:
		return nil, false
	}
}

// kind returns the first type of a schema that is not null.
func kind(p part) string {
	if name := p.text("type"); name != "" {
		return name
	}
	for _, name := range stringsOf(p.list("type")) {
		if name != "null" {
			return name
		}
	}
	if p.has("properties") {
		return "object"
	}
	return ""
}

func (s sampler) object(p part) (any, bool) {
	out := &object{values: map[string]any{}}
	required := stringsOf(p.list("required"))
	properties := p.part("properties")
	any := false
	for _, name := range properties.names {
		member := properties.values[name]
		if side := partOf(member); s.request && side.flag("readOnly") || !s.request && side.flag("writeOnly") {
			continue
		}
		v, given := s.of(member)
		needed := slices.Contains(required, name)
		if v != nil && (needed || given || !s.request) {
			out.set(name, v)
		}
		any = any || given
	}
	return out, any
}

func (s sampler) all(p part, list []any) (any, bool) {
	out := &object{values: map[string]any{}}
	any := false
	for _, v := range append(slices.Clip(list), beside(p)) {
		made, given := s.of(v)
		o, ok := made.(*object)
		if !ok {
			continue
		}
		for _, name := range o.names {
			out.set(name, o.values[name])
		}
		any = any || given
	}
	return out, any
}

// beside returns a schema without its allOf.
func beside(p part) *object {
	out := &object{values: map[string]any{}}
	for _, name := range p.names {
		if name != "allOf" {
			out.set(name, p.values[name])
		}
	}
	return out
}

// text is an example of a string.
func text(format string) string {
	switch format {
	case "date-time":
		return "2026-01-02T15:04:05Z"
	case "date":
		return "2026-01-02"
	case "uri":
		return "https://example.com"
	default:
		return "string"
	}
}

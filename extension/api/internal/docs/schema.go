package docs

import (
	"html/template"
	"slices"
)

// shape is a JSON Schema as the page shows it.
type shape struct {
	Type    []word // such as "array of Agent or null"
	Text    template.HTML
	Notes   []note
	Members []member
	Parts   []branch
	Extras  []extra // keywords that this package does not know
}

// word is a piece of a type; one with an Href is the name of another schema.
type word struct{ Text, Href string }

// note is a limit or another short fact. Values are code.
type note struct {
	Label  string
	Values []string
}

// member is one member of an object, or one parameter or header.
type member struct {
	Anchor     string // "" = nothing leads to it
	Name       string
	Required   bool
	Deprecated bool
	Shape      *shape
}

// branch is a list of schemas below another one: the alternatives of oneOf, the items of an array.
type branch struct {
	Label  string
	Shapes []*shape
}

// Plain reports whether all that there is to say fits beside the type.
func (s *shape) Plain() bool { return len(s.Members)+len(s.Parts)+len(s.Extras) == 0 }

// Empty reports whether the shape says nothing but its type.
func (s *shape) Empty() bool { return s.Plain() && s.Text == "" && len(s.Notes) == 0 }

// maxDepth bounds how deep schemas may be nested in each other on the page. References are links, so no ring gets here.
const maxDepth = 24

// shape describes a schema. References are links.
func (d *document) shape(v any) *shape { return d.shapeAt(v, 0) }

// opened is shape, but shows what a reference at the top leads to, and its name as a link.
func (d *document) opened(v any) *shape {
	ref, _ := partOf(v).values["$ref"].(string)
	href := d.schemaHref(ref)
	if href == "" {
		return d.shape(v)
	}
	target, name := d.resolve(v)
	s := d.shape(target)
	s.Type = []word{{name, href}}
	return s
}

func (d *document) shapeAt(v any, depth int) *shape {
	if v == true || v == nil {
		return &shape{Type: []word{{Text: "anything"}}}
	}
	o, ok := v.(*object)
	if v == false || !ok || depth > maxDepth {
		text := compact(v)
		if v == false {
			text = "nothing"
		}
		return &shape{Type: []word{{Text: text}}}
	}
	p := partOf(o)
	p.skip("examples", "example", "title", "$schema", "$id") // examples stand where the value does
	s := &shape{}
	if p.has("title") && p.text("title") != "" && !p.has("description") {
		s.Text = prose{}.blocks(p.text("title"))
	}
	s.Text += prose{}.blocks(p.text("description"))
	s.Type = d.typeOf(p)
	d.nest(p, s, depth)
	s.Notes = append(notesOf(p), s.Notes...)
	if v, ok := exampleIn(p); ok && len(s.Members) == 0 {
		s.Notes = append(s.Notes, note{"Example", []string{literal(v)}})
	}
	s.Extras = p.rest()
	return s
}

// nest adds what is below a schema.
func (d *document) nest(p part, s *shape, depth int) {
	s.Members = d.members(p, depth)
	switch more := p.values["additionalProperties"].(type) {
	case bool:
		p.skip("additionalProperties")
		switch {
		case !more:
			s.Notes = append(s.Notes, note{Label: "No other members"})
		case len(s.Members) > 0:
			s.Notes = append(s.Notes, note{Label: "Any other members"})
		default:
			s.Notes = append(s.Notes, note{Label: "Any members"})
		}
	case *object:
		p.skip("additionalProperties")
		s.Parts = append(s.Parts, branch{"Every other member", []*shape{d.shapeAt(more, depth+1)}})
	}
	d.nestItems(p, s, depth)
	for _, k := range []struct{ name, label string }{
		{"oneOf", "One of"}, {"anyOf", "Any of"}, {"allOf", "All of"}, {"prefixItems", "First items"},
	} {
		if list := p.list(k.name); list != nil {
			b := branch{Label: k.label}
			for _, v := range list {
				b.Shapes = append(b.Shapes, d.shapeAt(v, depth+1))
			}
			s.Parts = append(s.Parts, b)
		}
	}
	for _, k := range []struct{ name, label string }{
		{"not", "Not"}, {"if", "If"}, {"then", "Then"}, {"else", "Else"}, {"contains", "Contains"}, {"propertyNames", "Names of members"},
		{"unevaluatedProperties", "Every other member"},
	} {
		if _, ok := p.values[k.name].(*object); ok {
			s.Parts = append(s.Parts, branch{k.label, []*shape{d.shapeAt(p.take(k.name), depth+1)}})
		}
	}
	patterns := p.part("patternProperties")
	for _, pattern := range patterns.names {
		s.Parts = append(s.Parts, branch{"Members like " + pattern, []*shape{d.shapeAt(patterns.values[pattern], depth+1)}})
	}
}

// nestItems adds the items of an array, unless the type has said all that there is to say about them.
func (d *document) nestItems(p part, s *shape, depth int) {
	items, ok := p.values["items"].(*object)
	if !ok {
		return
	}
	p.skip("items")
	inner := d.shapeAt(items, depth+1)
	switch {
	case inner.Empty():
	case inner.Plain() && s.Text == "" && len(inner.Notes) == 0:
		s.Text = inner.Text
	default:
		s.Parts = append(s.Parts, branch{"Each item", []*shape{inner}})
	}
}

func (d *document) members(p part, depth int) []member {
	required := stringsOf(p.list("required"))
	properties := p.part("properties")
	var out []member
	for _, name := range properties.names {
		v := properties.values[name]
		inner := partOf(v)
		m := member{Name: name, Required: slices.Contains(required, name), Deprecated: inner.values["deprecated"] == true, Shape: d.shapeAt(v, depth+1)}
		out = append(out, m)
	}
	for _, name := range required {
		if !properties.has(name) {
			out = append(out, member{Name: name, Required: true, Shape: d.shapeAt(true, depth+1)})
		}
	}
	slices.SortStableFunc(out, func(a, b member) int { return rank(a) - rank(b) })
	return out
}

// rank puts what is required first.
func rank(m member) int {
	if m.Required {
		return 0
	}
	return 1
}

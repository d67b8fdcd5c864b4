package docs

import (
	"html/template"
	"slices"
	"strings"
)

type body struct {
	Required bool
	Text     template.HTML
	Contents []content
	Extras   []extra
}

// answer is one response.
type answer struct {
	Status   string
	Class    string // the first digit of the status
	Href     string // where the page has it in full, "" = here
	Text     template.HTML
	Headers  []member
	Also     []word // headers that many answers have
	Contents []content
	Extras   []extra
}

// content is a body in one media type.
type content struct {
	MediaType string
	Shape     *shape
	Examples  []example
	Extras    []extra
}

type example struct {
	Name string
	Text template.HTML
	Code code
}

func (d *document) body(v any) *body {
	thing, _ := d.resolve(v)
	p := partOf(thing)
	b := &body{Required: p.flag("required"), Text: prose{}.blocks(p.text("description"))}
	b.Contents = d.contents(p.part("content"), true)
	b.Extras = p.rest()
	return b
}

// answer describes a response. Of one that many operations share, the page has the whole once.
func (d *document) answer(status string, v any) answer {
	thing, _ := d.resolve(v)
	p := partOf(thing)
	a := answer{Status: status, Class: status[:min(1, len(status))], Text: d.words.blocks(p.text("description"))}
	if name := d.component("responses", v); name != "" {
		a.Href = "#" + anchor(d.prefix+"response", name)
		if !slices.Contains(d.statuses[name], status) {
			d.statuses[name] = append(d.statuses[name], status)
		}
	}
	headers := p.part("headers")
	for _, name := range headers.names {
		if shared := d.component("headers", headers.values[name]); shared != "" {
			a.Also = append(a.Also, word{name, "#" + anchor(d.prefix+"header", shared)})
			continue
		}
		a.Headers = append(a.Headers, d.header(name, headers.values[name]))
	}
	a.Contents = d.contents(p.part("content"), false)
	a.Extras = p.rest()
	return a
}

func (d *document) header(name string, v any) member {
	thing, _ := d.resolve(v)
	m := d.parameter(partOf(thing))
	m.Name = name
	return m
}

// component returns the name of what v is a reference to, among the components of a kind; "" = it is none.
func (d *document) component(kind string, v any) string {
	ref, _ := partOf(v).values["$ref"].(string)
	name, ok := strings.CutPrefix(ref, "#/components/"+kind+"/")
	if _, found := d.lookup(ref); !ok || !found || strings.Contains(name, "/") { // or it leads into a component
		return ""
	}
	return unescape(name)
}

// contents describes a body in its media types. Of types with the same schema the first one shows it, and the others are
// named beside it.
func (d *document) contents(p part, request bool) []content {
	var out []content
	var before []any
	for _, mediaType := range p.names {
		v := partOf(p.values[mediaType])
		schema := v.take("schema")
		if i := slices.IndexFunc(before, func(other any) bool { return other != nil && equal(other, p.values[mediaType]) }); i >= 0 {
			out[i].MediaType += ", " + mediaType
			before = append(before, nil)
			continue
		}
		before = append(before, p.values[mediaType])
		c := content{MediaType: mediaType, Examples: d.examples(v)}
		v.skip("example", "examples")
		if request {
			c.Shape = d.opened(schema)
		} else {
			c.Shape = d.shape(schema)
		}
		if len(c.Examples) == 0 && strings.HasSuffix(mediaType, "json") && !strings.Contains(mediaType, "problem") {
			if made := d.sample(schema, request); made != nil {
				c.Examples = []example{{Code: pretty(made)}}
			}
		}
		c.Extras = v.rest()
		out = append(out, c)
	}
	return out
}

// examples returns what a media type, a parameter or a header gives as its own.
func (d *document) examples(p part) []example {
	var out []example
	if v, ok := p.values["example"]; ok {
		out = append(out, example{Code: exampleCode(v)})
	}
	named, _ := p.values["examples"].(*object)
	if named == nil {
		return out
	}
	for _, name := range named.names {
		thing, _ := d.resolve(named.values[name])
		e := partOf(thing)
		one := example{Name: e.text("summary"), Text: prose{}.blocks(e.text("description"))}
		if one.Name == "" {
			one.Name = name
		}
		if e.has("value") {
			one.Code = exampleCode(e.take("value"))
		} else {
			one.Code = pretty(thing)
		}
		out = append(out, one)
	}
	return out
}

// exampleCode is a value as it goes over the wire: a string of several lines is no JSON.
func exampleCode(v any) code {
	if s, ok := v.(string); ok && strings.Contains(s, "\n") {
		return code{{"", strings.TrimRight(s, "\n")}}
	}
	return pretty(v)
}

package docs

import (
	"html/template"
)

type message struct {
	Anchor      string
	Name        string
	Title       string
	Text        template.HTML
	Deprecated  bool
	ContentType string
	Correlation template.HTML // what says to which other message it belongs
	Payload     *shape
	Home        string // id of the schema of the payload, if it is shown here
	Headers     *shape
	Examples    []example
	Replies     []word
	Access      string
	Extras      []extra
}

func messageName(key string, p part) string {
	if name, ok := p.values["name"].(string); ok && name != "" {
		return name
	}
	return key
}

func (m *messages) message(key string, v any) *message {
	p := partOf(m.withTraits(v))
	out := &message{Name: messageName(key, p), Title: p.text("summary"), Deprecated: p.flag("deprecated"), ContentType: p.text("contentType")}
	m.known[objectOf(v)] = out
	out.Anchor = m.messageID(out.Name)
	if title := p.text("title"); out.Title == "" && title != out.Name {
		out.Title = title
	}
	out.Text = m.words.blocks(p.text("description"))
	if payload := m.schemaOf(p, "payload"); payload != nil {
		m.payload(out, payload)
	}
	if headers := m.schemaOf(p, "headers"); headers != nil {
		out.Headers = m.opened(headers)
	}
	m.exemplify(out, p)
	p.skip("name", "tags")
	if p.has("correlationId") {
		thing, _ := m.resolve(p.take("correlationId"))
		c := partOf(thing)
		out.Correlation = prose{}.blocks("`" + c.text("location") + "`: " + c.text("description"))
		out.Extras = c.rest()
	}
	out.Extras = append(out.Extras, p.rest()...)
	return out
}

// payload shows a schema where its first message is, which is its home then.
func (m *messages) payload(out *message, v any) {
	out.Payload = m.opened(v)
	name := m.component("schemas", v)
	if name == "" || m.homes[name] != "" {
		return
	}
	out.Home = anchor(m.prefix+"schema", name)
	out.Payload.Type = nil
	if out.Payload.Text == (prose{}).blocks(out.Title) {
		out.Payload.Text = ""
	}
	m.homes[name] = out.Home
}

func (m *messages) exemplify(out *message, p part) {
	for _, v := range p.list("examples") {
		e := partOf(v)
		one := example{Name: e.text("name"), Text: prose{}.blocks(e.text("summary"))}
		if one.Name == out.Name {
			one.Name = ""
		}
		if e.has("payload") {
			one.Code = pretty(e.take("payload"))
		}
		if rest := e.rest(); len(rest) > 0 {
			one.Code = pretty(v)
		}
		out.Examples = append(out.Examples, one)
	}
	if made := m.sample(m.schemaOf(p, "payload"), false); len(out.Examples) == 0 && made != nil {
		out.Examples = []example{{Code: pretty(made)}}
	}
}

// schemaOf returns a schema that may stand within what says in which language it is.
func (m *messages) schemaOf(p part, name string) any {
	v := p.take(name)
	o := partOf(v)
	if format := o.text("schemaFormat"); format != "" && o.has("schema") {
		return o.values["schema"]
	}
	return v
}

// withTraits adds what a message has from its traits. Its own members win.
func (m *messages) withTraits(v any) any {
	p := partOf(v)
	if !p.has("traits") {
		return v
	}
	out := &object{values: map[string]any{}}
	for _, name := range p.names {
		if name != "traits" {
			out.set(name, p.values[name])
		}
	}
	for _, trait := range p.list("traits") {
		thing, _ := m.resolve(trait)
		t := partOf(thing)
		for _, name := range t.names {
			if _, own := out.values[name]; !own {
				out.set(name, t.values[name])
			}
		}
	}
	return out
}

// schemeNames names the security schemes of a list of references.
func (d *document) schemeNames(list []any) []string {
	var out []string
	for _, v := range list {
		thing, name := d.resolve(v)
		if name == "" {
			name = partOf(thing).text("type")
		}
		out = append(out, name)
	}
	return out
}

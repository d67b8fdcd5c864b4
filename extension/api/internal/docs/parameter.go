package docs

import "slices"

// merge adds the parameters of a path to those of an operation, which win.
func (d *document) merge(shared, own []any) []part {
	var out []part
	for _, v := range append(slices.Clip(own), shared...) {
		thing, _ := d.resolve(v)
		p := partOf(thing)
		if !slices.ContainsFunc(out, func(q part) bool { return q.values["name"] == p.values["name"] && q.values["in"] == p.values["in"] }) {
			out = append(out, p)
		}
	}
	return out
}

func (d *document) parameters(all []part) []memberList {
	var out []memberList
	known := []string{"path", "query", "header", "cookie"}
	labels := []string{"Path parameters", "Query parameters", "Headers", "Cookies", "Other parameters"}
	for i, label := range labels {
		b := memberList{Label: label}
		for _, p := range all {
			if in, _ := p.values["in"].(string); i == len(known) && !slices.Contains(known, in) || i < len(known) && in == known[i] {
				b.Members = append(b.Members, d.parameter(p))
			}
		}
		slices.SortStableFunc(b.Members, func(a, b member) int { return rank(a) - rank(b) })
		if len(b.Members) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// parameter describes a parameter or a header, which have the same form.
func (d *document) parameter(p part) member {
	p.skip("in")
	m := member{Name: p.text("name"), Required: p.flag("required"), Deprecated: p.flag("deprecated"), Shape: d.shape(p.take("schema"))}
	if contents := d.contents(p.part("content"), true); len(contents) == 1 && !p.has("schema") {
		m.Shape = contents[0].Shape
		m.Shape.Notes = append(m.Shape.Notes, note{"Encoded as", []string{contents[0].MediaType}})
	}
	if text := p.text("description"); text != "" {
		if own, _ := partOf(p.values["schema"]).values["description"].(string); own == text {
			m.Shape.Text = ""
		}
		m.Shape.Text = prose{}.blocks(text) + m.Shape.Text
	}
	if explode, ok := p.values["explode"].(bool); ok {
		p.skip("explode")
		if target, _ := d.resolve(p.values["schema"]); kind(partOf(target)) == "array" {
			label := "Several are separated by commas"
			if explode {
				label = "Several are given one by one"
			}
			m.Shape.Notes = append(m.Shape.Notes, note{Label: label})
		}
	}
	if values := d.exampleValues(p); len(values) > 0 {
		m.Shape.Notes = append(slices.DeleteFunc(m.Shape.Notes, func(n note) bool { return n.Label == "Example" }), note{"Example", values})
	}
	p.skip("style", "example", "examples")
	m.Shape.Extras = append(m.Shape.Extras, p.rest()...)
	return m
}

// exampleValues returns the examples of a parameter as they are written in running text.
func (d *document) exampleValues(p part) []string {
	var out []string
	if v, ok := p.values["example"]; ok {
		out = append(out, literal(v))
	}
	named := partOf(p.values["examples"])
	for _, name := range named.names {
		thing, _ := d.resolve(named.values[name])
		out = append(out, literal(partOf(thing).values["value"]))
	}
	return out
}

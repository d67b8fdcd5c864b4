package docs

import (
	"strconv"
	"strings"
)

// notesOf lists the limits of a schema.
func notesOf(p part) []note {
	var out []note
	add := func(label string, values ...any) {
		n := note{Label: label}
		for _, v := range values {
			n.Values = append(n.Values, literal(v))
		}
		out = append(out, n)
	}
	if p.has("const") {
		add("Always", p.take("const"))
	}
	if list := p.list("enum"); len(list) == 1 {
		add("Always", list[0])
	} else if list != nil {
		add("One of", list...)
	}
	for _, k := range []struct{ name, label string }{
		{"default", "Default"}, {"minimum", "At least"}, {"exclusiveMinimum", "More than"}, {"maximum", "At most"},
		{"exclusiveMaximum", "Less than"}, {"multipleOf", "Multiple of"}, {"pattern", "Pattern"},
		{"contentEncoding", "Encoding"}, {"contentMediaType", "Media type"},
	} {
		if p.has(k.name) {
			add(k.label, p.take(k.name))
		}
	}
	for _, k := range []struct{ least, most, one, many string }{
		{"minLength", "maxLength", "character", "characters"}, {"minItems", "maxItems", "item", "items"},
		{"minProperties", "maxProperties", "member", "members"}, {"minContains", "maxContains", "match", "matches"},
	} {
		if text := between(p, k.least, k.most, k.one, k.many); text != "" {
			out = append(out, note{Label: text})
		}
	}
	for _, k := range []struct{ name, label string }{
		{"uniqueItems", "No item twice"}, {"readOnly", "Read only"}, {"writeOnly", "Write only"}, {"deprecated", "Deprecated"},
	} {
		if p.flag(k.name) {
			out = append(out, note{Label: k.label})
		}
	}
	return out
}

// between words a lower and an upper bound.
func between(p part, least, most, one, many string) string {
	a, b := literalOf(p, least), literalOf(p, most)
	unit := many
	if b == "1" || b == "" && a == "1" {
		unit = one
	}
	switch {
	case a == "" && b == "":
		return ""
	case a == b:
		return "Exactly " + a + " " + unit
	case b == "":
		return "At least " + a + " " + unit
	case a == "" || a == "0":
		return "At most " + b + " " + unit
	default:
		return a + " to " + b + " " + unit
	}
}

func literalOf(p part, name string) string {
	if !p.has(name) {
		return ""
	}
	return literal(p.take(name))
}

// literal is a value as it is written in running text: strings without quotes, unless they need them to be seen.
func literal(v any) string {
	s, ok := v.(string)
	if !ok || s == "" || s != strings.TrimSpace(s) || s == "true" || s == "false" || s == "null" {
		return compact(v)
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return compact(v)
	}
	return s
}

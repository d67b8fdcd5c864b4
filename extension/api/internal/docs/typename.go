package docs

import (
	"slices"
	"strings"
)

// typeOf words what kind of value a schema describes.
func (d *document) typeOf(p part) []word {
	if ref := p.text("$ref"); ref != "" {
		return []word{d.refWord(ref)}
	}
	names := stringsOf(p.list("type"))
	if one := p.text("type"); one != "" {
		names = []string{one}
	}
	null := slices.Contains(names, "null") && len(names) > 1
	var out []word
	for _, name := range names {
		if null && name == "null" {
			continue
		}
		if len(out) > 0 {
			out = append(out, word{Text: " or "})
		}
		out = append(out, d.namedType(p, name)...)
	}
	if format := p.text("format"); format != "" && len(out) > 0 {
		out = append(out, word{Text: " (" + format + ")"})
	}
	if len(out) == 0 {
		out = d.untyped(p)
	}
	if null {
		out = append(out, word{Text: " or null"})
	}
	return out
}

func (d *document) namedType(p part, name string) []word {
	if name != "array" {
		return []word{{Text: name}}
	}
	items, _ := p.values["items"].(*object)
	if items == nil {
		return []word{{Text: "array"}}
	}
	inner := d.typeOf(partOf(items))
	if len(inner) == 1 && inner[0].Text == "object" {
		return []word{{Text: "array of objects"}}
	}
	return append([]word{{Text: "array of "}}, inner...)
}

// untyped words a schema that has no type of its own.
func (d *document) untyped(p part) []word {
	for _, kind := range []string{"oneOf", "anyOf"} {
		alternatives, _ := p.values[kind].([]any)
		if words, short := d.alternatives(alternatives); short {
			p.skip(kind)
			return words
		}
		if alternatives != nil {
			return []word{{Text: "one of several"}}
		}
	}
	switch {
	case p.has("const"), p.has("enum"):
		return []word{{Text: "constant"}}
	case p.has("properties"):
		return []word{{Text: "object"}}
	case p.has("allOf"):
		return []word{{Text: "all of several"}}
	default:
		return []word{{Text: "anything"}}
	}
}

// alternatives words a choice between schemas that are no more than a type or a name each.
func (d *document) alternatives(list []any) (words []word, short bool) {
	for i, v := range list {
		o, _ := v.(*object)
		if o == nil || len(o.names) != 1 || !slices.Contains([]string{"$ref", "type", "enum", "const"}, o.names[0]) {
			return nil, false
		}
		if i > 0 {
			words = append(words, word{Text: " or "})
		}
		p := partOf(o)
		switch values := p.list("enum"); {
		case p.has("const"):
			words = append(words, word{Text: literal(p.take("const"))})
		case values != nil:
			var texts []string
			for _, v := range values {
				texts = append(texts, literal(v))
			}
			words = append(words, word{Text: strings.Join(texts, " or ")})
		default:
			words = append(words, d.typeOf(p)...)
		}
	}
	return words, len(list) > 0
}

func (d *document) refWord(ref string) word {
	if href := d.schemaHref(ref); href != "" {
		return word{lastSegment(ref), href}
	}
	return word{Text: ref}
}

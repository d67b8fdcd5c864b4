package docs

import (
	"slices"
	"strings"
)

// adopt finds the schemas that both documents have, so that the page has each of them once. Two schemas are the same if they
// read the same, and so do those that they refer to.
func (d *document) adopt(other *document) {
	mine, theirs := d.named(), other.named()
	common := map[string]bool{}
	for _, name := range mine.names {
		common[name] = theirs.has(name) && equal(mine.values[name], theirs.values[name])
	}
	for changed := true; changed; {
		changed = false
		for name := range common {
			if common[name] && slices.ContainsFunc(references(mine.values[name]), func(to string) bool { return !common[to] }) {
				common[name], changed = false, true
			}
		}
	}
	for name, is := range common {
		if is {
			d.homes[name] = other.schemaID(name)
		}
	}
}

// named returns the named schemas.
func (d *document) named() part {
	v, _ := d.lookup("#/components/schemas")
	return partOf(v)
}

// equal compares two values; the order of members does not count.
func equal(a, b any) bool {
	switch x := a.(type) {
	case *object:
		y, ok := b.(*object)
		if !ok || len(x.names) != len(y.names) {
			return false
		}
		for name, v := range x.values {
			if w, there := y.values[name]; !there || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equal)
	default:
		return compact(a) == compact(b)
	}
}

// references lists the names of the schemas that a schema refers to.
func references(v any) []string {
	var out []string
	switch t := v.(type) {
	case *object:
		if ref, ok := t.values["$ref"].(string); ok {
			out = append(out, strings.TrimPrefix(ref, "#/components/schemas/"))
		}
		for _, name := range t.names {
			out = append(out, references(t.values[name])...)
		}
	case []any:
		for _, item := range t {
			out = append(out, references(item)...)
		}
	}
	return out
}

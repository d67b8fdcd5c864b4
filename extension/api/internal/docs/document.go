package docs

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// document is an OpenAPI or an AsyncAPI document while the page is made of it.
type document struct {
	root   *object
	prefix string // of the ids that its things have on the page
	words  prose  // of texts that speak of errors and of frames

	statuses map[string][]string // name of a shared response → the statuses that it is the answer for
	homes    map[string]string   // name of a schema → where the page has it, if that is not among the schemas
}

func newDocument(text []byte, prefix string) (*document, error) {
	v, err := parse(text)
	if err != nil {
		return nil, err
	}
	root, ok := v.(*object)
	if !ok {
		return nil, errors.New("the document is not a JSON object")
	}
	return &document{root: root, prefix: prefix, statuses: map[string][]string{}, homes: map[string]string{}}, nil
}

// maxHops bounds a chain of references, which may be a ring.
const maxHops = 16

// resolve follows references until there is a thing itself. name is the last segment of the last one, "" if v was none. What
// leads nowhere is an object that only has the reference.
func (d *document) resolve(v any) (thing any, name string) {
	for range maxHops {
		o, ok := v.(*object)
		if !ok {
			return v, name
		}
		ref, ok := o.values["$ref"].(string)
		if !ok {
			return v, name
		}
		target, found := d.lookup(ref)
		if !found {
			return v, name
		}
		v, name = target, lastSegment(ref)
	}
	return v, name
}

// lookup returns what a reference within the document points to, see RFC 6901 §6.
func (d *document) lookup(ref string) (any, bool) {
	pointer, local := strings.CutPrefix(ref, "#/")
	if !local {
		return nil, false
	}
	var at any = d.root
	for _, segment := range strings.Split(pointer, "/") {
		o, ok := at.(*object)
		if !ok {
			return nil, false
		}
		if at, ok = o.values[unescape(segment)]; !ok {
			return nil, false
		}
	}
	return at, true
}

func unescape(segment string) string {
	if s, err := url.PathUnescape(segment); err == nil {
		segment = s
	}
	return strings.ReplaceAll(strings.ReplaceAll(segment, "~1", "/"), "~0", "~")
}

func lastSegment(ref string) string { return unescape(ref[strings.LastIndexByte(ref, '/')+1:]) }

// schemaHref returns where the page has a named schema, or "" if ref is not one.
func (d *document) schemaHref(ref string) string {
	name := d.component("schemas", reference(ref))
	if name == "" {
		return ""
	}
	return "#" + d.schemaID(name)
}

func reference(ref string) *object {
	return &object{names: []string{"$ref"}, values: map[string]any{"$ref": ref}}
}

func (d *document) schemaID(name string) string {
	if home, ok := d.homes[name]; ok {
		return home
	}
	return anchor(d.prefix+"schema", name)
}

// anchor makes an id of a name. Names that differ have ids that differ.
func anchor(kind, name string) string {
	var b strings.Builder
	b.WriteString(kind + "-")
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
			b.WriteRune(r)
		case r == ':':
			b.WriteByte('.') // so that chat:send reads well, and needs no escape in a URL
		default:
			fmt.Fprintf(&b, "~%x~", r)
		}
	}
	return b.String()
}

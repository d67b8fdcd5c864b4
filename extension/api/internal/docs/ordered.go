package docs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// object is a JSON object that knows the order of its members. Other values are what encoding/json makes of them, numbers
// being a json.Number.
type object struct {
	names  []string
	values map[string]any
}

// parse reads one JSON value, objects in it as *object. Of members with the same name the last one counts.
func parse(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := next(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func next(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return nextObject(d)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := next(d)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return token, nil
}

func nextObject(d *json.Decoder) (any, error) {
	o := &object{values: map[string]any{}}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := next(d)
		if err != nil {
			return nil, err
		}
		o.set(name.(string), v)
	}
	_, err := d.Token()
	return o, err
}

func (o *object) set(name string, v any) {
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

// MarshalJSON keeps the order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(compact(name) + ":" + compact(o.values[name]))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// compact returns v as JSON on one line.
func compact(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the template escapes
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v) // there is nothing in a parsed value that could fail
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// part is one object of a document while it is shown. It knows which of its members have been, so that none is forgotten.
// The zero part is an object without members.
type part struct {
	*object
	shown map[string]bool
}

func partOf(v any) part {
	o, ok := v.(*object)
	if !ok {
		o = &object{}
	}
	return part{o, map[string]bool{}}
}

// take returns a member, which is shown then.
func (p part) take(name string) any {
	v := p.values[name]
	p.skip(name)
	return v
}

// skip says that a member is shown elsewhere, or need not be.
func (p part) skip(names ...string) {
	for _, name := range names {
		p.shown[name] = true
	}
}

// text returns a member that is a string; one that is not stays to be shown.
func (p part) text(name string) string {
	s, ok := p.values[name].(string)
	if ok {
		p.skip(name)
	}
	return s
}

func (p part) flag(name string) bool {
	b, ok := p.values[name].(bool)
	if ok {
		p.skip(name)
	}
	return b
}

func (p part) list(name string) []any {
	l, ok := p.values[name].([]any)
	if ok {
		p.skip(name)
	}
	return l
}

// part returns a member that is an object.
func (p part) part(name string) part {
	if _, ok := p.values[name].(*object); ok {
		p.skip(name)
	}
	return partOf(p.values[name])
}

// has reports whether there is such a member.
func (p part) has(name string) bool {
	_, there := p.values[name]
	return there
}

// rest returns the members that nobody has taken.
func (p part) rest() []extra {
	var out []extra
	for _, name := range p.names {
		if !p.shown[name] {
			out = append(out, extraOf(name, p.values[name]))
		}
	}
	return out
}

// stringsOf returns the strings of a list.
func stringsOf(list []any) []string {
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return slices.Clip(out)
}

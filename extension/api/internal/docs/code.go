package docs

import (
	"encoding/json"
	"strings"
)

// code is a text in pieces, some of which have a colour.
type code []token

// token is a piece of code. Class is "", k for a key, s for a string, n for a number, true, false and null, or base, see
// defaultBase.
type token struct{ Class, Text string }

// String returns the code as it is copied.
func (c code) String() string {
	var b strings.Builder
	for _, t := range c {
		b.WriteString(t.Text)
	}
	return b.String()
}

func (c *code) add(class, text string) {
	if n := len(*c); n > 0 && (*c)[n-1].Class == class {
		(*c)[n-1].Text += text
		return
	}
	*c = append(*c, token{class, text})
}

// pretty returns a value as JSON with two spaces for each level. Short lists of plain values stay on one line.
func pretty(v any) code {
	var c code
	c.value(v, "\n")
	return c
}

const shortList = 60 // bytes

func (c *code) value(v any, newline string) {
	switch t := v.(type) {
	case *object:
		c.object(t, newline)
	case []any:
		c.list(t, newline)
	case string:
		c.add("s", compact(t))
	case json.Number, bool, nil:
		c.add("n", compact(t))
	default:
		c.add("", compact(t))
	}
}

func (c *code) object(o *object, newline string) {
	if len(o.names) == 0 {
		c.add("", "{}")
		return
	}
	c.add("", "{")
	for i, name := range o.names {
		if i > 0 {
			c.add("", ",")
		}
		c.add("", newline+"  ")
		c.add("k", compact(name))
		c.add("", ": ")
		c.value(o.values[name], newline+"  ")
	}
	c.add("", newline+"}")
}

func (c *code) list(l []any, newline string) {
	oneLine := len(compact(l)) <= shortList
	for _, v := range l {
		switch v.(type) {
		case *object, []any:
			oneLine = false
		}
	}
	before, between, after := newline+"  ", ","+newline+"  ", newline
	if oneLine || len(l) == 0 {
		before, between, after = "", ", ", ""
	}
	c.add("", "[")
	for i, v := range l {
		if i == 0 {
			c.add("", before)
		} else {
			c.add("", between)
		}
		c.value(v, newline+"  ")
	}
	c.add("", after+"]")
}

// Package strictjson reads JSON that people write by hand: it keeps every digit of a number, refuses a key that stands twice in
// one object, and says at which line and column a text is broken. encoding/json alone keeps the last of two equal keys silently.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is a mistake in a JSON text, with its place. Lines and columns count from 1, columns in bytes.
type Error struct {
	Line, Column int
	Reason       string
}

func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Decode reads exactly one JSON value, as encoding/json does with UseNumber. Its error is an *Error.
func Decode(b []byte) (any, error) {
	if i := invalidUTF8(b); i >= 0 {
		return nil, placed(b, i, "the text is not valid UTF-8 here")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d, maxDepth)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows after the end of the JSON value")
		}
	}
	if err == nil {
		return v, nil
	}
	offset, msg := d.InputOffset(), err.Error()
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		offset, msg = int64(len(b)), "the JSON ends too early; is a brace or a quote missing?"
	}
	return nil, placed(b, int(offset), msg)
}

// placed returns an error at the byte b[at].
func placed(b []byte, at int, msg string) error {
	before := b[:min(max(at, 0), len(b))]
	return &Error{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: len(before) - (bytes.LastIndexByte(before, '\n') + 1) + 1,
		Reason: msg,
	}
}

// invalidUTF8 returns where the first byte is that is not UTF-8, or -1.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// maxDepth bounds how deep values are nested: what works on them later works in steps of their depth.
const maxDepth = 100

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if _, nested := t.(json.Delim); nested && depth == 0 {
		return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	switch t := t.(type) {
	case json.Number:
		return plain(t), nil
	case json.Delim:
		if t == '{' {
			return decodeObject(d, depth-1)
		}
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

// plain writes a whole number with an exponent or a fraction, which JSON Schema takes for an integer, as Go does.
func plain(n json.Number) json.Number {
	if !strings.ContainsAny(n.String(), ".eE") {
		return n
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return n
	}
	return json.Number(strconv.FormatInt(int64(f), 10))
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	m := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := t.(string)
		if !ok {
			return nil, errors.New("an object's key must be a string in double quotes")
		}
		if _, twice := m[key]; twice {
			return nil, fmt.Errorf("the key %q stands twice in one object; keep one of them", key)
		}
		if m[key], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return m, err
}

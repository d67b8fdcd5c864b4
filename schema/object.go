package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"unicode/utf8"
)

// Object is a free-form JSON object. Numbers decode as [json.Number], so that no digit is lost on the way through.
// A nil Object encodes as {}.
type Object map[string]any

// UnmarshalJSON decodes an object or null.
func (o *Object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON object")
	}
	*o = m
	return nil
}

// MarshalJSON encodes the object; nil is {}. Text that is not valid UTF-8 is an error; encoding/json would replace it by
// something else.
func (o Object) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("{}"), nil
	}
	if !validText(map[string]any(o)) {
		return nil, errors.New("text in the object is not valid UTF-8")
	}
	return json.Marshal(map[string]any(o))
}

// Clone returns a copy with nothing in it shared; nil for nil.
func (o Object) Clone() Object {
	if o == nil {
		return nil
	}
	out := make(Object, len(o))
	for k, v := range o {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return map[string]any(Object(v).Clone())
	case Object:
		return v.Clone()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	}
	return v
}

// validText reports whether every string in a decoded JSON value is valid UTF-8.
func validText(v any) bool {
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case []string:
		return !slices.ContainsFunc(v, func(s string) bool { return !utf8.ValidString(s) })
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !validText(e) })
	case Object:
		return validText(map[string]any(v))
	case map[string]any:
		for name, e := range v {
			if !utf8.ValidString(name) || !validText(e) {
				return false
			}
		}
	}
	return true
}

// Field is one member of a patch: absent leaves the value unchanged, null clears it, anything else replaces it.
// The zero Field is absent. Give it the tag `json:",omitzero"`.
type Field[T any] struct {
	Present bool // the member is there
	Null    bool // the member is null
	Value   T    // meaningful when Present and not Null
}

// Set returns a Field that replaces the value by v.
func Set[T any](v T) Field[T] { return Field[T]{Present: true, Value: v} }

// Clear returns a Field that clears the value.
func Clear[T any]() Field[T] { return Field[T]{Present: true, Null: true} }

// Apply returns what the value old becomes under the patch; cleared is what null stands for.
func (f Field[T]) Apply(old, cleared T) T {
	switch {
	case !f.Present:
		return old
	case f.Null:
		return cleared
	default:
		return f.Value
	}
}

// IsZero reports whether the field is absent; encoding/json's omitzero uses it.
func (f Field[T]) IsZero() bool { return !f.Present }

// UnmarshalJSON is called only for a member that is present.
func (f *Field[T]) UnmarshalJSON(b []byte) error {
	*f = Field[T]{Present: true}
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		f.Null = true
		return nil
	}
	return json.Unmarshal(b, &f.Value)
}

// MarshalJSON encodes null or the value.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if !f.Present || f.Null {
		return []byte("null"), nil
	}
	return json.Marshal(f.Value)
}

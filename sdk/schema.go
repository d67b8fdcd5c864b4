package sdk

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// ConfigSchema returns the JSON Schema (2020-12) of the block of ext, an [Extension] or a [Runtime]: its own, if it is a [Schemer], else one derived
// from its struct. That takes names from `json` tags, defaults from the values that ext comes with, and these tags of a
// field: `doc` or `description`, `enum:"a,b"`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems`, `maxItems`,
// `pattern`, `format`, `required:"true"`; those of github.com/invopop/jsonschema work too. Unknown keys are forbidden. A
// field whose type decodes itself accepts anything, unless the type has a method JSONSchema() *jsonschema.Schema. A
// time.Duration is refused, because JSON would have it in nanoseconds: milliseconds in an int, such as "timeoutMs", are
// what the host's own keys have.
func ConfigSchema(ext any) (json.RawMessage, error) {
	if s, ok := ext.(Schemer); ok {
		return s.ConfigSchema(), nil
	}
	v := reflect.ValueOf(ext)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("the function New must return a pointer to a struct, and returned %T", ext)
	}
	if path := recursive(v.Type(), nil); path != "" {
		return nil, fmt.Errorf("the configuration %T contains itself at %s; implement sdk.Schemer", ext, path)
	}
	return structSchema(v)
}

// structSchema derives the JSON Schema of a struct that does not contain itself, given a pointer to one.
func structSchema(v reflect.Value) (json.RawMessage, error) {
	if at, key := findDuration(v.Elem().Type()); at != "" {
		return nil, fmt.Errorf("%s is a time.Duration, which JSON has in nanoseconds; use an int of milliseconds such as %q, "+
			"or a type of your own with UnmarshalJSON and JSONSchema", at, key+"Ms")
	}
	return derive(v)
}

func derive(v reflect.Value) (raw json.RawMessage, err error) {
	defer func() { // the reflector panics on what JSON has no word for, such as a function
		if r := recover(); r != nil {
			err = fmt.Errorf("derive a JSON Schema from %s: %v; give the field the tag `json:\"-\"`, or implement sdk.Schemer", v.Type(), r)
		}
	}()
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		LookupComment: lookupDoc, Mapper: selfDecoding,
	}
	s := r.ReflectFromType(v.Type())
	if err := describe(s, v.Elem()); err != nil {
		return nil, err
	}
	return json.Marshal(s)
}

// selfDecoding maps a type that decodes itself, and does not say what it accepts, to a schema that accepts everything.
func selfDecoding(t reflect.Type) *jsonschema.Schema {
	p := reflect.PointerTo(t)
	_, known := t.MethodByName("JSONSchema")
	if known || t.PkgPath() == "time" || !p.Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil
	}
	return &jsonschema.Schema{}
}

func lookupDoc(t reflect.Type, field string) string {
	if field == "" || t.Kind() != reflect.Struct {
		return ""
	}
	f, _ := t.FieldByName(field)
	return cmp.Or(f.Tag.Get("doc"), f.Tag.Get("description"))
}

// recursive returns the path of the first field whose type contains itself, or "".
func recursive(t reflect.Type, above []reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return recursive(t.Elem(), above)
	case reflect.Struct:
	default:
		return ""
	}
	for _, a := range above {
		if a == t {
			return t.String()
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name, ok := jsonName(f); !ok || name == "-" {
			continue
		}
		if path := recursive(f.Type, append(above, t)); path != "" {
			return f.Name + " of " + path
		}
	}
	return ""
}

// findDuration returns the first field that is, or is made of, a time.Duration, and its name in JSON; or "". The type does
// not contain itself.
func findDuration(t reflect.Type) (at, key string) {
	if t.Kind() != reflect.Struct || decodesItself(t) {
		return "", ""
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := jsonName(f)
		if !ok {
			continue
		}
		inner := f.Type
		for k := inner.Kind(); k == reflect.Pointer || k == reflect.Slice || k == reflect.Array || k == reflect.Map; k = inner.Kind() {
			if decodesItself(inner) {
				break
			}
			inner = inner.Elem()
		}
		if inner == reflect.TypeFor[time.Duration]() {
			return fmt.Sprintf("the field %s of %s", f.Name, t), cmp.Or(name, f.Name)
		}
		if at, key := findDuration(inner); at != "" {
			return at, key
		}
	}
	return "", ""
}

// decodesItself reports whether encoding/json leaves the decoding of a type to the type.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// describe adds to s what the tags and values of the struct v say.
func describe(s *jsonschema.Schema, v reflect.Value) error {
	if s.Properties == nil {
		return nil
	}
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		for value.Kind() == reflect.Pointer && !value.IsNil() {
			value = value.Elem()
		}
		name, ok := jsonName(f)
		switch {
		case !ok:
			continue
		case name == "" && value.Kind() == reflect.Struct: // embedded
			if err := describe(s, value); err != nil {
				return err
			}
			continue
		}
		p, ok := s.Properties.Get(name)
		if !ok {
			continue
		}
		if err := describeField(s, p, name, f, value); err != nil {
			return fmt.Errorf("field %s of %s: %w", f.Name, v.Type(), err)
		}
	}
	return nil
}

func describeField(parent, p *jsonschema.Schema, name string, f reflect.StructField, value reflect.Value) error {
	if err := applyTags(p, f); err != nil {
		return err
	}
	if f.Tag.Get("required") == "true" {
		parent.Required = append(parent.Required, name)
	}
	if value.Kind() == reflect.Struct && p.Properties != nil {
		return describe(p, value)
	}
	if err := describeInner(p, value.Type()); err != nil {
		return err
	}
	if p.Default != nil || !hasDefault(value) {
		return nil
	}
	b, err := json.Marshal(value.Interface())
	if err != nil {
		return fmt.Errorf("encode its default: %w", err)
	}
	p.Default = json.RawMessage(b)
	return nil
}

// describeInner adds to p, the schema of a list, a map or a pointer that is nil, what the tags of the struct in it say.
func describeInner(p *jsonschema.Schema, t reflect.Type) error {
	for p != nil && t.Kind() != reflect.Struct {
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			p = p.Items
		case reflect.Map:
			p = p.AdditionalProperties
		case reflect.Pointer:
		default:
			return nil
		}
		t = t.Elem()
	}
	if p == nil {
		return nil
	}
	return describe(p, reflect.New(t).Elem())
}

// hasDefault reports whether a value says something: an empty text, list or map does not.
func hasDefault(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return true
	default:
		return !v.IsZero()
	}
}

// applyTags reads the tags that are written as in the rest of stagehouse.
func applyTags(p *jsonschema.Schema, f reflect.StructField) error {
	set := map[string]any{}
	for _, key := range []string{"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"} {
		if text, ok := f.Tag.Lookup(key); ok {
			set[key] = json.Number(text)
		}
	}
	for _, key := range []string{"pattern", "format"} {
		if text, ok := f.Tag.Lookup(key); ok {
			set[key] = text
		}
	}
	if text, ok := f.Tag.Lookup("enum"); ok {
		enum := p
		if p.Items != nil {
			enum = p.Items
		}
		for _, e := range strings.Split(text, ",") {
			enum.Enum = append(enum.Enum, enumValue(enum.Type, e))
		}
	}
	if len(set) == 0 {
		return nil
	}
	b, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("read its tags: %w", err)
	}
	if err := json.Unmarshal(b, p); err != nil {
		return fmt.Errorf("read its tags: %w", err)
	}
	return nil
}

func enumValue(jsonType, text string) any {
	if jsonType == "integer" || jsonType == "number" {
		return json.Number(text)
	}
	return text
}

// jsonName returns the name of a field in JSON, "" for an embedded struct whose fields stand in its place, and false for
// a field that JSON does not know.
func jsonName(f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case f.Tag.Get("json") == "-":
		return "", false
	case name == "" && f.Anonymous:
		return "", true
	case !f.IsExported():
		return "", false
	case name == "":
		return f.Name, true
	}
	return name, true
}

package problem

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/stagehouse/stagehouse/schema"
)

// Schema is a JSON Schema to hold values against.
type Schema struct {
	Raw  []byte   // the schema, 2020-12
	Base []string // where the values stand in their document; the pointers of the problems begin there
	Also []string // keys of the value that Raw does not know and somebody else does: offered as suggestions
}

// Check returns every problem of v, which is as encoding/json decodes it, with json.Number for numbers. The error is for a
// schema that is broken itself.
func (s Schema) Check(v any) ([]schema.Problem, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.Raw))
	if err != nil {
		return nil, fmt.Errorf("read JSON Schema: %w", err)
	}
	const location = "urn:stagehouse:check"
	if m, ok := doc.(map[string]any); ok {
		delete(m, "$id") // the fragment of an error's schema URL is then a path from the root
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("read JSON Schema: %w", err)
	}
	compiled, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("compile JSON Schema: %w", err)
	}
	err = compiled.Validate(v)
	var invalid *jsonschema.ValidationError
	switch {
	case err == nil:
		return nil, nil
	case !errors.As(err, &invalid):
		return nil, fmt.Errorf("validate against JSON Schema: %w", err)
	}
	w := wording{Schema: s, doc: doc, printer: message.NewPrinter(language.English)}
	w.walk(invalid)
	return w.problems, nil
}

// wording turns a tree of validation errors into problems.
type wording struct {
	Schema
	doc      any
	printer  *message.Printer
	problems []schema.Problem
}

func (w *wording) walk(e *jsonschema.ValidationError) {
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			w.unknownKey(e, name)
		}
		return
	case *kind.Required:
		for _, name := range k.Missing {
			w.add(e.InstanceLocation, "add it", "the key %q is missing", name)
		}
		return
	case *kind.PropertyNames:
		w.add(append(declaredAt(e.SchemaURL), k.Property),
			"use lower-case letters, digits and dashes, beginning with a letter", "%q cannot be a name here", k.Property)
		return
	case *kind.OneOf, *kind.AnyOf:
		w.add(e.InstanceLocation, w.describe(e), "the value has none of the forms that are possible here")
		return
	}
	if len(e.Causes) == 0 {
		w.add(e.InstanceLocation, w.hint(e), "%s", w.printed(e))
		return
	}
	for _, c := range e.Causes {
		w.walk(c)
	}
}

// hint says what printed does not.
func (w *wording) hint(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Pattern: // which says it in a way that not everybody reads
		return w.describe(e)
	case *kind.Enum:
		var values []string
		for _, v := range k.Want {
			values = append(values, fmt.Sprint(v))
		}
		if near := Nearest(fmt.Sprint(k.Got), values); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
	}
	return ""
}

// printed says what is wrong and what would be right.
func (w *wording) printed(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, and is %s", anyOf(k.Want), article(k.Got))
	case *kind.Minimum:
		return fmt.Sprintf("must be at least %s, and is %s", k.Want.RatString(), k.Got.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("must be at most %s, and is %s", k.Want.RatString(), k.Got.RatString())
	case *kind.ExclusiveMinimum:
		return fmt.Sprintf("must be more than %s, and is %s", k.Want.RatString(), k.Got.RatString())
	case *kind.ExclusiveMaximum:
		return fmt.Sprintf("must be less than %s, and is %s", k.Want.RatString(), k.Got.RatString())
	case *kind.MinLength:
		return atLeast(k.Want, k.Got, "character", "characters")
	case *kind.MaxLength:
		return atMost(k.Want, k.Got, "character", "characters")
	case *kind.MinItems:
		return atLeast(k.Want, k.Got, "entry", "entries")
	case *kind.MaxItems:
		return atMost(k.Want, k.Got, "entry", "entries")
	case *kind.MinProperties:
		return atLeast(k.Want, k.Got, "key", "keys")
	case *kind.MaxProperties:
		return atMost(k.Want, k.Got, "key", "keys")
	case *kind.UniqueItems:
		return fmt.Sprintf("the entries %d and %d are the same, and each may stand here once", k.Duplicates[0], k.Duplicates[1])
	case *kind.Pattern:
		return fmt.Sprintf("%.200q does not match %s", k.Got, k.Want)
	case *kind.Enum:
		is := ""
		if text, ok := k.Got.(string); ok {
			is = fmt.Sprintf(", and is %.200q", text)
		}
		return "must be one of " + strings.Trim(fmt.Sprintf("%q", k.Want), "[]") + is
	}
	return e.ErrorKind.LocalizedString(w.printer)
}

func atLeast(want, got int, one, many string) string {
	if want == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("must have at least %s, and has %d", count(want, one, many), got)
}

func atMost(want, got int, one, many string) string {
	return fmt.Sprintf("must have at most %s, and has %d", count(want, one, many), got)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func (w *wording) add(at []string, suggestion, format string, args ...any) {
	w.problems = append(w.problems, Errorf(Pointer(append(slices.Clone(w.Base), at...)...), suggestion, format, args...))
}

func (w *wording) unknownKey(e *jsonschema.ValidationError, name string) {
	known := w.keysAt(e.SchemaURL)
	if len(e.InstanceLocation) == 0 {
		known = append(known, w.Also...)
		slices.Sort(known)
	}
	hint := "the keys here are " + strings.Join(known, ", ")
	if near := Nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	w.add(append(slices.Clone(e.InstanceLocation), name), hint, "unknown key %q", name)
}

// at returns the schema that an error's URL points to.
func (w *wording) at(schemaURL string) map[string]any {
	_, fragment, _ := strings.Cut(schemaURL, "#")
	node := w.doc
	for _, token := range strings.Split(strings.TrimPrefix(fragment, "/"), "/") {
		if token == "" {
			continue
		}
		if t, err := url.PathUnescape(token); err == nil {
			token = t
		}
		m, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = m[strings.NewReplacer("~1", "/", "~0", "~").Replace(token)]
	}
	m, _ := node.(map[string]any)
	return m
}

// declaredAt returns the place in the instance of the properties that a schema URL passes through. It stands in for the
// location of a propertyNames error, which jsonschema v6.0.3 does not copy (validator.go:296), so that the check of the next
// property overwrites it.
func declaredAt(schemaURL string) []string {
	_, fragment, _ := strings.Cut(schemaURL, "#")
	tokens := strings.Split(fragment, "/")
	var at []string
	for i := 1; i+1 < len(tokens); i += 2 {
		if tokens[i] == "properties" {
			at = append(at, tokens[i+1])
		}
	}
	return at
}

func (w *wording) keysAt(schemaURL string) []string {
	properties, _ := w.at(schemaURL)["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(properties))
}

// describe returns the description of the schema that an error is about.
func (w *wording) describe(e *jsonschema.ValidationError) string {
	text, _ := w.at(e.SchemaURL)["description"].(string)
	return text
}

func anyOf(types []string) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = article(t)
	}
	return strings.Join(words, " or ")
}

func article(jsonType string) string {
	switch jsonType {
	case "object", "array", "integer":
		return "an " + jsonType
	case "null":
		return jsonType
	}
	return "a " + jsonType
}

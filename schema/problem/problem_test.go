package problem_test

import (
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const document = `{
  "type": "object", "additionalProperties": false, "required": ["id"],
  "properties": {
    "id": {"type": "string", "minLength": 1},
    "kind": {"enum": ["small", "large"]},
    "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
    "shape": {"description": "a name, or a list of names", "oneOf": [{"type": "string"}, {"type": "array"}]},
    "code": {"type": "string", "description": "two capitals", "pattern": "^[A-Z]{2}$", "maxLength": 3},
    "list": {"type": "array", "minItems": 2, "maxItems": 3, "uniqueItems": true},
    "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "parts": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": {"$ref": "#/$defs/part"}}
  },
  "$defs": {"part": {"type": "object", "additionalProperties": false, "properties": {"weight~/": {"type": "number"}}}}
}`

func check(t *testing.T, s problem.Schema, value string) []schema.Problem {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	problems, err := s.Check(v)
	if err != nil {
		t.Fatal(err)
	}
	return problems
}

func TestWording(t *testing.T) {
	for name, test := range map[string]struct{ value, pointer, message, suggestion string }{
		"missing":         {`{}`, "/base", `the key "id" is missing`, "add it"},
		"unknown":         {`{"id":"x","knd":"small"}`, "/base/knd", `unknown key "knd"`, `did you mean "kind"?`},
		"somebody else's": {`{"id":"x","enabeld":1}`, "/base/enabeld", `unknown key "enabeld"`, `did you mean "enabled"?`},
		"far away":        {`{"id":"x","zzzzzzzz":1}`, "/base/zzzzzzzz", "unknown key", "the keys here are code, enabled, id, kind, list, parts, shape, share, size"},
		"empty":           {`{"id":""}`, "/base/id", "must not be empty", ""},
		"pattern":         {`{"id":"x","code":"a1"}`, "/base/code", `"a1" does not match ^[A-Z]{2}$`, "two capitals"},
		"short list":      {`{"id":"x","list":[1]}`, "/base/list", "must have at least 2 entries, and has 1", ""},
		"long list":       {`{"id":"x","list":[1,2,3,4]}`, "/base/list", "must have at most 3 entries, and has 4", ""},
		"twice":           {`{"id":"x","list":[1,2,1]}`, "/base/list", "the entries 0 and 2 are the same", ""},
		"not above":       {`{"id":"x","share":0}`, "/base/share", "must be more than 0, and is 0", ""},
		"not below":       {`{"id":"x","share":1}`, "/base/share", "must be less than 1, and is 1", ""},
		"one of":          {`{"id":"x","kind":"huge"}`, "/base/kind", `must be one of "small" "large"`, ""},
		"types":           {`{"id":"x","size":"3"}`, "/base/size", "must be null or an integer, and is a string", ""},
		"too small":       {`{"id":"x","size":0}`, "/base/size", "must be at least 1, and is 0", ""},
		"too large":       {`{"id":"x","size":10}`, "/base/size", "must be at most 9, and is 10", ""},
		"no form":         {`{"id":"x","shape":3}`, "/base/shape", "none of the forms", "a name, or a list of names"},
		"bad name":        {`{"id":"x","parts":{"A1":{}},"size":3,"kind":"small"}`, "/base/parts/A1", `"A1" cannot be a name here`, ""},
		"behind a ref":    {`{"id":"x","parts":{"a":{"weight":1}}}`, "/base/parts/a/weight", "unknown key", `did you mean "weight~/"?`},
		"escaped":         {`{"id":"x","parts":{"a":{"weight~/":"1"}}}`, "/base/parts/a/weight~0~1", "must be a number, and is a string", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := problem.Schema{Raw: []byte(document), Base: []string{"base"}, Also: []string{"enabled"}}
			problems := check(t, s, test.value)
			if len(problems) != 1 {
				t.Fatalf("problems = %+v, want one", problems)
			}
			p := problems[0]
			if p.Severity != schema.SeverityError || p.Pointer != test.pointer || !strings.Contains(p.Message, test.message) || !strings.Contains(p.Suggestion, test.suggestion) {
				t.Errorf("problem = %+v, want %+v", p, test)
			}
		})
	}
	if problems := check(t, problem.Schema{Raw: []byte(document)}, `{"id":"x","size":null,"shape":[],"parts":{"a":{}}}`); len(problems) > 0 {
		t.Errorf("a sound value has %+v", problems)
	}
}

// TestPlaceOfANameAmongMany guards against the location that jsonschema overwrites, see declaredAt.
func TestPlaceOfANameAmongMany(t *testing.T) {
	for range 100 {
		problems := check(t, problem.Schema{Raw: []byte(document)}, `{"id":"x","kind":"small","size":1,"shape":"s","parts":{"B!":{},"a":{},"b":{},"c":{}}}`)
		if len(problems) != 1 || problems[0].Pointer != "/parts/B!" {
			t.Fatalf("problems = %+v", problems)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"api", "hello", "rateLimit", "windowMs"}
	for name, want := range map[string]string{
		"aip": "api", "pai": "api", "APi": "api", "ap": "api", "apis": "api", "xyz": "", "": "", "i": "",
		"ehllo": "hello", "hlelo": "hello", "rateLimt": "rateLimit", "windowSm": "windowMs", "größe": "",
	} {
		if got := problem.Nearest(name, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestBrokenSchema(t *testing.T) {
	for _, raw := range []string{``, `{`, `{"type": 3}`, `{"$ref": "https://example.com/elsewhere"}`} {
		if _, err := (problem.Schema{Raw: []byte(raw)}).Check(map[string]any{}); err == nil {
			t.Errorf("the schema %q is taken for sound", raw)
		}
	}
}

func TestFatal(t *testing.T) {
	warning := schema.Problem{Severity: schema.SeverityWarning}
	if problem.Fatal([]schema.Problem{warning}) || !problem.Fatal([]schema.Problem{warning, problem.Errorf("", "", "x")}) {
		t.Error("Fatal takes a warning for an error, or an error for a warning")
	}
	if !problem.Fatal([]schema.Problem{{Severity: "unheard of"}}) {
		t.Error("a severity that nobody knows starts things")
	}
}

func TestUnder(t *testing.T) {
	for pointer, want := range map[string]bool{"/a": true, "/a/b": true, "/ab": false, "": false} {
		if problem.Under(pointer, "/a") != want {
			t.Errorf("Under(%q, /a) = %v", pointer, !want)
		}
	}
}

package sdk_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

type limits struct {
	Bytes int `json:"bytes" doc:"How much" minimum:"1"`
}

// origins decodes itself and says what it accepts.
type origins []string

func (o *origins) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = origins{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

func (origins) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: &jsonschema.Schema{Type: "string"}}}}
}

// target decodes itself and does not say what it accepts.
type target struct{ u *url.URL }

func (x *target) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	u, err := url.Parse(s)
	x.u = u
	return err
}

type common struct {
	Region string `json:"region" enum:"eu,us" description:"Where"`
}

type extension struct {
	common
	Port    int       `json:"port" doc:"Where to listen" minimum:"0" maximum:"65535"`
	Mode    string    `json:"mode" enum:"fast,safe"`
	Levels  []string  `json:"levels" enum:"low,high" maxItems:"2"`
	Limits  limits    `json:"limits"`
	Extra   *limits   `json:"extra"`
	Origin  origins   `json:"origin"`
	Target  target    `json:"target"`
	Debug   bool      `json:"debug"`
	Token   string    `json:"token" required:"true" minLength:"3"`
	Hidden  chan bool `json:"-"`
	private int
}

func (*extension) Start(context.Context, *sdk.Host) error { return nil }

func (x *extension) Validate() []schema.Problem {
	if x.Port == 13 {
		return []schema.Problem{{Severity: schema.SeverityWarning, Pointer: "/port", Message: "is unlucky"}}
	}
	if x.Port == 14 {
		panic("superstition")
	}
	return nil
}

func newExtension() sdk.Extension {
	return &extension{common: common{Region: "eu"}, Port: 3001, Mode: "safe", Limits: limits{Bytes: 10}, private: 1}
}

func TestConfigSchemaSaysWhatTheStructSays(t *testing.T) {
	raw, err := sdk.ConfigSchema(newExtension())
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Schema     string `json:"$schema"`
		Properties map[string]struct {
			Type, Description string
			Default           any
			Enum              []string
			Minimum, Maximum  *int
			MinLength         int
			MaxItems          int
			Items             struct{ Enum []string }
			OneOf             []any
			Properties        map[string]struct{ Default, Minimum int }
		}
		AdditionalProperties any
		Required             []string
	}
	s.Properties = nil
	if err := json.Unmarshal(withoutTrue(raw), &s); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	p := s.Properties
	for what, ok := range map[string]bool{
		"dialect":                s.Schema == "https://json-schema.org/draft/2020-12/schema",
		"closed":                 s.AdditionalProperties == false,
		"required":               slices.Equal(s.Required, []string{"token"}),
		"type":                   p["port"].Type == "integer",
		"doc":                    p["port"].Description == "Where to listen",
		"default of a number":    p["port"].Default == 3001.0,
		"minimum":                p["port"].Minimum != nil && *p["port"].Minimum == 0 && *p["port"].Maximum == 65535,
		"default of a text":      p["mode"].Default == "safe",
		"enum":                   slices.Equal(p["mode"].Enum, []string{"fast", "safe"}),
		"enum of a list":         slices.Equal(p["levels"].Items.Enum, []string{"low", "high"}) && p["levels"].MaxItems == 2,
		"no default for nothing": p["token"].Default == nil && p["levels"].Default == nil,
		"default of a flag":      p["debug"].Default == false,
		"length":                 p["token"].MinLength == 3,
		"inner default":          p["limits"].Properties["bytes"].Default == 10,
		"inner minimum":          p["limits"].Properties["bytes"].Minimum == 1,
		"its own word":           len(p["origin"].OneOf) == 2,
		"embedded":               p["region"].Default == "eu" && p["region"].Description == "Where",
		"no hidden":              len(p) == 10,
	} {
		if !ok {
			t.Errorf("%s is missing in %s", what, raw)
		}
	}
}

// withoutTrue replaces the schema of a property that accepts everything, which is no object.
func withoutTrue(raw json.RawMessage) []byte {
	return []byte(strings.ReplaceAll(string(raw), `"target":true`, `"target":{}`))
}

type node struct {
	Children []node `json:"children"`
}

type tree struct {
	Root node `json:"root"`
}

func (*tree) Start(context.Context, *sdk.Host) error { return nil }

type callback struct {
	F func() `json:"f"`
}

func (*callback) Start(context.Context, *sdk.Host) error { return nil }

type value struct{}

func (value) Start(context.Context, *sdk.Host) error { return nil }

type own struct{ value }

func (own) ConfigSchema() json.RawMessage { return json.RawMessage(`{"type":"object"}`) }

// nested has structs where there are no values of them yet.
type nested struct {
	List []door          `json:"list"`
	Map  map[string]door `json:"map"`
	None *door           `json:"none"`
	Deep [][]*door       `json:"deep"`
}

type door struct {
	Name string `json:"name" required:"true" pattern:"^[a-z]+$"`
	Open bool   `json:"open"`
}

func (*nested) Start(context.Context, *sdk.Host) error { return nil }

func TestTheTagsInListsCount(t *testing.T) {
	d := sdk.Definition{Name: "nested", Version: "1", New: func() sdk.Extension { return &nested{} }}
	good := `{"list":[{"name":"a"}],"map":{"k":{"name":"a","open":true}},"none":{"name":"a"},"deep":[[{"name":"a"}]]}`
	if problems := sdktest.Check(t, d, good); len(problems) > 0 {
		t.Errorf("%s: %+v", good, problems)
	}
	bad := `{"list":[{"name":"a"},{"name":"A"}],"map":{"k":{"name":"1"}},"none":{"name":""},"deep":[[{"name":"-"}]]}`
	var at []string
	for _, p := range sdktest.Check(t, d, bad) {
		at = append(at, p.Pointer)
	}
	if want := []string{"/deep/0/0/name", "/list/1/name", "/map/k/name", "/none/name"}; !slices.Equal(at, want) {
		t.Errorf("problems at %v, want %v", at, want)
	}
	if problems := sdktest.Check(t, d, `{"list":[{}],"none":{}}`); len(problems) != 2 {
		t.Errorf("without names: %+v", problems)
	}
}

func TestConfigSchemaRefusesWhatItCannotSay(t *testing.T) {
	for _, c := range []struct {
		ext  sdk.Extension
		want string
	}{
		{&tree{}, "contains itself at Root of Children of"},
		{&callback{}, "sdk.Schemer"},
		{value{}, "pointer to a struct"},
	} {
		if raw, err := sdk.ConfigSchema(c.ext); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: %s, %v, want %q", c.ext, raw, err, c.want)
		}
	}
	if raw, err := sdk.ConfigSchema(own{}); err != nil || string(raw) != `{"type":"object"}` {
		t.Errorf("a Schemer's own schema = %s, %v", raw, err)
	}
}

func definition() sdk.Definition {
	return sdk.Definition{Name: "x", Version: "1", New: newExtension}
}

// Every problem of a block is found in one pass, each with its place.
func TestABlockIsTakenStrictly(t *testing.T) {
	for _, c := range []struct {
		block string
		want  []string // "pointer: message", in any order; nil = accepted
	}{
		{`{"token":"abc"}`, nil},
		{`{"token":"abc","origin":"*","target":"http://x"}`, nil},
		{`{"token":"abc","origin":["a","b"],"extra":{"bytes":5},"region":"us"}`, nil},
		{`{"token":"abc","port":13}`, nil},
		{`{"token":"abc","port":14}`, []string{": panic in Validate: superstition"}},
		{`{"token":"abc","prot":1,"limits":{"byte":1},"port":"x","mode":"odd"}`, []string{
			`/prot: unknown key "prot" (did you mean "port"?)`, `/limits/byte: unknown key "byte" (did you mean "bytes"?)`,
			"/port: must be an integer, and is a string", "/mode: must be one of",
		}},
		{`{"token":"abc","origin":1}`, []string{"/origin"}},
		{`{"token":"abc","target":1}`, []string{"number"}},
		{`{"token":"abc","levels":["low","odd"]}`, []string{"/levels/1: "}},
		{`{}`, []string{`: the key "token" is missing`}},
		{`{"TOKEN":"abc"}`, []string{`/TOKEN: unknown key "TOKEN" (did you mean "token"?)`, `the key "token" is missing`}},
		{`{"token":"ab"}`, []string{"/token: "}},
		{`[]`, []string{": the block must be a JSON object"}},
		{`null`, []string{": the block must be a JSON object"}},
		{`{"token":`, []string{": the block is not JSON"}},
		{`{"token":"abc"} {}`, []string{": the block is not JSON"}},
		{``, []string{`: the key "token" is missing`}},
	} {
		got := problems(t, c.block)
		if len(got) == 0 != (len(c.want) == 0) {
			t.Errorf("%s: problems = %q, want %q", c.block, got, c.want)
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
				t.Errorf("%s: problems = %q, want %q", c.block, got, want)
			}
		}
	}
}

// problems returns what is wrong with a block, as sdktest words it, or nothing.
func problems(t *testing.T, block string) []string {
	t.Helper()
	var out []string
	for _, p := range sdktest.Check(t, definition(), block) {
		if p.Severity != schema.SeverityError {
			continue
		}
		text := p.Pointer + ": " + p.Message
		if p.Suggestion != "" {
			text += " (" + p.Suggestion + ")"
		}
		out = append(out, text)
	}
	return out
}

// A check that is run twice reads alike: errors first, each group in the order of its places.
func TestProblemsAreInOrder(t *testing.T) {
	d := sdk.Definition{Name: "x", Version: "1", New: func() sdk.Extension { return &extension{} }}
	for range 20 {
		problems := sdktest.Check(t, d, `{"z":1,"y":1,"x":1,"port":-1,"mode":"odd","limits":{"bytes":0}}`)
		if len(problems) < 6 || !slices.IsSortedFunc(problems, func(a, b schema.Problem) int { return strings.Compare(a.Pointer, b.Pointer) }) {
			t.Fatalf("problems = %+v", problems)
		}
	}
}

type timed struct {
	Steps []struct {
		Pause *time.Duration `json:"pause"`
	} `json:"steps"`
}

func (*timed) Start(context.Context, *sdk.Host) error { return nil }

// Nobody writes nanoseconds into a configuration on purpose.
func TestADurationIsRefusedWithAdvice(t *testing.T) {
	_, err := sdk.ConfigSchema(&timed{})
	for _, want := range []string{"Pause of ", "time.Duration", "nanoseconds", `"pauseMs"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

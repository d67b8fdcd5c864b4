package ws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/schema"
)

// judge looks at a command twice: as the server does before it carries it out, and as one does who has read the schemas.
type judge struct {
	session *session
	schemas map[string]*jsonschema.Schema
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	j := &judge{
		session: &session{srv: &Server{parser: newParser(), catalogue: newCatalogue()}},
		schemas: map[string]*jsonschema.Schema{},
	}
	for _, c := range Commands() {
		b, err := json.Marshal(c.Schema)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource(c.Type, v); err != nil {
			t.Fatal(err)
		}
		if j.schemas[c.Type], err = compiler.Compile(c.Type); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

// server returns why the server refuses a frame whatever the state of things is, or nil.
func (j *judge) server(frame []byte) error {
	c, wrong := j.session.srv.parser.parse(frame)
	if wrong != nil {
		return wrong
	}
	if c.IdempotencyKey != "" { // the host looks at it
		if err := (&schema.Once{Key: c.IdempotencyKey, Scope: "x", Digest: "x"}).Validate(); err != nil {
			return err
		}
	}
	switch c.Type {
	case typeSubscribe, typeUnsubscribe:
		_, _, err := j.session.selection(c)
		return err
	case typeMessage, typeRoute:
		return c.request().Validate()
	}
	return nil
}

// reader returns why the schemas do not let a frame pass, or nil.
func (j *judge) reader(t require, frame []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		t.Fatalf("%s: %v", frame, err)
	}
	kind, _ := v.(map[string]any)["type"].(string)
	if s := j.schemas[kind]; s != nil {
		return s.Validate(v)
	}
	return fmt.Errorf("there is no command %q", kind)
}

// require is a test of either kind.
type require interface{ Fatalf(string, ...any) }

// TestCommandsAreAsTheirSchemasSay makes up commands: the server refuses those, and only those, that their schema does.
func TestCommandsAreAsTheirSchemasSay(t *testing.T) {
	j, m := newJudge(t), newMaker()
	var passed, refused int
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			frame := m.command(t)
			server, reader := j.server(frame), j.reader(t, frame)
			if (server == nil) != (reader == nil) {
				t.Fatalf("%.2000s\nto the server: %v\nto the schema: %v", frame, server, reader)
			}
			if server == nil {
				passed++
			} else {
				refused++
			}
		}
	})
	if passed == 0 || refused == 0 {
		t.Errorf("%d commands passed, and %d were refused: the test shows nothing", passed, refused)
	}
}

// maker makes up commands.
type maker struct {
	forms   map[string]form
	types   []string
	members []string // of any of them, and one that none has
	values  map[string]*rapid.Generator[any]
}

func newMaker() *maker {
	m := &maker{forms: grammar(), values: values()}
	m.types, m.members = slices.Sorted(maps.Keys(m.forms)), slices.Sorted(maps.Keys(m.values))
	return m
}

// command returns a command that is right in most places, and often in all. What a schema cannot express is not in it.
func (m *maker) command(t *rapid.T) []byte {
	kind := rapid.SampledFrom(m.types).Draw(t, "type")
	frame := map[string]any{"type": kind}
	for _, name := range m.members {
		known, ours := m.forms[kind].members[name]
		if ours = ours || name == "id"; ours && !known.required {
			ours = rapid.Bool().Draw(t, "with "+name)
		}
		if odd := rare(t, 80); ours == odd { // there although it should not be, or not there
			continue
		}
		v := m.values[name]
		if rare(t, 40) {
			v = junk()
		}
		frame[name] = v.Draw(t, name)
	}
	if rare(t, 40) {
		frame["type"] = junk().Draw(t, "type")
	}
	b, err := json.Marshal(frame)
	if err != nil {
		t.Fatalf("make up a command: %v", err)
	}
	return b
}

// rare is true once in n times.
func rare(t *rapid.T, n int) bool { return rapid.IntRange(1, n).Draw(t, "rare") == n }

// values makes up a value for every member that there is, and for one that there is not. Most of them are good.
func values() map[string]*rapid.Generator[any] {
	id := either(rapid.StringMatching(`[A-Za-z0-9_~:-][A-Za-z0-9._~:-]{0,15}`), `[A-Za-z0-9._~:-]{125,131}`, `[.]{0,4}`, `[.]{1,2}[a-z_.]`, `[a-z/ é]{1,3}`)
	event := either(rapid.SampledFrom(slices.Sorted(maps.Keys(newCatalogue().names))), `[a-z]{1,8}(:[a-z*]{1,8})?`)
	agent := either(rapid.SampledFrom([]string{"nyx", "aria", everything}), `[.a-z/* ]{0,3}`)
	long := strings.Repeat("x", schema.MaxMessageBytes)
	return map[string]*rapid.Generator[any]{
		"id": rapid.OneOf(
			either(rapid.StringMatching(`[a-zé]{0,60}`), `[a-z]{126,130}`), loose(rapid.Int()), loose(rapid.Float64Range(-1e300, 1e300)),
		),
		"token":  either(rapid.StringMatching(`[a-z0-9]{1,40}`), ``),
		"agents": loose(rapid.SliceOfN(agent, 0, 4)),
		"events": loose(rapid.SliceOfN(event, 0, 4)),
		"since": rapid.OneOf(
			either(rapid.StringMatching(`[0-9a-z]{1,20}-[1-9][0-9]{0,18}`), `[0-9a-zA-Z_]{0,5}-?[0-9]{0,19}`, `[a-z]{3}-0[0-9]?`),
			loose(rapid.StringMatching(`[0-9a-z]{63,65}-[0-9]`)),
		),
		"agentId":        id,
		"message":        either(rapid.SampledFrom([]string{"Hello!", " é ", long, long + "x"}), `[ \t\n\r\f]{0,3}`),
		"conversationId": id,
		"context": rapid.SampledFrom([]any{
			map[string]any{}, map[string]any{"skill": "programming", "n": []any{1, nil, map[string]any{"a": 1.5}}},
		}),
		"onBusy":         either(rapid.SampledFrom([]string{"enqueue", "reject", "interrupt"}), `[a-z]{0,8}`),
		"runId":          either(rapid.StringMatching(`run_[a-z0-9]{26}`), `.{0,5}`),
		"idempotencyKey": either(rapid.StringMatching(`[!-~]{1,40}`), `[ \t]{0,3}`, `[a-z]{253,258}`),
		"extra":          junk(),
	}
}

// loose makes the values of a generator those of any type.
func loose[T any](g *rapid.Generator[T]) *rapid.Generator[any] {
	return rapid.Map(g, func(v T) any { return v })
}

// either makes up text, now and then at the edge of what is allowed: what the expressions match.
func either(good *rapid.Generator[string], edges ...string) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if i := rapid.IntRange(0, 10*len(edges)).Draw(t, "edge"); i < len(edges) {
			return rapid.StringMatching(edges[i]).Draw(t, "text")
		}
		return good.Draw(t, "text")
	})
}

// junk makes up a value of any kind.
func junk() *rapid.Generator[any] {
	return rapid.SampledFrom([]any{nil, true, 7, -1.5, "", "x", []any{}, []any{1}, []any{"x", nil}, map[string]any{}, map[string]any{"a": 1}})
}

// TestWhatSchemasCannotSay lists what the server refuses although the schemas let it pass; their descriptions speak of it.
func TestWhatSchemasCannotSay(t *testing.T) {
	j := newJudge(t)
	many := make([]string, maxNamed+1)
	for i := range many {
		many[i] = fmt.Sprintf("%q", fmt.Sprint("a", i))
	}
	for what, frame := range map[string]string{
		"bytes of an id":              `{"type":"ping","id":"` + strings.Repeat("é", 65) + `"}`,
		"digits of an id":             `{"type":"ping","id":` + strings.Repeat("1", 129) + `}`,
		"bytes of a key":              `{"type":"chat:cancel","runId":"r","idempotencyKey":"` + strings.Repeat("é", 128) + `"}`,
		"bytes of a message":          `{"type":"chat:route","message":"` + strings.Repeat("é", 32769) + `"}`,
		"bytes of a context":          `{"type":"chat:route","message":"x","context":{"a":"` + strings.Repeat("x", schema.MaxObjectBytes) + `"}}`,
		"space that \\s does not say": `{"type":"chat:route","message":"\u0085"}`,
		"the largest number":          `{"type":"subscribe","since":"e-18446744073709551616"}`,
		"different agents":            `{"type":"subscribe","agents":[` + strings.Join(many, ",") + `]}`,
		"members that are doubled":    `{"type":"chat:route","message":"x","context":{"a":1,"a":2}}`,
	} {
		if err := j.reader(t, []byte(frame)); err != nil {
			t.Errorf("%s: the schema does not let it pass: %v", what, err)
		}
		if j.server([]byte(frame)) == nil {
			t.Errorf("%s: the server lets it pass", what)
		}
	}
}

package schema_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestObjectKeepsNumbers(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"a":12345678901234567890123}`, `{"a":0.10}`, `{"a":1E400}`, `{"a":-0}`, `{"a":[9007199254740993,{"b":1.0}]}`,
	} {
		var o schema.Object
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		if back, err := json.Marshal(o); err != nil || string(back) != text {
			t.Errorf("%s came back as %s, %v", text, back, err)
		}
	}
}

func TestObjectForms(t *testing.T) {
	if b, err := json.Marshal(schema.Object(nil)); err != nil || string(b) != "{}" {
		t.Errorf("nil is %s, %v", b, err)
	}
	var in struct{ O schema.Object }
	if err := json.Unmarshal([]byte(`{"O":null}`), &in); err != nil || in.O != nil {
		t.Errorf("null is %v, %v", in.O, err)
	}
	for _, text := range []string{`[]`, `"x"`, `1`, `true`, `{`, `{"a":}`, ``} {
		var o schema.Object
		if err := o.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q was read as %v", text, o)
		}
	}
	var o schema.Object
	if err := o.UnmarshalJSON([]byte(`{} {}`)); err == nil {
		t.Error("data after the object was accepted")
	}
}

func TestObjectRefusesInvalidText(t *testing.T) {
	const bad = "a\xff"
	for _, o := range []schema.Object{
		{"k": bad}, {bad: 1}, {"k": []any{1, bad}}, {"k": map[string]any{"n": bad}}, {"k": schema.Object{bad: 1}},
		{"k": []string{bad}}, {"k": []any{map[string]any{bad: nil}}},
	} {
		if b, err := json.Marshal(o); err == nil {
			t.Errorf("%#v was encoded as %s", o, b)
		}
	}
	ok := schema.Object{"k": []any{"\uFFFD", "東京", schema.Object{"n": []string{"x"}}}}
	if b, err := json.Marshal(ok); err != nil {
		t.Errorf("%s: %v", b, err)
	}
}

type patch struct {
	Name schema.Field[string]   `json:"name,omitzero"`
	List schema.Field[[]string] `json:"list,omitzero"`
}

func TestField(t *testing.T) {
	for _, c := range []struct {
		text string
		want patch
	}{
		{`{}`, patch{}},
		{`{"name":null}`, patch{Name: schema.Clear[string]()}},
		{`{"name":"n"}`, patch{Name: schema.Set("n")}},
		{`{"name":""}`, patch{Name: schema.Set("")}},
		{`{"name":null,"list":[]}`, patch{Name: schema.Clear[string](), List: schema.Set([]string{})}},
		{`{"list":["a"]}`, patch{List: schema.Set([]string{"a"})}},
	} {
		var got patch
		if err := json.Unmarshal([]byte(c.text), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.text, got, err, c.want)
		}
		if back, err := json.Marshal(c.want); err != nil || string(back) != c.text {
			t.Errorf("%+v: %s, %v", c.want, back, err)
		}
	}
	var p patch
	if err := json.Unmarshal([]byte(`{"name":1}`), &p); err == nil {
		t.Error("a number was read as a string")
	}
}

func TestFieldApply(t *testing.T) {
	for _, c := range []struct {
		field schema.Field[string]
		want  string
	}{{schema.Field[string]{}, "old"}, {schema.Clear[string](), "cleared"}, {schema.Set("new"), "new"}, {schema.Set(""), ""}} {
		if got := c.field.Apply("old", "cleared"); got != c.want {
			t.Errorf("%+v: %q, want %q", c.field, got, c.want)
		}
	}
}

func TestBrainForms(t *testing.T) {
	for _, c := range []struct {
		text string
		want schema.Brain
	}{
		{`"builtin"`, schema.Brain{Provider: "builtin"}},
		{`{"model":"m","provider":"p"}`, schema.Brain{Provider: "p", Options: schema.Object{"model": "m"}}},
		{`{"provider":"p","t":0.70}`, schema.Brain{Provider: "p", Options: schema.Object{"t": json.Number("0.70")}}},
	} {
		var got schema.Brain
		if err := json.Unmarshal([]byte(c.text), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
		if back, err := json.Marshal(c.want); err != nil || string(back) != c.text {
			t.Errorf("%+v: %s, %v", c.want, back, err)
		}
	}
	var b schema.Brain
	if err := json.Unmarshal([]byte(`{"provider":"p"}`), &b); err != nil || b.Options != nil {
		t.Errorf("an object with nothing beside the provider is %+v, %v", b, err)
	}
	for _, text := range []string{`1`, `[]`, `{}`, `{"provider":1}`, `{"model":"m"}`} {
		if err := json.Unmarshal([]byte(text), &b); err == nil {
			t.Errorf("%s was read as %+v", text, b)
		}
	}
	if _, err := json.Marshal(schema.Brain{Provider: "p", Options: schema.Object{"k": "\xff"}}); err == nil {
		t.Error("options that are not UTF-8 were encoded")
	}
}

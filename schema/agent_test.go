package schema_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

var thinker = schema.Brain{Provider: "thinker", Options: schema.Object{"depth": json.Number("3")}}

func TestNewAgentIsFilledIn(t *testing.T) {
	got := schema.NewAgent{ID: "a"}.Agent(thinker)
	want := schema.Agent{ID: "a", Name: "a", Status: schema.AgentStopped, Revision: 1, Skills: []string{}, Brain: thinker}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	other := schema.Brain{Provider: "other"}
	if got := (schema.NewAgent{ID: "a", Name: "A", Brain: other}).Agent(thinker); got.Name != "A" || !reflect.DeepEqual(got.Brain, other) {
		t.Errorf("what was said is %+v", got)
	}
}

func TestPatchesAreApplied(t *testing.T) {
	before := schema.Agent{ID: "a", Name: "A", Description: "d", Skills: []string{"s"}, Persona: "p", Brain: thinker, Metadata: schema.Object{"k": "v"}, Revision: 7}
	if same := (schema.AgentPatch{}).Apply(before, schema.Brain{}); same.Differs(before) || same.Revision != 7 {
		t.Errorf("an empty patch made %+v", same)
	}
	cleared := schema.AgentPatch{
		Name: schema.Clear[string](), Description: schema.Clear[string](), Skills: schema.Clear[[]string](), Persona: schema.Clear[string](),
		Brain: schema.Clear[schema.Brain](), Metadata: schema.Clear[schema.Object](),
	}.Apply(before, schema.Brain{Provider: "default"})
	if want := (schema.Agent{ID: "a", Name: "a", Skills: []string{}, Brain: schema.Brain{Provider: "default"}, Revision: 7}); !reflect.DeepEqual(cleared, want) {
		t.Errorf("cleared, it is %+v", cleared)
	}
	for name, p := range map[string]schema.AgentPatch{
		"name": {Name: schema.Set("B")}, "description": {Description: schema.Set("e")}, "skills": {Skills: schema.Set([]string{"s", "t"})},
		"persona": {Persona: schema.Set("q")}, "brain": {Brain: schema.Set(schema.Brain{Provider: "thinker"})}, "metadata": {Metadata: schema.Set(schema.Object{"k": "w"})},
	} {
		if after := p.Apply(before, schema.Brain{}); !after.Differs(before) || before.Differs(before) {
			t.Errorf("%s: %+v does not differ", name, after)
		}
	}
}

// TestNothingIsSharedWithAPatch changes what a patch was made of, deep inside.
func TestNothingIsSharedWithAPatch(t *testing.T) {
	list := []any{map[string]any{"k": "v"}, schema.Object{"k": "v"}}
	p := schema.AgentPatch{Metadata: schema.Set(schema.Object{"list": list}), Skills: schema.Set([]string{"s"})}
	a := p.Apply(schema.Agent{}, schema.Brain{})
	want, _ := json.Marshal(a)
	list[0].(map[string]any)["k"], list[1].(schema.Object)["k"], p.Skills.Value[0] = "changed", "changed", "changed"
	if got, _ := json.Marshal(a); string(got) != string(want) {
		t.Errorf("it is %s and was %s", got, want)
	}
}

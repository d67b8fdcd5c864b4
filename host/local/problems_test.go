package local_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

func TestBrainProblems(t *testing.T) {
	offered := []schema.BrainInfo{{Provider: "gossip", OptionsSchema: []byte(`{"type":"object","properties":{"asks":{"type":"string"}},"additionalProperties":false}`)}}
	glad := map[string]any{"valence": 0.5}
	for name, c := range map[string]struct {
		brain schema.Brain
		want  []string // pointers, and what is said
	}{
		"nothing":          {schema.Brain{Provider: "builtin"}, nil},
		"a temper":         {schema.Brain{Provider: "builtin", Options: schema.Object{"mood": glad}}, nil},
		"of a model":       {schema.Brain{Provider: "gossip", Options: schema.Object{"mood": glad, "asks": "x", "maxSteps": 3}}, nil},
		"no such temper":   {schema.Brain{Provider: "gossip", Options: schema.Object{"mood": map[string]any{"valence": 3}, "askz": 1}}, []string{"/mood/valence", "/askz"}},
		"builtin's option": {schema.Brain{Provider: "builtin", Options: schema.Object{"odd": 1}}, []string{"odd"}},
		"not there":        {schema.Brain{Provider: "nobody", Options: schema.Object{"x": 1}}, nil},
		"in a fallback":    {schema.Brain{Provider: "gossip", Options: schema.Object{"fallback": []any{map[string]any{"provider": "gossip", "mood": glad}}}}, []string{"/fallback/0/mood"}},
	} {
		var got []string
		for _, p := range local.BrainProblems(c.brain, offered) {
			got = append(got, p.Pointer+": "+p.Message)
		}
		if len(got) != len(c.want) || slices.ContainsFunc(c.want, func(w string) bool { return !strings.Contains(strings.Join(got, "\n"), w) }) {
			t.Errorf("%s: the problems are %q, want %q", name, got, c.want)
		}
	}
}

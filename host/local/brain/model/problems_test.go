package model

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestProblemsOfABrain(t *testing.T) {
	offered := []schema.BrainInfo{{Provider: "openai", OptionsSchema: []byte(`{"type":"object","properties":{"model":{"type":"string"}},"additionalProperties":false}`)}}
	for brain, want := range map[string]string{
		`"openai"`: "",
		`{"provider": "openai", "model": "m", "contextTokens": 500, "fallback": ["builtin", {"provider": "other", "x": 1}]}`: "",
		`{"provider": "other", "x": 1}`:                                           "",
		`{"provider": "openai", "modle": "m"}`:                                    `/modle: unknown key "modle" did you mean "model"?`,
		`{"provider": "openai", "maxtokens": 3}`:                                  `/maxtokens: unknown key "maxtokens" did you mean "maxTokens"?`,
		`{"provider": "openai", "contextTokens": 1}`:                              "/contextTokens: must be at least 500, and is 1 ",
		`{"provider": "openai", "fallback": [3]}`:                                 "/fallback/0: must be a string or an object, and is a number ",
		`{"provider": "openai", "fallback": ["openai"]}`:                          ": the brain openai is there twice ",
		`{"provider": "a", "fallback": ["b", {"provider": "openai", "seed": 1}]}`: `/fallback/1/seed: unknown key "seed" the keys here are model`,
	} {
		var b schema.Brain
		if err := json.Unmarshal([]byte(brain), &b); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range Problems(b, offered) {
			got += fmt.Sprint(p.Pointer, ": ", p.Message, " ", p.Suggestion)
		}
		if got != want {
			t.Errorf("%s: %q", brain, got)
		}
	}
}

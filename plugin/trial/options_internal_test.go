package trial

import (
	"encoding/json"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// everything requires a member of each kind.
const everything = `{
	"type": "object", "additionalProperties": false,
	"required": ["proposed", "fixed", "chosen", "upTo", "above", "any", "text", "flag", "list", "inner"],
	"properties": {
		"proposed": {"type": "string", "minLength": 9, "default": "something"},
		"fixed": {"const": 7},
		"chosen": {"enum": ["a", "b"]},
		"upTo": {"type": "integer", "minimum": 3},
		"above": {"type": "integer", "exclusiveMinimum": 3},
		"any": {"type": "number"},
		"text": {"type": "string", "minLength": 2},
		"flag": {"type": "boolean"},
		"list": {"type": "array", "minItems": 2, "items": {"type": "integer", "minimum": 5}},
		"inner": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
		"spare": {"type": "string"}
	}
}`

func TestOptionsAreMadeUp(t *testing.T) {
	options := required([]byte(everything))
	if problems := unfitting([]byte(everything), options); len(problems) > 0 {
		t.Errorf("%v does not fit: %+v", options, problems)
	}
	got, err := json.Marshal(options)
	const want = `{"above":4,"any":1,"chosen":"a","fixed":7,"flag":false,"inner":{"x":"x"},"list":[5,5],"proposed":"something","text":"xx","upTo":3}`
	if err != nil || string(got) != want {
		t.Errorf("options %s (%v), want %s", got, err, want)
	}
}

func TestMisfits(t *testing.T) {
	for name, c := range map[string]struct {
		schema, want string
	}{
		"anything fits":        {`{"type":"object"}`, `null`},
		"no other key":         {`{"type":"object","additionalProperties":false,"properties":{"ok":{}}}`, `[{"noSuchKey":true,"ok":1}]`},
		"types":                {`{"type":"object","properties":{"a":{"type":"object"},"b":{"type":"string"}}}`, `[{"a":[],"ok":1},{"b":{},"ok":1}]`},
		"a member of any kind": {`{"type":"object","properties":{"a":{}}}`, `null`},
		"no JSON Schema":       {`[`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			good := schema.Object{"ok": json.Number("1")}
			got, err := json.Marshal(misfits([]byte(c.schema), good))
			if err != nil || string(got) != c.want {
				t.Errorf("misfits %s (%v), want %s", got, err, c.want)
			}
		})
	}
}

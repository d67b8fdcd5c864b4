package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// configure returns a new extension with block in it, or nil where a problem is an error, and all problems in one pass,
// in their order.
func (d Definition) configure(log *slog.Logger, block []byte) (Extension, []schema.Problem) {
	ext, problems := d.judge(log, block)
	problem.Sort(problems)
	return ext, problems
}

func (d Definition) judge(log *slog.Logger, block []byte) (Extension, []schema.Problem) {
	var ext Extension
	if err := contain(log, "New", func() error { ext = d.New(); return nil }); err != nil {
		return nil, []schema.Problem{wrong("", "%v", err)}
	}
	problems := decodeBlock(blockOf(ext), block)
	if v, ok := blockOf(ext).(Validator); ok && !problem.Fatal(problems) {
		err := contain(log, "Validate", func() error { problems = append(problems, v.Validate()...); return nil })
		if err != nil {
			problems = append(problems, wrong("", "%v", err))
		}
	}
	if problem.Fatal(problems) {
		return nil, problems
	}
	return ext, problems
}

// decodeBlock checks block against the schema of into, which finds every problem, and decodes it, which is strict again
// for what a schema cannot know.
func decodeBlock(into any, block []byte) []schema.Problem {
	if len(bytes.TrimSpace(block)) == 0 {
		block = []byte("{}")
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(block))
	if err != nil {
		return []schema.Problem{wrong("", "the block is not JSON: %v", err)}
	}
	if _, ok := doc.(map[string]any); !ok {
		return []schema.Problem{wrong("", "the block must be a JSON object")}
	}
	raw, err := ConfigSchema(into)
	if err != nil {
		return []schema.Problem{wrong("", "%v", err)}
	}
	if problems := checkSchema(raw, doc); len(problems) > 0 {
		return problems
	}
	return decodeStrict(into, block)
}

func decodeStrict(into any, block []byte) []schema.Problem {
	dec := json.NewDecoder(bytes.NewReader(block))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows after the block")
		}
	}
	var mismatch *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &mismatch):
		at := ""
		if mismatch.Field != "" {
			at = problem.Pointer(strings.Split(mismatch.Field, ".")...)
		}
		return []schema.Problem{wrong(at, "a %s cannot be a %s", mismatch.Value, mismatch.Type)}
	default:
		return []schema.Problem{wrong("", "%s", strings.TrimPrefix(err.Error(), "json: "))}
	}
}

// checkSchema returns every way in which doc does not fit the JSON Schema raw.
func checkSchema(raw json.RawMessage, doc any) []schema.Problem {
	problems, err := problem.Schema{Raw: raw}.Check(doc)
	if err != nil {
		return []schema.Problem{wrong("", "the extension's own JSON Schema is broken: %v", err)}
	}
	return problems
}

func wrong(at, format string, args ...any) schema.Problem {
	return problem.Errorf(at, "", format, args...)
}

package api_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestPatchMergesObjects into those of the revision that the update demands, and anew where somebody else was faster.
func TestPatchMergesObjects(t *testing.T) {
	f := newFakeHost()
	reads := 0
	f.get = func(_ context.Context, id string) (schema.Agent, error) { // each of the first six finds another revision than the one before
		a := fakeAgent(id)
		reads++
		a.Revision = int64(min(reads, 6))
		a.Brain = schema.Brain{Provider: "fake", Options: schema.Object{"model": "m", "n": json.Number("1")}}
		a.Metadata = schema.Object{"revision": json.Number("1"), "deep": map[string]any{"a": json.Number("9007199254740993"), "b": "b"}}
		return a, nil
	}
	w := start(t, "", f.services())
	a := w.do("PATCH", "/api/agents/nyx", `{"name":"N","metadata":{"deep":{"b":null,"c":1e400},"new":[null]},"brain":{"provider":"fake","n":null}}`, as("admin")...)
	if a.status != 200 {
		t.Fatalf("PATCH = %d %s", a.status, a.body)
	}
	p := f.updates[len(f.updates)-1]
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"N","brain":{"model":"m","provider":"fake"},"metadata":{"deep":{"a":9007199254740993,"c":1e400},"new":[null],"revision":1}}`
	if string(got) != want || p.IfRevision != 6 {
		t.Errorf("the update is %s if the revision is %d, want %s", got, p.IfRevision, want)
	}
	for name, c := range map[string]struct{ method, body, want string }{
		"PUT replaces":            {"PUT", `{"metadata":{"deep":{"b":null}}}`, `{"metadata":{"deep":{"b":null}}}`},
		"null clears":             {"PATCH", `{"metadata":null}`, `{"metadata":null}`},
		"no object":               {"PATCH", `{"brain":"other","skills":["a"]}`, `{"skills":["a"],"brain":"other"}`},
		"an object of nothing":    {"PATCH", `{"metadata":{}}`, `{"metadata":{"deep":{"a":9007199254740993,"b":"b"},"revision":1}}`},
		"a member that is not":    {"PATCH", `{"metadata":{"gone":null}}`, `{"metadata":{"deep":{"a":9007199254740993,"b":"b"},"revision":1}}`},
		"an object for something": {"PATCH", `{"metadata":{"revision":{"x":null}}}`, `{"metadata":{"deep":{"a":9007199254740993,"b":"b"},"revision":{}}}`},
	} {
		if a := w.do(c.method, "/api/agents/nyx", c.body, as("admin")...); a.status != 200 {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		if got, _ := json.Marshal(f.updates[len(f.updates)-1]); string(got) != c.want {
			t.Errorf("%s: the update is %s, want %s", name, got, c.want)
		}
	}
}

// TestPatchOfObjectsIsRefused as every other one is.
func TestPatchOfObjectsIsRefused(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	const body = `{"metadata":{"a":1}}`
	for _, tag := range []string{`"6"`, `"5", "6"`, `W/"7"`} {
		w.do("PATCH", "/api/agents/nyx", body, append(as("admin"), "If-Match", tag)...).problem(t, 412, schema.CodeRevisionMismatch)
	}
	for _, tag := range []string{`"7"`, `"6", "7"`, `*`} {
		if a := w.do("PATCH", "/api/agents/nyx", body, append(as("admin"), "If-Match", tag)...); a.status != 200 {
			t.Errorf("If-Match %s: %d %s", tag, a.status, a.body)
		}
	}
	w.do("PATCH", "/api/agents/nyx", body, append(as("admin"), "If-Match", "7")...).problem(t, 400, schema.CodeMalformed)
	w.do("PATCH", "/api/agents/nobody", body, as("admin")...).problem(t, 404, schema.CodeNotFound)
	w.do("PATCH", "/api/agents/nyx", body, as("alice")...).problem(t, 403, schema.CodePermissionDenied)
	w.do("PATCH", "/api/agents/nyx", `{"metadata":{"a":1},"metadata":{"b":1}}`, as("admin")...).problem(t, 422, schema.CodeInvalidArgument)
}

package trial

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/problem"
)

func (p Program) describeGroup() conform.Group {
	return conform.Group{Name: "extension/describe", Checks: []conform.Check{
		{Name: "answers", Expect: "asked to check a block, it prints what it is and nothing else, and exits", Contract: theProgram, Run: p.answers},
		{Name: "is-whole", Expect: "its description has a name, a version and the known services that it requires", Contract: "schema.Description", Run: p.isWhole},
		{Name: "schema", Expect: "its configuration has a JSON Schema that describes an object", Contract: "schema.Description", Run: p.schema},
		{Name: "accepts-the-block", Expect: "it accepts the block that it is checked with", Contract: "schema.CheckResult", Run: p.accepts},
		{Name: "unknown-key", Expect: "an unknown key is a problem before anything is started", Contract: theBlock, Run: p.unknownKey},
		{Name: "agrees-with-itself", Expect: "it says the same of itself when it runs", Contract: "schema.Description", Run: p.agrees},
		{Name: "leaves-nothing", Expect: "asked to check a block, it leaves no process behind", Contract: theProgram, Run: p.checkLeaves},
	}}
}

// check asks the program about a block.
func (p Program) check(t conform.T, spec plugin.Spec) schema.CheckResult {
	t.Helper()
	out, err := plugin.Check(t.Context(), spec)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

// describe asks the program what it is.
func (p Program) describe(t conform.T) schema.CheckResult {
	t.Helper()
	return p.check(t, p.Spec)
}

func (p Program) answers(t conform.T) { p.describe(t) }

func (p Program) isWhole(t conform.T) {
	d := p.describe(t).Description
	if d.Name == "" || d.Version == "" {
		t.Errorf("its name is %q and its version %q", d.Name, d.Version)
	}
	if d.Requires == nil {
		t.Errorf("requires is missing; it is a list, which may be empty")
	}
	for _, name := range d.Requires {
		if !slices.Contains(schema.ServiceNames(), name) {
			t.Errorf("it requires %q; the services are %v", name, schema.ServiceNames())
		}
	}
}

func (p Program) schema(t conform.T) {
	raw := p.describe(t).Description.ConfigSchema
	var s struct{ Type any }
	if err := json.Unmarshal(raw, &s); err != nil || s.Type != "object" {
		t.Errorf("its JSON Schema is %.300s, which does not say that it is of type object (%v)", raw, err)
	}
	p.hold(t, raw, p.Spec.Config)
}

// hold holds a block against the JSON Schema, and returns the problems.
func (p Program) hold(t conform.T, raw, block json.RawMessage) []schema.Problem {
	t.Helper()
	if len(block) == 0 {
		block = json.RawMessage("{}")
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(block))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("read the block: %v", err)
	}
	problems, err := problem.Schema{Raw: raw}.Check(v)
	if err != nil {
		t.Fatalf("its JSON Schema cannot be used: %v", err)
	}
	return problems
}

func (p Program) accepts(t conform.T) {
	out := p.describe(t)
	for _, q := range append(p.hold(t, out.Description.ConfigSchema, p.Spec.Config), out.Problems...) {
		if q.Severity != schema.SeverityWarning {
			t.Errorf("%s: %s %s", q.Pointer, q.Message, q.Suggestion)
		}
	}
}

func (p Program) unknownKey(t conform.T) {
	bad := p.badBlock(t)
	out := p.check(t, bad)
	all := append(p.hold(t, out.Description.ConfigSchema, bad.Config), out.Problems...)
	if !slices.ContainsFunc(all, func(q schema.Problem) bool {
		return q.Severity == schema.SeverityError && q.Pointer == "/noSuchKey"
	}) {
		t.Errorf("neither its JSON Schema nor its own check finds the unknown key noSuchKey: %+v", all)
	}
}

// badBlock returns the spec with a key in its block that no extension has.
func (p Program) badBlock(t conform.T) plugin.Spec {
	t.Helper()
	block := map[string]json.RawMessage{}
	if len(p.Spec.Config) > 0 {
		if err := json.Unmarshal(p.Spec.Config, &block); err != nil {
			t.Fatalf("read the block: %v", err)
		}
	}
	block["noSuchKey"] = json.RawMessage("1")
	b, err := json.Marshal(block)
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := p.Spec
	s.Config = b
	return s
}

func (p Program) agrees(t conform.T) {
	d := p.describe(t).Description
	in, err := p.open(t, p.Services(t)).Init(bound(t, callTimeout))
	if err != nil {
		t.Fatalf("Init: %v", err)
	}
	if in.Name != d.Name || in.Version != d.Version {
		t.Errorf("it runs as %s %s, and describes itself as %s %s", in.Name, in.Version, d.Name, d.Version)
	}
	for _, name := range in.Requires {
		if !slices.Contains(d.Requires, name) {
			t.Errorf("it requires %q when it runs, and describes itself as requiring %v", name, d.Requires)
		}
	}
}

func (p Program) checkLeaves(t conform.T) {
	spec, value := p.marked(t)
	p.check(t, spec)
	nothingLeft(t, value)
}

// nothingLeft fails the check if a process with that mark does not end by itself.
func nothingLeft(t conform.T, value string) {
	t.Helper()
	if !eventually(t, goneTimeout, func() bool { return len(marked(value)) == 0 }) {
		t.Errorf("the processes %v are left", marked(value))
	}
}

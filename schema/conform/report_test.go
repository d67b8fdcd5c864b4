package conform_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/joshdk/go-junit"
	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema/conform"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// report has every outcome, and text that the formats have to quote.
func report() conform.Report {
	return conform.Report{
		Target: "./bin/my-runtime", Begun: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Took: 1234 * time.Millisecond,
		Results: []conform.Result{
			{ID: "runtime/agents/list", Outcome: conform.Passed, Expected: "every agent is there", Contract: "schema.Agents.List", Took: 3 * time.Millisecond},
			{
				ID: "runtime/once/send", Outcome: conform.Failed, Expected: "a repeated turn is the first one", Contract: "schema.Once", Took: time.Second,
				Got: []string{"run <a> & \"b\"", "two\nlines ]]> \x1b"}, Log: []string{"a line"},
			},
			{ID: "runtime/memory/shared", Outcome: conform.Skipped, Expected: "it is shared", Contract: "docs/runtimes.md#conformance", Got: []string{"service memory is not offered"}},
		},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	r := report()
	for _, res := range r.Results {
		if err := res.WriteText(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.WriteSummary(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.Bytes())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.Bytes())
}

// TestJUnit has a parser that others use read the report.
func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := report().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.xml", b.Bytes())
	suites, err := junit.Ingest(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range suites {
		for _, c := range s.Tests {
			got = append(got, string(c.Status)+" "+c.Classname+" "+c.Name)
		}
	}
	want := []string{"passed runtime.agents list", "failed runtime.once send", "skipped runtime.memory shared"}
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("the parser reads %q, want %q", got, want)
	}
}

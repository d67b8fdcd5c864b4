package config_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/schema"
)

// TestBrainsOfAgentsAreChecked against what extensions offer: those of the list, and those that are files.
func TestBrainsOfAgentsAreChecked(t *testing.T) {
	l := loader()
	l.Check = func(_ context.Context, e config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{Description: schema.Description{
			Name: "api", ConfigSchema: json.RawMessage(blockSchema), Brain: &schema.BrainInfo{Description: "of " + e.Name},
		}}, nil
	}
	l.BrainProblems = func(b schema.Brain, offered []schema.BrainInfo) []schema.Problem {
		var all []string
		for _, o := range offered {
			all = append(all, o.Provider+" "+o.Description)
		}
		if b.Options["odd"] == nil {
			return nil
		}
		return []schema.Problem{{Severity: schema.SeverityError, Pointer: "/odd", Message: fmt.Sprint(b.Provider, all)}}
	}
	file := write(t, `{"extensions":{"api":{},"off":{"enabled":false,"plugin":{"path":"/bin/true"}},"other":{"plugin":{"path":"/bin/true","grants":["brain"]}},"kept":{"plugin":{"path":"/bin/true","grants":[]}}},
		"agents":[{"id":"a","brain":{"provider":"other","odd":1}},{"id":"b","brain":"api"},{"id":"c"}]}`)
	folder := filepath.Join(filepath.Dir(file), "agents")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "d.json"), []byte(`{"brain":{"provider":"builtin","odd":1}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems := load(t, l, config.Sources{File: file})
	var got []string
	for _, p := range problems {
		if p.Severity == schema.SeverityError {
			got = append(got, p.Pointer+": "+p.Message)
		}
	}
	if want := []string{"/agents/0/brain/odd: other[api of api other of other]", "/agents/d.json/brain/odd: builtin[api of api other of other]"}; !slices.Equal(got, want) {
		t.Errorf("the problems are %q", got)
	}
}

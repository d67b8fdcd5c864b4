package workshop_test

import (
	"errors"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/workshop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is where the sources are that the tests build against: these.
func source(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if !workshop.IsSource(dir) || workshop.IsSource(filepath.Join(dir, "host")) {
		t.Fatalf("IsSource does not know %s", dir)
	}
	return dir
}

// TestTheFirstTestIsShort: it is what an author reads to learn how an extension is tested.
func TestTheFirstTestIsShort(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("templates", "main_test.go.tmpl"))
	if err != nil {
		t.Fatal(err)
	}
	_, test, found := strings.Cut(string(text), "func Test")
	test, _, ended := strings.Cut(test, "\n}\n")
	if lines := strings.Count(test, "\n") + 2; !found || !ended || lines > 12 {
		t.Errorf("the first test has %d lines, and 12 are enough:\n%s", lines, test)
	}
}

// TestNew: an extension that was made builds, passes its own test and vet, is formatted, and says what it is.
func TestNew(t *testing.T) {
	for _, name := range []string{"weather-report", "fmt"} { // the second one is also a name that its code uses
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			plan := workshop.Plan{Name: name, Dir: dir, Module: "example.com/" + name, Version: "0.1.0", Source: source(t)}
			var steps []string
			if err := workshop.New(t.Context(), plan, func(s string) { steps = append(steps, s) }); err != nil {
				t.Fatal(err)
			}
			if len(steps) != 3 {
				t.Errorf("it told %q", steps)
			}
			for _, file := range workshop.Files() {
				if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
					t.Error(err)
				}
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".stagehouse-new-*")); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
			run := func(name string, args ...string) string {
				t.Helper()
				cmd := exec.Command(name, args...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s %v: %v\n%s", name, args, err, out)
				}
				return string(out)
			}
			run("go", "vet", "./...")
			if ugly := run("gofmt", "-l", "."); ugly != "" {
				t.Errorf("not formatted: %s", ugly)
			}
			if said := run("go", "run", ".", "describe"); !strings.Contains(said, `"name": "`+name+`"`) {
				t.Errorf("it says that it is %s", said)
			}
			main, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, "main.go"), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			var ours []string
			for _, i := range main.Imports {
				if strings.Contains(i.Path.Value, workshop.SDKModule) {
					ours = append(ours, i.Path.Value)
				}
			}
			if want := []string{`"` + workshop.SDKModule + `/sdk"`}; !slices.Equal(ours, want) {
				t.Errorf("main.go imports %v of stagehouse, want %v", ours, want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	taken := t.TempDir()
	good := workshop.Plan{Name: "weather", Dir: filepath.Join(taken, "new"), Module: "example.com/weather", Version: "0.1.0", Source: source(t)}
	for what, change := range map[string]func(*workshop.Plan){
		`no name for an extension`:    func(p *workshop.Plan) { p.Name = "Weather" },
		`"" is no name`:               func(p *workshop.Plan) { p.Name = "" },
		`"../weather" is no name`:     func(p *workshop.Plan) { p.Name = "../weather" },
		`"1st" is no name`:            func(p *workshop.Plan) { p.Name = "1st" },
		`is there already`:            func(p *workshop.Plan) { p.Dir = taken },
		`no path of a Go module`:      func(p *workshop.Plan) { p.Module = "my module" },
		`is no path of a Go module; `: func(p *workshop.Plan) { p.Module = "" },
	} {
		plan := good
		change(&plan)
		err := workshop.New(t.Context(), plan, func(string) { t.Errorf("%s: it has begun", what) })
		if !errors.Is(err, workshop.ErrPlan) || !strings.Contains(err.Error(), what) {
			t.Errorf("error = %v, want %q", err, what)
		}
	}
}

// TestNewLeavesNothing: what cannot be built, or is not wanted any more, is not there.
func TestNewLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	plan := workshop.Plan{Name: "weather", Dir: filepath.Join(parent, "weather"), Module: "example.com/weather", Version: "0.1.0", Source: parent}
	var said *workshop.GoError
	if err := workshop.New(t.Context(), plan, func(string) {}); !errors.As(err, &said) || said.Output == "" {
		t.Errorf("against sources that are none: %v", err)
	}
	left, err := os.ReadDir(parent)
	if err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

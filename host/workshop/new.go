package workshop

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// SDKModule is the module that an extension imports.
const SDKModule = "github.com/stagehouse/stagehouse"

// Plan says which extension to make, and where.
type Plan struct {
	Name    string // of the extension: lower-case letters, digits and hyphens
	Dir     string // that it gets; it must not exist
	Module  string // path of its Go module
	Version string // of SDKModule that it is built against, without the v
	Source  string // absolute path of a copy of SDKModule that is used in its place; "" = none, it is downloaded
}

// Files returns the names of what New writes, as slash-separated paths below Dir.
func Files() []string {
	return []string{".gitignore", "README.md", "go.mod", "main.go", "main_test.go", "stagehouse.json"}
}

//go:embed all:templates
var templates embed.FS

var validName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// ErrPlan is in the chain of errors about what was asked for: nothing was tried.
var ErrPlan = errors.New("the extension cannot be made like that")

// New makes an extension. It looks first whether everything needed is there, writes and builds in a directory beside Dir, has
// the extension's own test run, and renames that into place last of all: where it fails, or ctx ends, there is nothing.
func New(ctx context.Context, p Plan, say func(step string)) (err error) {
	if err := p.check(ctx); err != nil {
		return err
	}
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return err
	}
	stage, err := os.MkdirTemp(filepath.Dir(dir), ".stagehouse-new-")
	if err != nil {
		return fmt.Errorf("make a directory beside %s: %w", p.Dir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(stage))
		}
	}()
	if err := p.write(stage); err != nil {
		return err
	}
	for _, step := range []struct {
		said string
		args []string
	}{
		{"finding the modules that it needs", []string{"mod", "tidy"}},
		{"building it", []string{"build", "-o", os.DevNull, "."}},
		{"running its test", []string{"test", "."}},
	} {
		say(step.said)
		_, err := goCommand(ctx, stage, step.args...)
		if err != nil && p.Source == "" && step.args[0] == "mod" {
			return fmt.Errorf("%w\nWhere the release cannot be had, name a directory with the sources of stagehouse: --source DIR", err)
		}
		if err != nil {
			return err
		}
	}
	if err := os.Chmod(stage, 0o755); err != nil { //nolint:gosec // it is source code, and was private only while it was made
		return err
	}
	return os.Rename(stage, dir)
}

func (p Plan) check(ctx context.Context) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrPlan, fmt.Errorf(format, args...))
	}
	switch {
	case !validName.MatchString(p.Name) || len(p.Name) > 64:
		return refuse("%.80q is no name for an extension; use lower-case letters, digits and hyphens, such as weather-report", p.Name)
	case strings.ContainsAny(p.Module, " \t\n\"'`") || p.Module == "":
		return refuse("%.80q is no path of a Go module; use one such as example.com/%s", p.Module, p.Name)
	}
	if _, err := os.Lstat(p.Dir); err == nil {
		return refuse("%s is there already; choose another name, or another directory with --dir", p.Dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return refuse("look at %s: %w", p.Dir, err)
	}
	if _, err := goCommand(ctx, "", "version"); err != nil {
		return refuse("the go command is needed to build an extension; install Go from https://go.dev/dl: %w", err)
	}
	return nil
}

// write fills the templates in.
func (p Plan) write(dir string) error {
	for _, name := range Files() {
		text, err := templates.ReadFile("templates/" + name + ".tmpl")
		if err != nil {
			return err
		}
		t, err := template.New(name).Delims("«", "»").Parse(string(text))
		if err != nil {
			return err
		}
		out, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // source code
		if err != nil {
			return err
		}
		if err := errors.Join(t.Execute(out, p), out.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// Type returns the name of the Go type of the extension.
func (p Plan) Type() string {
	words := strings.Split(p.Name, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	if t := strings.Join(words, ""); !taken[t] {
		return t
	}
	return "extension"
}

// taken are the words that main.go uses for something else.
var taken = map[string]bool{
	"main": true, "sdk": true, "http": true, "fmt": true, "context": true, "error": true, "string": true, "schema": true, "fresh": true,
	"break": true, "case": true, "chan": true, "const": true, "continue": true, "default": true, "defer": true, "else": true,
	"fallthrough": true, "for": true, "func": true, "go": true, "goto": true, "if": true, "import": true, "interface": true, "map": true,
	"package": true, "range": true, "return": true, "select": true, "struct": true, "switch": true, "type": true, "var": true,
}

// IsSource reports whether dir has the sources of SDKModule.
func IsSource(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && regexp.MustCompile(`(?m)^module\s+`+regexp.QuoteMeta(SDKModule)+`\s*$`).Match(text)
}

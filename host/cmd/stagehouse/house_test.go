package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/stagehouse/stagehouse/"

// listed is what go list tells about a package.
type listed struct {
	ImportPath, Dir, Doc      string
	Imports, Deps             []string
	TestGoFiles, XTestGoFiles []string
	Standard                  bool
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,Deps,TestGoFiles,XTestGoFiles,Standard", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// within reports whether an import path is one of the given places of this module, or below one.
func within(importPath string, places ...string) bool {
	rest, ours := strings.CutPrefix(importPath, module)
	return ours && slices.ContainsFunc(places, func(p string) bool { return rest == p || strings.HasPrefix(rest, p+"/") })
}

// TestImportArrows holds the imports of every package against the picture in docs/architecture.md.
func TestImportArrows(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		never := func(deps []string, why string, bad func(string) bool) {
			for _, d := range deps {
				if bad(d) {
					t.Errorf("%s imports %s: %s", name, strings.TrimPrefix(d, module), why)
				}
			}
		}
		never(p.Imports, "nothing imports an example or a command", func(d string) bool {
			return within(d, "examples") || within(d, "host/cmd") || strings.Contains(d, "/cmd/") && strings.HasPrefix(d, module)
		})
		if !within(p.ImportPath, "extension/api") {
			never(p.Imports, "extension/api alone knows Fiber and huma", func(d string) bool {
				return strings.HasPrefix(d, "github.com/gofiber/") || strings.HasPrefix(d, "github.com/valyala/") || strings.HasPrefix(d, "github.com/danielgtaylor/huma")
			})
		}
		if !within(p.ImportPath, "schema/gen", "schema/wire", "plugin", "sdk") {
			never(p.Imports, "generated types stay behind schema/wire", func(d string) bool { return within(d, "schema/gen") })
		}
		for vendor, owner := range map[string]string{"github.com/anthropics/": "extension/anthropic", "github.com/openai/": "extension/openai"} {
			if !within(p.ImportPath, owner) || within(p.ImportPath, owner+"/"+path.Base(owner)+"test") {
				never(p.Deps, owner+" alone knows its vendor's client, which is large", func(d string) bool { return strings.HasPrefix(d, vendor) })
			}
		}
		if within(p.ImportPath, "host", "plugin", "schema") && !within(p.ImportPath, "host/cli", "host/cmd", "plugin/plugintest") {
			never(p.Imports, "signals belong to the program, which a host may be only a part of", func(d string) bool { return d == "os/signal" })
		}
		switch {
		case within(p.ImportPath, "host/cmd"):
		case p.ImportPath == module+"schema":
			never(p.Deps, "the contract needs the standard library only", func(d string) bool { return strings.Contains(strings.Split(d, "/")[0], ".") })
		case within(p.ImportPath, "schema"):
			never(p.Deps, "the contract knows nobody", func(d string) bool { return within(d, "host", "plugin", "sdk", "extension") })
		case within(p.ImportPath, "plugin"):
			never(p.Deps, "the boundary knows neither side", func(d string) bool { return within(d, "host", "sdk", "extension") })
		case within(p.ImportPath, "host"):
			never(p.Deps, "the host knows no extension and not their sdk", func(d string) bool { return within(d, "sdk", "extension") })
		case within(p.ImportPath, "sdk/client"):
			never(p.Deps, "a client needs the contract, the standard library and a WebSocket", func(d string) bool {
				return strings.Contains(strings.Split(d, "/")[0], ".") && d != p.ImportPath && d != module+"schema" && !strings.HasPrefix(d, "github.com/coder/websocket")
			})
		case within(p.ImportPath, "sdk"):
			never(p.Deps, "the sdk knows no host", func(d string) bool {
				return within(d, "host", "extension", "plugin") && !within(d, "plugin/protocol", "plugin/tether", "plugin/attach", "plugin/inflight")
			})
		case within(p.ImportPath, "extension"):
			never(p.Imports, "an extension reaches the host through the sdk only", func(d string) bool { return within(d, "host", "plugin") })
			never(p.Deps, "an extension reaches the host through the sdk only", func(d string) bool { return within(d, "host") })
		}
	}
}

// TestTheProgramHasNoTestTools: packages for tests, and what only they need, are not linked.
func TestTheProgramHasNoTestTools(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != module+"host/cmd/stagehouse" {
			continue
		}
		for _, d := range p.Deps {
			if strings.HasPrefix(d, "github.com/getkin/") || strings.HasPrefix(d, module) && strings.HasSuffix(d, "test") {
				t.Errorf("the program links %s", d)
			}
		}
		return
	}
	t.Error("there is no program")
}

func TestTopLevel(t *testing.T) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	allowed := strings.Fields("extension host plugin sdk schema examples docs tools go.mod go.sum README.md LICENSE Makefile bin plugins stagehouse-data")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// TestEveryPackage has a comment that says what it is for, and looks for leaked goroutines where it has tests.
func TestEveryPackage(t *testing.T) {
	for _, p := range list(t) {
		if within(p.ImportPath, "schema/gen") {
			continue
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		tests := append(slices.Clone(p.TestGoFiles), p.XTestGoFiles...)
		if len(tests) == 0 || p.ImportPath == module+"host/cmd/stagehouse" {
			continue
		}
		if !slices.ContainsFunc(tests, func(f string) bool {
			b, err := os.ReadFile(path.Join(p.Dir, f))
			return err == nil && bytes.Contains(b, []byte("goleak.VerifyTestMain("))
		}) {
			t.Errorf("%s has tests and no goleak.VerifyTestMain", p.ImportPath)
		}
	}
}

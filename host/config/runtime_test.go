package config_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// runtimeLoader knows one runtime and one extension, whichever program is asked.
func runtimeLoader(runtime, extension schema.Description) config.Loader {
	l := loader()
	l.Check = func(_ context.Context, e config.Extension) (schema.CheckResult, error) {
		d := extension
		if e.Name == plugin.RuntimeName {
			d = runtime
		}
		d.ConfigSchema = json.RawMessage(blockSchema)
		return schema.CheckResult{Description: d}, nil
	}
	return l
}

var (
	aRuntime    = schema.Description{Name: "mine", Version: "1", Offers: []string{schema.ServiceAgents}}
	anExtension = schema.Description{Name: "api", Version: "1"}
)

// program makes a file that could be run, and returns its path.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mine")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRuntimeIsRead(t *testing.T) {
	t.Parallel()
	path := program(t)
	file := write(t, `{"runtime": {"port": 7, "secret": "${env:SECRET}", "plugin": {"path": `+quote(path)+`, "args": ["-v"], "env": {"K": "v"},
		"startTimeoutMs": 1500, "drainTimeoutMs": 2500}}}`)
	cfg, problems := load(t, runtimeLoader(aRuntime, anExtension), config.Sources{
		File: file, Env: []string{"SECRET=word", "STAGEHOUSE_RUNTIME__HOST=here"},
	})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	r := cfg.Runtime
	if r == nil || r.Name != plugin.RuntimeName || !r.Enabled || r.Command.Path != path || len(r.Command.Args) != 1 || r.Env["K"] != "v" ||
		r.StartTimeout != 1500*time.Millisecond || r.DrainTimeout != 2500*time.Millisecond {
		t.Fatalf("runtime = %+v", r)
	}
	var block map[string]any
	if err := json.Unmarshal(r.Block, &block); err != nil {
		t.Fatal(err)
	}
	if len(block) != 3 || block["port"] != 7.0 || block["secret"] != "word" || block["host"] != "here" {
		t.Errorf("block = %s", r.Block)
	}
	if cfg.Scrub("word") == "word" {
		t.Error("its secret is not scrubbed")
	}
	if len(cfg.Extensions) != 1 || cfg.Extensions[0].Name != "api" {
		t.Errorf("extensions = %+v", cfg.Extensions)
	}
}

func TestProblemsOfARuntime(t *testing.T) {
	t.Parallel()
	path := quote(program(t))
	for name, c := range map[string]struct {
		file               string
		runtime, extension schema.Description
		want               []string // pointer and a part of what is said
	}{
		"none":      {`{}`, aRuntime, anExtension, nil},
		"no plugin": {`{"runtime": {}}`, aRuntime, anExtension, []string{"/runtime", "plugin"}},
		"no path":   {`{"runtime": {"plugin": {}}}`, aRuntime, anExtension, []string{"/runtime/plugin", "path"}},
		"no program": {`{"runtime": {"plugin": {"path": "./nothing"}}}`, aRuntime, anExtension,
			[]string{"/runtime/plugin/path", "cannot run"}},
		"everything at once": {`{"runtime": {"plugin": {"path": ` + path + `, "arg": []}, "prot": 1, "rateLimit": {"max": 0}}, "extension": {}}`,
			aRuntime, anExtension,
			[]string{"/extension", `"extensions"`, "/runtime/plugin/arg", `"args"`}},
		"in the block": {`{"runtime": {"plugin": {"path": ` + path + `}, "prot": 1, "rateLimit": {"max": 0}}}`,
			aRuntime, anExtension,
			[]string{"/runtime/prot", `"port"`, "/runtime/rateLimit/max", "1"}},
		"not the host's": {`{"runtime": {"plugin": {"path": ` + path + `}}, "agents": [], "events": {"retain": 5},
			"memory": {"embedder": {"provider": "x", "model": "m"}}}`, aRuntime, anExtension,
			[]string{"/agents", "runtime of its own", "/events", "runtime of its own", "/memory", "runtime of its own"}},
		"an extension":  {`{"runtime": {"plugin": {"path": ` + path + `}}}`, anExtension, anExtension, []string{"/runtime", "no runtime"}},
		"a runtime":     {`{"extensions": {"api": {}}}`, aRuntime, aRuntime, []string{"/extensions/api", "no extension"}},
		"its own name":  {`{"extensions": {"runtime": {"plugin": {"path": ` + path + `}}}}`, aRuntime, anExtension, []string{"/extensions/runtime", "name of the runtime"}},
		"a lost secret": {`{"runtime": {"plugin": {"path": ` + path + `}, "secret": "${env:NOTHING}"}}`, aRuntime, anExtension, []string{"/runtime/secret", "NOTHING"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := load(t, runtimeLoader(c.runtime, c.extension), config.Sources{File: write(t, c.file)})
			if len(problems) != len(c.want)/2 {
				t.Fatalf("problems: %+v", problems)
			}
			for i, p := range problems {
				if p.Pointer != c.want[2*i] || !strings.Contains(p.Message+p.Suggestion, c.want[2*i+1]) {
					t.Errorf("problem %d: %+v, want %q at %s", i, p, c.want[2*i+1], c.want[2*i])
				}
			}
		})
	}
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blockSchema stands for what an extension declares.
const blockSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object", "additionalProperties": false,
  "properties": {
    "port": {"type": "integer", "minimum": 0, "maximum": 65535},
    "host": {"type": "string"},
    "secret": {"type": "string", "pattern": "^[a-z]+$"},
    "rateLimit": {"type": "object", "additionalProperties": false,
      "properties": {"windowMs": {"type": "integer"}, "max": {"type": "integer", "minimum": 1}}}
  }
}`

func loader(problems ...schema.Problem) config.Loader {
	return config.Loader{
		BuiltIns: map[string]config.Command{"api": {Path: "/bin/true", Args: []string{"extension", "api"}, BuiltIn: true}},
		Brains:   []string{"builtin", "p"},
		Check: func(context.Context, config.Extension) (schema.CheckResult, error) {
			return schema.CheckResult{
				Description: schema.Description{Name: "api", ConfigSchema: json.RawMessage(blockSchema)},
				Problems:    append([]schema.Problem(nil), problems...),
			}, nil
		},
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagehouse.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, l config.Loader, s config.Sources) (*config.Config, []schema.Problem) {
	t.Helper()
	cfg, problems, err := l.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, problems
}

func TestDefaults(t *testing.T) {
	cfg, problems := load(t, loader(), config.Sources{})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	if cfg.Data != config.DefaultData || cfg.LogLevel != slog.LevelInfo || cfg.Agents != nil {
		t.Errorf("config = %+v", cfg)
	}
	if len(cfg.Extensions) != 1 || cfg.Extensions[0].Name != "api" || !cfg.Extensions[0].Enabled || string(cfg.Extensions[0].Block) != "{}" {
		t.Fatalf("extensions = %+v", cfg.Extensions)
	}
	if e := cfg.Extensions[0]; e.StartTimeout != 0 || e.DrainTimeout != plugin.DefaultDrainTimeout || e.Grants != nil {
		t.Errorf("extension = %+v", e)
	}
}

func TestHostKeysAreTakenFromTheBlock(t *testing.T) {
	file := write(t, `{"logLevel":"debug","extensions":{"api":{"enabled":false,"port":3001,
	  "plugin":{"args":["-x"],"env":{"A":"b"},"sha256":"`+strings.Repeat("ab", 32)+`","startTimeoutMs":700,"drainTimeoutMs":1,"grants":["agents"]}}}}`)
	cfg, problems := load(t, loader(), config.Sources{File: file})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	e := cfg.Extensions[0]
	if e.Enabled || string(e.Block) != `{"port":3001}` || e.StartTimeout != 700*time.Millisecond || e.DrainTimeout != time.Millisecond {
		t.Errorf("extension = %+v", e)
	}
	if len(e.Grants) != 1 || e.Env["A"] != "b" || strings.Join(e.Command.Args, " ") != "extension api -x" || cfg.LogLevel != slog.LevelDebug {
		t.Errorf("extension = %+v", e)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, `{"data":"from-file","extensions":{"api":{"port":1,"host":"file","rateLimit":{"max":1,"windowMs":1}}}}`)
	cfg, problems := load(t, loader(), config.Sources{
		File: file,
		Env: []string{
			"STAGEHOUSE_DATA=from-env", "STAGEHOUSE_EXTENSIONS__API__HOST=env", "STAGEHOUSE_EXTENSIONS__API__PORT=2",
			"STAGEHOUSE_EXTENSIONS__API__RATE_LIMIT__WINDOW_MS=2", "STAGEHOUSE_TOKEN=none-of-its-business",
		},
		Set:  []string{"extensions.api.port=3"},
		Data: "from-flag",
	})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	if want := `{"host":"env","port":3,"rateLimit":{"max":1,"windowMs":2}}`; string(cfg.Extensions[0].Block) != want {
		t.Errorf("block = %s, want %s", cfg.Extensions[0].Block, want)
	}
	if cfg.Data != "from-flag" {
		t.Errorf("data = %q", cfg.Data)
	}
}

// TestOverlappingSettings: flags apply in their order, variables from the whole to the part, whatever the order of a map.
func TestOverlappingSettings(t *testing.T) {
	for range 20 {
		cfg, problems := load(t, loader(), config.Sources{
			Env: []string{`STAGEHOUSE_EXTENSIONS__API__PORT=1`, `STAGEHOUSE_EXTENSIONS__API={"port":2,"host":"env"}`},
			Set: []string{`extensions.api.rateLimit.max=4`, `extensions.api.rateLimit={"max":5}`, `extensions.api.host=3`, `extensions.api.host=last`},
		})
		if want := `{"host":"last","port":1,"rateLimit":{"max":5}}`; len(problems) > 0 || string(cfg.Extensions[0].Block) != want {
			t.Fatalf("block = %s, want %s; problems %+v", cfg.Extensions[0].Block, want, problems)
		}
		_, problems = load(t, loader(), config.Sources{Set: []string{`extensions.api.port=1`, `extensions.api=5`}})
		if len(problems) != 1 || problems[0].Pointer != "/extensions/api" {
			t.Fatalf("problems = %+v, want one at /extensions/api", problems)
		}
		cfg, problems = load(t, loader(), config.Sources{Set: []string{`extensions.api=5`, `extensions.api.port=1`}})
		if len(problems) > 0 || string(cfg.Extensions[0].Block) != `{"port":1}` {
			t.Fatalf("block = %s, problems %+v", cfg.Extensions[0].Block, problems)
		}
	}
}

// TestTheDataDirectoryIsText: the commands that read no configuration take it as it is.
func TestTheDataDirectoryIsText(t *testing.T) {
	for _, dir := range []string{"7", "true", `"quoted"`, "[]", "${env:HOME}", "$${x", "a b"} {
		for name, s := range map[string]config.Sources{"flag": {Data: dir}, "environment": {Env: []string{"STAGEHOUSE_DATA=" + dir, "HOME=/root"}}} {
			if cfg, problems := load(t, loader(), s); len(problems) > 0 || cfg.Data != dir {
				t.Errorf("%s %s: data = %q, problems %+v", name, dir, cfg.Data, problems)
			}
		}
	}
	cfg, problems := load(t, loader(), config.Sources{File: write(t, `{"data":"file"}`), Env: []string{"STAGEHOUSE_DATA="}})
	if len(problems) > 0 || cfg.Data != "file" {
		t.Errorf("an empty variable: data = %q, problems %+v", cfg.Data, problems)
	}
}

// TestEventRetention flips both bounds from every source.
func TestEventRetention(t *testing.T) {
	file := write(t, `{"events":{"retain":2e3,"retainMs":86400000}}`)
	day := 24 * time.Hour
	for name, test := range map[string]struct {
		sources config.Sources
		want    config.Events
	}{
		"defaults":    {config.Sources{}, config.Events{}},
		"file":        {config.Sources{File: file}, config.Events{Retain: 2000, RetainAge: day}},
		"environment": {config.Sources{File: file, Env: []string{"STAGEHOUSE_EVENTS__RETAIN=5"}}, config.Events{Retain: 5, RetainAge: day}},
		"flags": {
			config.Sources{File: file, Env: []string{"STAGEHOUSE_EVENTS__RETAIN_MS=5000"}, Set: []string{"events.retainMs=7000"}},
			config.Events{Retain: 2000, RetainAge: 7 * time.Second},
		},
	} {
		if cfg, problems := load(t, loader(), test.sources); len(problems) > 0 || cfg.Events != test.want {
			t.Errorf("%s: %+v, %+v; want %+v", name, cfg.Events, problems, test.want)
		}
	}
}

// TestEmbedder reads every key, from a file and from a flag over it.
func TestEmbedder(t *testing.T) {
	file := write(t, `{"extensions":{"api":{}},"memory":{"embedder":{"provider":"api","model":"m","minSimilarity":0,"batch":1e1,"perMinute":60}}}`)
	none := 0.0
	want := &memories.Embedder{Provider: "api", Model: "other", MinSimilarity: &none, Batch: 10, PerMinute: 60}
	cfg, problems := load(t, loader(), config.Sources{File: file, Set: []string{"memory.embedder.model=other"}})
	if len(problems) > 0 || !reflect.DeepEqual(cfg.Memory.Embedder, want) {
		t.Errorf("the embedder is %+v, %+v", cfg.Memory.Embedder, problems)
	}
	if cfg, problems := load(t, loader(), config.Sources{}); len(problems) > 0 || cfg.Memory.Embedder != nil {
		t.Errorf("without the block it is %+v, %+v", cfg.Memory.Embedder, problems)
	}
}

func TestKeysWithDotsAndBigNumbersSurvive(t *testing.T) {
	file := write(t, `{"agents":[{"id":"a.b","metadata":{"x.y":12345678901234567890}}],"extensions":{}}`)
	cfg, problems := load(t, loader(), config.Sources{File: file})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	if want := `[{"id":"a.b","metadata":{"x.y":12345678901234567890}}]`; string(cfg.Agents) != want {
		t.Errorf("agents = %s, want %s", cfg.Agents, want)
	}
	if len(cfg.Extensions) != 0 {
		t.Errorf("an empty extensions object still started %+v", cfg.Extensions)
	}
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		file, pointer, message, suggestion string
	}{
		"syntax":             {"{\n  \"extensions\": {,}\n}", "", "line 2, column 18", ""},
		"cut off":            {`{"extensions": {`, "", "ends too early", ""},
		"two values":         {`{} {}`, "", "something follows", ""},
		"not an object":      {`[]`, "", "one JSON object", ""},
		"key twice":          {`{"extensions":{"api":{"port":1,"port":2}}}`, "", `"port" stands twice`, ""},
		"unknown at top":     {`{"extension":{}}`, "/extension", `unknown key "extension"`, `did you mean "extensions"?`},
		"unknown in block":   {`{"extensions":{"api":{"prot":1}}}`, "/extensions/api/prot", `unknown key "prot"`, `did you mean "port"?`},
		"misspelt host key":  {`{"extensions":{"api":{"enabeld":true}}}`, "/extensions/api/enabeld", "unknown key", `did you mean "enabled"?`},
		"unknown nested":     {`{"extensions":{"api":{"rateLimit":{"windowMS":1}}}}`, "/extensions/api/rateLimit/windowMS", "unknown key", `did you mean "windowMs"?`},
		"far from any":       {`{"extensions":{"api":{"zzzzzz":1}}}`, "/extensions/api/zzzzzz", "unknown key", "the keys here are enabled, host, plugin, port"},
		"unknown extension":  {`{"extensions":{"apj":{}}}`, "/extensions/apj", `no extension "apj"`, `did you mean "api"?`},
		"bad name":           {`{"extensions":{"API!":{}}}`, "/extensions/API!", "cannot be a name", "lower-case"},
		"wrong type":         {`{"extensions":{"api":{"port":"3001"}}}`, "/extensions/api/port", "must be an integer, and is a string", ""},
		"out of range":       {`{"extensions":{"api":{"port":70000}}}`, "/extensions/api/port", "70000", ""},
		"block not object":   {`{"extensions":{"api":true}}`, "/extensions/api", "must be an object", ""},
		"unknown in events":  {`{"events":{"retainMS":5000}}`, "/events/retainMS", "unknown key", `did you mean "retainMs"?`},
		"too few events":     {`{"events":{"retain":0}}`, "/events/retain", "0", ""},
		"too short an age":   {`{"events":{"retainMs":10}}`, "/events/retainMs", "10", ""},
		"events not object":  {`{"events":1000}`, "/events", "must be an object", ""},
		"misspelt in memory": {`{"memory":{"embeder":{}}}`, "/memory/embeder", "unknown key", `did you mean "embedder"?`},
		"embedder, no model": {`{"memory":{"embedder":{"provider":"api"}}}`, "/memory/embedder", `"model" is missing`, "add it"},
		"unknown embedder":   {`{"extensions":{"api":{}},"memory":{"embedder":{"provider":"apj","model":"m"}}}`, "/memory/embedder/provider", `no extension "apj" runs`, `did you mean "api"?`},
		"no such embedder":   {`{"extensions":{},"memory":{"embedder":{"provider":"openai","model":"m"}}}`, "/memory/embedder/provider", `no extension "openai" runs`, "name an extension that embeds"},
		"too similar":        {`{"memory":{"embedder":{"provider":"api","model":"m","minSimilarity":2}}}`, "/memory/embedder/minSimilarity", "2", ""},
		"too large a batch":  {`{"memory":{"embedder":{"provider":"api","model":"m","batch":257}}}`, "/memory/embedder/batch", "257", ""},
		"bad level":          {`{"logLevel":"loud"}`, "/logLevel", `one of "trace" "debug" "info" "warn" "error", and is "loud"`, ""},
		"misspelt level":     {`{"logLevel":"wran"}`, "/logLevel", "one of", `did you mean "warn"?`},
		"agent without id":   {`{"agents":[{"name":"x"}]}`, "/agents/0", `"id" is missing`, "add it"},
		"agent twice":        {`{"agents":[{"id":"x"},{"id":"x"}]}`, "/agents/1/id", "declared twice, first at /agents/0", ""},
		"bad brain":          {`{"agents":[{"id":"x","brain":3}]}`, "/agents/0/brain", "none of the forms", "provider"},
		"unknown brain":      {`{"agents":[{"id":"a"},{"brain":"gpt"}]}`, "/agents/1/brain", `there is no brain "gpt"`, "this host has: builtin, p"},
		"misspelt brain":     {`{"agents":[{"id":"a","brain":{"provider":"bultin"}}]}`, "/agents/0/brain/provider", `there is no brain "bultin"`, `did you mean "builtin"?`},
		"unknown in plugin":  {`{"extensions":{"api":{"plugin":{"pth":"x"}}}}`, "/extensions/api/plugin/pth", "unknown key", `did you mean "path"?`},
		"unknown grant":      {`{"extensions":{"api":{"plugin":{"grants":["agent"]}}}}`, "/extensions/api/plugin/grants/0", "one of", ""},
		"missing program":    {`{"extensions":{"api":{"plugin":{"path":"nowhere"}}}}`, "/extensions/api/plugin/path", "cannot run", "name the program"},
		"missing variable":   {`{"extensions":{"api":{"secret":"${env:NOT_SET}"}}}`, "/extensions/api/secret", "no variable NOT_SET", ""},
		"missing file":       {`{"extensions":{"api":{"secret":"${file:/nowhere}"}}}`, "/extensions/api/secret", "there is no file /nowhere", ""},
		"misspelt reference": {`{"extensions":{"api":{"secret":"a${evn:X}"}}}`, "/extensions/api/secret", "this is none", "$${"},
		"open reference":     {`{"extensions":{"api":{"secret":"${env:X"}}}`, "/extensions/api/secret", "this is none", "$${"},
		"invalid UTF-8":      {"{\"data\":\"\xff\"}", "", "not valid UTF-8", ""},
		"too deep":           {strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), "", "nested more than 100 deep", ""},
		"agent in a path":    {`{"agents":[{"id":".."}]}`, "/agents/0/id", "cannot be an id", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := load(t, loader(), config.Sources{File: write(t, test.file)})
			for _, p := range problems {
				if p.Severity == schema.SeverityError && p.Pointer == test.pointer &&
					strings.Contains(p.Message, test.message) && strings.Contains(p.Suggestion, test.suggestion) {
					return
				}
			}
			t.Errorf("want an error at %q with %q and hint %q, got %+v", test.pointer, test.message, test.suggestion, problems)
		})
	}
}

func TestAllProblemsInOnePass(t *testing.T) {
	file := write(t, `{"logLevel":"loud","agents":[{"id":"x","skils":[]}],"extensions":{"api":{"prot":1,"port":-1},"ghost":{}}}`)
	_, problems := load(t, loader(schema.Problem{Severity: schema.SeverityWarning, Pointer: "/host", Message: "careful"}), config.Sources{File: file})
	var at []string
	for _, p := range problems {
		at = append(at, p.Pointer)
	}
	want := "/agents/0/skils /extensions/api/port /extensions/api/prot /extensions/ghost /logLevel /extensions/api/host"
	if got := strings.Join(at, " "); got != want {
		t.Errorf("problems at\n%s, want\n%s", got, want)
	}
}

func TestExtensionsOwnProblemIsNotSaidTwice(t *testing.T) {
	file := write(t, `{"extensions":{"api":{"prot":1}}}`)
	_, problems := load(t, loader(schema.Problem{Severity: schema.SeverityError, Pointer: "/prot", Message: "json: unknown field"}), config.Sources{File: file})
	if len(problems) != 1 {
		t.Errorf("problems = %+v, want one", problems)
	}
}

// TestOneMistakeIsOneProblem where the host itself would say it in two ways, or where one follows from the other.
func TestOneMistakeIsOneProblem(t *testing.T) {
	for file, want := range map[string]string{
		`{"agents":[{"id":"a b"}]}`:                                "/agents/0/id",
		`{"agents":[{"id":".."}]}`:                                 "/agents/0/id",
		`{"agents":[{"id":"${env:NOT_SET}"}]}`:                     "/agents/0/id",
		`{"events":{"retain":"${env:NOT_SET}"}}`:                   "/events/retain",
		`{"extensions":{"api":{"port":"${env:NOT_SET}"}}}`:         "/extensions/api/port",
		`{"extensions":{"api":{"plugin":{"path":"${file:/no}"}}}}`: "/extensions/api/plugin/path",
	} {
		_, problems := load(t, loader(), config.Sources{File: write(t, file)})
		if len(problems) != 1 || problems[0].Pointer != want {
			t.Errorf("%s: problems = %+v, want one at %s", file, problems, want)
		}
	}
}

func TestGrantsThatDoNotSuffice(t *testing.T) {
	l := loader()
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{Description: schema.Description{Requires: []string{"agents", "chat"}}}, nil
	}
	_, problems := load(t, l, config.Sources{File: write(t, `{"extensions":{"api":{"plugin":{"grants":["chat"]}}}}`)})
	if len(problems) != 1 || problems[0].Pointer != "/extensions/api/plugin/grants" || problems[0].Suggestion != `add "agents"` {
		t.Errorf("problems = %+v", problems)
	}
	if _, problems = load(t, l, config.Sources{File: write(t, `{"extensions":{"api":{}}}`)}); len(problems) > 0 {
		t.Errorf("without grants all is granted, and there is %+v", problems)
	}
}

// TestCommandsOfTwoExtensions: they cannot be told apart, unless one of them is off, or is not granted to have any.
func TestCommandsOfTwoExtensions(t *testing.T) {
	l := loader()
	l.BuiltIns = map[string]config.Command{"one": l.BuiltIns["api"], "two": l.BuiltIns["api"]}
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{Description: schema.Description{Commands: []schema.Command{{Name: "roll"}, {Name: "pay"}}}}, nil
	}
	for file, want := range map[string][]string{
		`{"extensions":{"one":{},"two":{}}}`:                                                              {"/extensions/two", "/extensions/two"},
		`{"extensions":{"one":{"enabled":false},"two":{}}}`:                                               nil,
		`{"extensions":{"one":{},"two":{"plugin":{"grants":["agents"]}}}}`:                                {"/extensions/two/plugin/grants"},
		`{"extensions":{"one":{"plugin":{"grants":[]}},"two":{"plugin":{"grants":["chat","commands"]}}}}`: {"/extensions/one/plugin/grants"},
	} {
		_, problems := load(t, l, config.Sources{File: write(t, file)})
		var at []string
		for _, p := range problems {
			at = append(at, p.Pointer)
			if fatal := strings.HasSuffix(p.Pointer, "two"); fatal != (p.Severity == schema.SeverityError) || p.Suggestion == "" {
				t.Errorf("%s: %+v", file, p)
			}
		}
		if !slices.Equal(at, want) {
			t.Errorf("%s: problems at %v, want %v", file, at, want)
		}
	}
}

func TestNothingIsRunWhoseRunningIsWrong(t *testing.T) {
	for keys, want := range map[string]string{
		`{"sha256":"beef"}`:                "/extensions/api/plugin/sha256",
		`{"sha265":"beef"}`:                "/extensions/api/plugin/sha265",
		`{"path":""}`:                      "/extensions/api/plugin/path",
		`{"args":[1]}`:                     "/extensions/api/plugin/args/0",
		`{"env":{"KEY":"${env:NOT_SET}"}}`: "/extensions/api/plugin/env/KEY",
		`true`:                             "/extensions/api/plugin",
	} {
		l := loader()
		l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
			t.Errorf("%s: the program was run", keys)
			return schema.CheckResult{}, nil
		}
		_, problems := load(t, l, config.Sources{File: write(t, `{"extensions":{"api":{"plugin":`+keys+`}}}`)})
		if len(problems) != 1 || problems[0].Pointer != want {
			t.Errorf("%s: problems = %+v, want one at %s", keys, problems, want)
		}
	}
}

// TestAFaultOfTheHostsKeysHidesNothing: what is wrong with how long an extension may take, or with what it may call, keeps
// nobody from asking it about the rest.
func TestAFaultOfTheHostsKeysHidesNothing(t *testing.T) {
	for keys, want := range map[string]string{
		`{"startTimeoutMs":1}`:      "/extensions/api/plugin/startTimeoutMs",
		`{"drainTimeoutMs":"soon"}`: "/extensions/api/plugin/drainTimeoutMs",
		`{"grants":["agent"]}`:      "/extensions/api/plugin/grants/0",
		`{"grants":7}`:              "/extensions/api/plugin/grants",
		`{"zzzzzzzzzz":7}`:          "/extensions/api/plugin/zzzzzzzzzz",
	} {
		l := loader()
		check := l.Check
		l.Check = func(ctx context.Context, e config.Extension) (schema.CheckResult, error) {
			if e.Grants != nil || e.StartTimeout != 0 || e.Env["KEY"] != "value" {
				t.Errorf("%s: the extension that is asked is %+v", keys, e)
			}
			r, err := check(ctx, e)
			r.Description.Requires = []string{"agents"}
			return r, err
		}
		sound := `{"env":{"KEY":"value"},`
		_, problems := load(t, l, config.Sources{File: write(t, `{"extensions":{"api":{"prot":1,"plugin":`+sound+keys[1:]+`}}}`)})
		if len(problems) != 2 || problems[0].Pointer != want || problems[1].Pointer != "/extensions/api/prot" {
			t.Errorf("%s: problems = %+v, want one at %s and one at /extensions/api/prot", keys, problems, want)
		}
	}
}

func TestCheckThatFails(t *testing.T) {
	l := loader()
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{}, errors.New("exec format error")
	}
	_, problems := load(t, l, config.Sources{})
	if len(problems) != 1 || problems[0].Pointer != "/extensions/api" || !strings.Contains(problems[0].Message, "exec format error") {
		t.Errorf("problems = %+v", problems)
	}
	_, problems = load(t, l, config.Sources{Set: []string{"extensions.api.enabled=false"}})
	if len(problems) != 0 {
		t.Errorf("a disabled extension that does not work gave %+v", problems)
	}
}

func TestWindowsEditors(t *testing.T) {
	file := write(t, "\ufeff{\r\n\"extensions\": {\"api\": {\"port\": 3e3}}}\r\n")
	cfg, problems := load(t, loader(), config.Sources{File: file})
	if len(problems) > 0 || string(cfg.Extensions[0].Block) != `{"port":3000}` {
		t.Errorf("block %s, problems %+v", cfg.Extensions[0].Block, problems)
	}
}

func TestFilesOfSecretsAreBesideTheConfiguration(t *testing.T) {
	file := write(t, `{"extensions":{"api":{"secret":"${file:key}"}}}`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "key"), []byte("swordfish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := load(t, loader(), config.Sources{File: file})
	if len(problems) > 0 || string(cfg.Extensions[0].Block) != `{"secret":"swordfish"}` {
		t.Errorf("block %s, problems %+v", cfg.Extensions[0].Block, problems)
	}
	if got := cfg.Scrub("lookup swordfish: no such host"); got != "lookup ${file:key}: no such host" {
		t.Errorf("Scrub = %q", got)
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.json"): "there is no such file",
		dir:                             "is a directory",
	} {
		_, problems := load(t, loader(), config.Sources{File: path})
		if len(problems) != 1 || !strings.Contains(problems[0].Message, want) || !strings.Contains(problems[0].Message, path) {
			t.Errorf("%s: problems = %+v, want %q", path, problems, want)
		}
	}
}

func TestSecrets(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("swordfish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"PASSWORD=Hunter2!"}
	t.Run("resolved last", func(t *testing.T) {
		file := write(t, `{"extensions":{"api":{"secret":"${file:`+secretFile+`}","host":"a-${env:PASSWORD}-$${env:PASSWORD}"}}}`)
		cfg, problems := load(t, loader(), config.Sources{File: file, Env: env})
		if want := `{"host":"a-Hunter2!-${env:PASSWORD}","secret":"swordfish"}`; len(problems) > 0 || string(cfg.Extensions[0].Block) != want {
			t.Errorf("block = %s, want %s; problems %+v", cfg.Extensions[0].Block, want, problems)
		}
	})
	t.Run("never printed", func(t *testing.T) {
		file := write(t, `{"extensions":{"api":{"secret":"${env:PASSWORD}"}}}`)
		_, problems := load(t, loader(schema.Problem{Severity: schema.SeverityWarning, Message: "Hunter2! is weak", Suggestion: "not Hunter2!"}),
			config.Sources{File: file, Env: env})
		b, err := json.Marshal(problems)
		if err != nil {
			t.Fatal(err)
		}
		if len(problems) != 1 || strings.Contains(string(b), "Hunter2!") || !strings.Contains(string(b), "${env:PASSWORD}") {
			t.Errorf("problems = %s", b)
		}
	})
}

// TestWhereValuesComeFrom is said behind the names of their keys.
func TestWhereValuesComeFrom(t *testing.T) {
	file := write(t, `{"extensions":{"api":{"key":"${env:KEY}","keys":["${env:OTHER}"],"host":"h"},"api-2":{"key":"x${env:OTHER}y"}}}`)
	cfg, _ := load(t, loader(), config.Sources{File: file, Env: []string{"KEY=swordfish", "OTHER=marlin"}})
	for text, want := range map[string]string{
		"check extensions.api.key.":    "check extensions.api.key (${env:KEY}).",
		"extensions.api.keys.0 is odd": "extensions.api.keys.0 (${env:OTHER}) is odd",
		"extensions.api-2.key":         "extensions.api-2.key (${env:OTHER})",
		"see extensions.api.host":      "see extensions.api.host",
		"see extensions.api.keyring":   "see extensions.api.keyring",
	} {
		if got := cfg.Trace(text); got != want {
			t.Errorf("%s becomes %s", text, got)
		}
	}
	if cfg, _ := load(t, loader(), config.Sources{}); cfg.Trace("extensions.api.key") != "extensions.api.key" {
		t.Error("of nothing something is said")
	}
}

// TestSecretsAreHiddenHoweverTheyAreQuoted: what complains about a value quotes it, escapes it, or shows one line of it.
func TestSecretsAreHiddenHoweverTheyAreQuoted(t *testing.T) {
	const first, second = `pass"word\\<1>`, "größe\tof it"
	file := write(t, `{"extensions":{"api":{"secret":"${env:SECRET}","host":"${env:PART}"}}}`)
	cfg, _ := load(t, loader(), config.Sources{File: file, Env: []string{"SECRET=" + first + "\r\n" + second + "\nab\n", "PART=pass"}})
	encoded, err := json.Marshal(first + "\r\n" + second)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"raw":      first + "\r\n" + second + "\nab",
		"quoted":   fmt.Sprintf("%q", first+"\r\n"+second),
		"ascii":    fmt.Sprintf("%+q", second),
		"JSON":     string(encoded),
		"one line": fmt.Sprintf("bad line %q", first),
		"other":    "bad line " + second,
	} {
		got := cfg.Scrub(text)
		if !strings.Contains(got, "${env:SECRET}") || strings.Contains(got, "word") || strings.Contains(got, "of it") {
			t.Errorf("%s: Scrub(%s) = %s", name, text, got)
		}
	}
	if got := cfg.Scrub("about pass"); got != "about ${env:PART}" {
		t.Errorf("a secret that is a part of another: %q", got)
	}
	if got := cfg.Scrub("grab it"); got != "grab it" {
		t.Errorf("a line that is too short to hide is hidden: %q", got)
	}
}

// TestTheSourceOfAProblemIsNamed, where it is not the file.
func TestTheSourceOfAProblemIsNamed(t *testing.T) {
	file := write(t, `{"logLevel":"loud","extensions":{"api":{"rateLimit":{"max":0,"windowMs":1}}}}`)
	_, problems := load(t, loader(), config.Sources{
		File: file,
		Env:  []string{"STAGEHOUSE_EXTENSIONS__API__PORT=seventy", "STAGEHOUSE_EXTENSIONS__API__RATE_LIMIT__WINDOW_MS=x", "STAGEHOUSE_EXTENSIONS__API__HOST=1"},
		Set:  []string{"extensions.aip.port=1", "extensions.api.host=2", "extensions.api.new.key=3"},
	})
	want := map[string]string{
		"/extensions/aip":                    " (set by --set extensions.aip.port)",
		"/extensions/api/host":               " (set by --set extensions.api.host)",
		"/extensions/api/new":                " (set by --set extensions.api.new.key)",
		"/extensions/api/port":               " (set by STAGEHOUSE_EXTENSIONS__API__PORT)",
		"/extensions/api/rateLimit/max":      "",
		"/extensions/api/rateLimit/windowMs": " (set by STAGEHOUSE_EXTENSIONS__API__RATE_LIMIT__WINDOW_MS)",
		"/logLevel":                          "",
	}
	if len(problems) != len(want) {
		t.Errorf("%d problems, want %d: %+v", len(problems), len(want), problems)
	}
	for _, p := range problems {
		if _, source, _ := strings.Cut(p.Message, " (set by"); source != strings.TrimPrefix(want[p.Pointer], " (set by") {
			t.Errorf("%s: %s, want it to end with %q", p.Pointer, p.Message, want[p.Pointer])
		}
	}
}

func TestSetNeedsAPath(t *testing.T) {
	_, problems := load(t, loader(), config.Sources{Set: []string{"=3"}})
	if len(problems) != 1 || !strings.Contains(problems[0].Suggestion, "--set extensions.api.port=3002") {
		t.Errorf("problems = %+v", problems)
	}
}

// FuzzLoad: whatever the file holds, loading ends with a Config or with problems, and never both ways.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"extensions":{"api":{"port":3001}}}`, `{"agents":[{"id":"x","brain":{"provider":"p","x":[1,{}]}}]}`, `[`, `{"a":{"a":null}}`,
		`{"extensions":{"api":{"plugin":{"args":[null]}}}}`, "\ufeff{}", `{"extensions":null}`, `{"extensions":{"api":null}}`, `{"data":"${env:X}${file:"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "c.json")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, problems, err := loader().Load(t.Context(), config.Sources{File: path})
		if err != nil {
			t.Fatalf("a file's content is never an error of ours: %v", err)
		}
		if !problem.Fatal(problems) && (cfg == nil || cfg.Data == "") {
			t.Fatalf("no error, and no usable config: %+v", cfg)
		}
	})
}

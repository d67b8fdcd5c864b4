package config_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/schema"
)

func TestAttachedExtension(t *testing.T) {
	cfg, problems := load(t, loader(), config.Sources{File: write(t, `{"extensions": {"desk": {"plugin": {"attach": "/run/desk.sock"}, "port": 3}}}`)})
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	if e := cfg.Extensions[0]; e.Name != "desk" || e.Attach != "/run/desk.sock" || e.Command.Path != "" || string(e.Block) != `{"port":3}` {
		t.Errorf("extension = %+v", e)
	}
}

// TestAttachedProcessNeedNotBeThere has the host wait for the process, which is said, and starts with the rest.
func TestAttachedProcessNeedNotBeThere(t *testing.T) {
	l := loader()
	l.Check = func(context.Context, config.Extension) (schema.CheckResult, error) {
		return schema.CheckResult{}, &plugin.StartError{Cause: &attach.AbsentError{Address: "/run/desk.sock"}}
	}
	cfg, problems := load(t, l, config.Sources{File: write(t, `{"extensions": {"desk": {"plugin": {"attach": "/run/desk.sock"}}}}`)})
	if cfg == nil || len(problems) != 1 {
		t.Fatalf("config = %+v, problems = %+v", cfg, problems)
	}
	p := problems[0]
	if p.Severity != schema.SeverityWarning || p.Pointer != "/extensions/desk/plugin/attach" || !strings.Contains(p.Message, "run the extension with -debug") {
		t.Errorf("problem = %+v", p)
	}
}

func TestWhatIsAttachedIsNotRun(t *testing.T) {
	for _, key := range []string{`"path": "desk"`, `"args": ["-v"]`, `"env": {"A": "b"}`, `"sha256": "` + strings.Repeat("0", 64) + `"`} {
		_, problems := load(t, loader(), config.Sources{File: write(t, `{"extensions": {"desk": {"plugin": {"attach": "/run/desk.sock", `+key+`}}}}`)})
		name := strings.Split(key, `"`)[1]
		if len(problems) != 1 || problems[0].Pointer != "/extensions/desk/plugin/"+name {
			t.Errorf("%s beside attach: %+v", name, problems)
		}
	}
}

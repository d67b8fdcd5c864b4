package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// listens is a runtime that takes declarations.
type listens struct {
	nothing
	told *[]string
	err  error
}

func (l *listens) DeclareAgents(_ context.Context, agents json.RawMessage) error {
	*l.told = append(*l.told, string(agents))
	return l.err
}

// oneOf is an error about one agent.
type oneOf string

func (e oneOf) Error() string   { return "it cannot be" }
func (e oneOf) AgentID() string { return string(e) }

// declaring starts a host with a runtime, whose configuration has no extensions and agents as files in a folder.
func declaring(t *testing.T, rt host.Runtime, log *slog.Logger) (h *host.Host, folder string) {
	t.Helper()
	dir := shortDir(t)
	s := config.Sources{File: filepath.Join(dir, "x.json")}
	for path, text := range map[string]string{s.File: `{"agents":[],"extensions":{}}`, filepath.Join(s.Folder(), "luna.json"): `{}`} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(ctx context.Context) (*config.Config, error) {
		cfg, problems, err := config.Loader{}.Load(ctx, s)
		if rest := cfg.Without(problems); err == nil && len(rest) > 0 {
			err = &host.ConfigError{Problems: rest}
		}
		return cfg, err
	}
	cfg, err := load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := host.OpenDataDir(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	h = host.New(cfg, data, rt, host.WithSource(load), host.WithLogger(log))
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h, s.Folder()
}

// TestReloadDeclares tells the runtime of what is declared now, and of what is unsound as it was.
func TestReloadDeclares(t *testing.T) {
	var told []string
	rt := &listens{told: &told}
	h, folder := declaring(t, rt, slog.New(slog.DiscardHandler))
	reload := func(text, want string) error {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "luna.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		told = nil
		err := h.Reload(t.Context())
		if got := strings.Join(told, " "); got != want {
			t.Errorf("the runtime is told %s, want %s", got, want)
		}
		return err
	}
	if err := reload(`{"name":"Luna"}`, `[{"id":"luna","name":"Luna"}]`); err != nil {
		t.Error(err)
	}
	for range 2 {
		err := reload(`{`, `[{"id":"luna","name":"Luna"}]`)
		var unsound *host.AgentError
		if !errors.As(err, &unsound) || unsound.Place != "/agents/luna.json" || !strings.Contains(err.Error(), "line 1, column") {
			t.Errorf("it says %v", err)
		}
	}
	rt.err = oneOf("luna")
	if err := reload(`{}`, `[{"id":"luna"}]`); !errors.Is(err, rt.err) {
		t.Errorf("it says %v", err)
	}
}

// TestReloadCannotDeclare: with a runtime that takes no declarations it is said that they have to wait.
func TestReloadCannotDeclare(t *testing.T) {
	var log bytes.Buffer
	h, folder := declaring(t, nothing{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err := os.WriteFile(filepath.Join(folder, "sol.json"), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "only after the host is started anew\" keys=agents") {
		t.Errorf("the log says\n%s", log.String())
	}
}

// spends is a runtime that takes budgets.
type spends struct {
	nothing
	told []usage.Config
	err  error
}

func (s *spends) SetUsage(_ context.Context, c usage.Config) error {
	s.told = append(s.told, c)
	return s.err
}

func (s *spends) Budgets() []usage.Standing {
	return []usage.Standing{{Budget: usage.Budget{Name: "all", Window: usage.Day, Tokens: 5}, Used: schema.UsageSum{Steps: 1}, Spent: true}}
}

// TestReloadSetsUsage tells the runtime of the prices and budgets that are in the file now, and of none that cannot be.
func TestReloadSetsUsage(t *testing.T) {
	rt, boom := &spends{}, errors.New("it cannot count")
	h, folder := declaring(t, rt, slog.New(slog.DiscardHandler))
	for _, c := range []struct {
		text string
		told []usage.Config
		err  string
	}{
		{`"usage":{"budgets":[{"window":"day","tokens":5}]},`, []usage.Config{{Budgets: []usage.Budget{{Window: usage.Day, Tokens: 5}}}}, ""},
		{`"usage":{"budgets":[{"window":"day"}]},`, nil, "neither tokens nor cost"},
		{``, []usage.Config{{}}, boom.Error()},
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(folder), "x.json"), []byte(`{`+c.text+`"agents":[],"extensions":{}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if rt.told, rt.err = nil, nil; c.err == boom.Error() {
			rt.err = boom
		}
		err := h.Reload(t.Context())
		if !reflect.DeepEqual(rt.told, c.told) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: the runtime is told %+v, and it says %v", c.text, rt.told, err)
		}
	}
}

// TestReloadCannotSetUsage: with a runtime that takes no budgets it is said that they have to wait.
func TestReloadCannotSetUsage(t *testing.T) {
	var log bytes.Buffer
	h, folder := declaring(t, nothing{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err := os.WriteFile(filepath.Join(filepath.Dir(folder), "x.json"), []byte(`{"usage":{"currency":"USD"},"agents":[],"extensions":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "only after the host is started anew\" keys=usage") {
		t.Errorf("the log says\n%s", log.String())
	}
}

var (
	_ host.Declarer = (*listens)(nil)
	_ host.Budgeter = (*spends)(nil)
)

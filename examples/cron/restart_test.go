package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

const patience = 60 * time.Second

// TestEverySecondOnce: the extension says something every second while it is replaced, killed, and started anew with its host;
// no second is left out, and none is there twice.
func TestEverySecondOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stagehouse-cron")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	spec := plugin.Spec{Name: "cron", Path: path, Private: true,
		Config: json.RawMessage(`{"jobs":[{"name":"tick","schedule":"@every 1s","agent":"nyx","prompt":"Tick","missed":"all"}]}`)}
	data := t.TempDir()
	rt, m := open(t, data, spec)
	waitFor(t, rt, 2)
	if err := m.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	waitFor(t, rt, 4)
	kill(t, m)
	waitFor(t, rt, 6)
	shut(t, rt, m)
	rt, m = open(t, data, spec)
	defer shut(t, rt, m)
	waitFor(t, rt, 9)
	var ticks []int64
	for _, r := range runs(t, rt) {
		id, err := ulid.Parse(strings.ToUpper(strings.TrimPrefix(r.ID, "run_")))
		if err != nil || r.ConversationID != "cron-tick" || r.AgentID != "nyx" {
			t.Fatalf("run %+v, %v", r, err)
		}
		ticks = append(ticks, int64(id.Time())/1000)
	}
	slices.Sort(ticks)
	for i := 1; i < len(ticks); i++ {
		if ticks[i] != ticks[i-1]+1 {
			t.Errorf("after second %d comes %d", ticks[i-1]-ticks[0], ticks[i]-ticks[0])
		}
	}
}

// runs returns the runs that the extension has begun.
func runs(t *testing.T, rt *local.Runtime) []schema.Run {
	t.Helper()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "extension:cron", Scopes: []schema.Scope{schema.ScopeRead}})
	page, err := rt.Services().Chat.Runs(ctx, schema.RunsQuery{Limit: schema.MaxPageSize})
	if err != nil {
		t.Fatal(err)
	}
	return page.Runs
}

func waitFor(t *testing.T, rt *local.Runtime, n int) {
	t.Helper()
	poll(t, "the next message", func() bool { return len(runs(t, rt)) >= n })
}

func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func open(t *testing.T, data string, spec plugin.Spec) (*local.Runtime, *plugin.Manager) {
	t.Helper()
	rt, err := local.Open(context.Background(), local.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	supervision := plugin.DefaultSupervision()
	supervision.RestartMin = 10 * time.Millisecond
	m := plugin.New(guard.New(rt.Services()), plugin.WithStateDir(filepath.Join(data, "extensions")), plugin.WithSupervision(supervision),
		plugin.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(errors.Join(err, m.Close(context.Background()), rt.Close(context.Background())))
	}
	return rt, m
}

func shut(t *testing.T, rt *local.Runtime, m *plugin.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(m.Close(ctx), rt.Close(ctx)); err != nil {
		t.Error(err)
	}
}

// kill kills the process and waits until there is another one.
func kill(t *testing.T, m *plugin.Manager) {
	t.Helper()
	pid := m.Status()[0].PID
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	poll(t, "another process", func() bool { s := m.Status()[0]; return s.State == plugin.StateRunning && s.PID != pid })
}

//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// fewSpec returns how to run a runtime that offers agents and chat alone.
func fewSpec(t *testing.T, block map[string]any) plugin.Spec {
	s := runtimeSpec(t, block)
	s.Env[envRuntime] = few
	return s
}

// TestRuntimeOffersLess: the services that a runtime offers cannot become fewer while extensions may use them. More of them are
// there when the host is started anew.
func TestRuntimeOffersLess(t *testing.T) {
	r := openProcess(t, runtimeSpec(t, nil))
	err := r.Reload(context.Background(), fewSpec(t, nil))
	var start *plugin.StartError
	if !errors.As(err, &start) || start.Phase != plugin.PhaseInit || !strings.Contains(err.Error(), `the service "memory"`) {
		t.Errorf("fewer: %v", err)
	}
	if _, err := r.Services().Agents.Get(as(t, "root"), "nyx"); err != nil || r.Status().Generation != 1 {
		t.Errorf("afterwards: %v, %+v", err, r.Status())
	}
	less := openProcess(t, fewSpec(t, nil))
	if err := less.Reload(context.Background(), runtimeSpec(t, nil)); err != nil {
		t.Errorf("more: %v", err)
	}
	if names := less.Services().Names(); !slices.Equal(names, []string{schema.ServiceAgents, schema.ServiceChat}) {
		t.Errorf("its services: %v", names)
	}
}

// TestTurnWithoutALog: a turn cannot be watched on in the next process where there is no log to read it from, and its sender is
// told which run to ask for.
func TestTurnWithoutALog(t *testing.T) {
	r := openProcess(t, fewSpec(t, map[string]any{"waits": "never"}))
	ctx, services := as(t, "root"), r.Services()
	thinks, ends := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := say(ctx, thinking{services.Chat, sync.OnceFunc(func() { close(thinks) })}, "c", "wait")
		ends <- err
	}()
	<-thinks
	runs, err := services.Chat.Runs(ctx, schema.RunsQuery{})
	if err != nil || len(runs.Runs) != 1 {
		t.Fatalf("%+v, %v", runs, err)
	}
	kill(t, r.Status().PID, syscall.SIGKILL)
	if err := <-ends; schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "ask for run "+runs.Runs[0].ID) {
		t.Errorf("the turn: %v", err)
	}
	if run, err := services.Chat.Run(ctx, runs.Runs[0].ID); err != nil || run.Reason != schema.ReasonHostRestarted {
		t.Errorf("%+v, %v", run, err)
	}
}

// TestExtensionIsNoRuntime: a program that offers nothing is refused, and nothing is left of it.
func TestExtensionIsNoRuntime(t *testing.T) {
	runDir := t.TempDir()
	_, err := plugin.OpenRuntime(context.Background(), relaySpec(t, `{}`), t.TempDir(), plugin.WithRunDir(runDir))
	if want := "runtime (generation 1) failed in phase init: it offers no services, so it is no runtime"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	missing := plugin.Spec{Path: "/no/such/program"}
	_, err = plugin.OpenRuntime(context.Background(), missing, t.TempDir(), plugin.WithRunDir(runDir))
	if want := "correct runtime.plugin.path"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if left, err := os.ReadDir(runDir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

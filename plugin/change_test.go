//go:build unix

package plugin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// changes is what an observer was told.
type changes struct {
	mu  sync.Mutex
	all []string
}

func (c *changes) observe(x plugin.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cause, _, _ := strings.Cut(x.Cause, ":")
	c.all = append(c.all, strings.TrimSpace(fmt.Sprintf("%s %s %d<%d %s", x.Extension, x.Kind, x.Generation, x.Previous, cause)))
}

func (c *changes) told() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// TestChangesAreTold: a reload, a crash, a breaker that opens and one that closes, each once, in their order, and by the time
// that Reload returns.
func TestChangesAreTold(t *testing.T) {
	var c changes
	s := quick()
	s.BreakAfter = 2
	h := newHost(t, schema.Services{}, plugin.WithObserver(c.observe), plugin.WithSupervision(s))
	spec := plugintest.Spec(t, "api", plugintest.Good)
	h.start(spec)
	want := func(lines ...string) {
		t.Helper()
		if got := c.told(); !slices.Equal(got, lines) {
			t.Fatalf("told:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	}
	want()
	if err := h.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	want("api reloaded 2<1")
	if err := h.Reload(context.Background(), plugintest.Spec(t, "api", plugintest.FailsInStart)); err == nil {
		t.Fatal("it was reloaded")
	}
	want("api reloaded 2<1")
	kill := func() {
		t.Helper()
		s := h.await("a generation", func(s plugin.Status) bool { return s.State == plugin.StateRunning })
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.await("its end", func(now plugin.Status) bool { return now.PID != s.PID })
	}
	kill()
	kill()
	h.await("the breaker", func(s plugin.Status) bool { return s.State == plugin.StateBroken })
	if err := h.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	want("api reloaded 2<1", "api crashed 2<0 the process ended", "api crashed 4<0 the process ended",
		"api breaker opened 4<0 the process ended", "api breaker closed 5<0", "api reloaded 5<0")
}

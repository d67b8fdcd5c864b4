//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// restarted waits for the generation after first and checks that it serves where the first one did.
func (h *host) restarted(first plugin.Status, lastError string) plugin.Status {
	h.t.Helper()
	s := h.await("the next generation", func(s plugin.Status) bool {
		return s.Generation > first.Generation && s.State == plugin.StateRunning
	})
	if s.PID == first.PID || s.Listeners[0] != first.Listeners[0] || s.Restarts < 1 || !strings.Contains(s.LastError, lastError) {
		h.t.Errorf("%+v became %+v, want the same listeners and %q", first, s, lastError)
	}
	if answer, err := h.order("/"); err != nil || number(h.t, answer) != s.PID {
		h.t.Errorf("the new generation answers %q, %v", answer, err)
	}
	if alive(first.PID) {
		h.t.Errorf("process %d of the first generation is left", first.PID)
	}
	return s
}

func TestAnExtensionThatDiesIsRestarted(t *testing.T) {
	for _, c := range []struct {
		command plugintest.Command
		want    string
	}{
		{plugintest.Exit, "exit status 3"},
		{plugintest.Panic, "panic: the handler went wild"},
	} {
		t.Run(string(c.command), func(t *testing.T) {
			h := newHost(t, schema.Services{})
			h.start(plugintest.Spec(t, "api", plugintest.Good))
			first := h.only()
			if _, err := h.order(c.command); err == nil {
				t.Error("the order was survived")
			}
			h.restarted(first, c.want)
		})
	}
}

func TestAnExtensionThatHangsIsKilledAndRestarted(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	if err := syscall.Kill(first.PID, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	h.restarted(first, "not well 2 times in a row")
}

func TestAnExtensionThatIsNotWellIsRestarted(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	if _, err := h.order(plugintest.Sicken); err != nil {
		t.Fatal(err)
	}
	h.restarted(first, "no sleep for a week")
}

// While an extension is restarted its listener is the host's, so a connection waits instead of being refused.
func TestNoConnectionIsRefusedDuringARestart(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	var refused, answered int
	clients.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, err := get("http://" + first.Listeners[0] + "/")
			switch {
			case errors.Is(err, syscall.ECONNREFUSED):
				refused++
			case err == nil:
				answered++
			}
		}
	})
	for range 3 {
		before := h.only()
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.restarted(before, "signal: killed")
	}
	close(stop)
	clients.Wait()
	if refused > 0 || answered == 0 {
		t.Errorf("%d refused, %d answered", refused, answered)
	}
}

func TestCloseIsBoundedWhateverTheExtensionDoes(t *testing.T) {
	for name, c := range map[string]struct {
		script plugintest.Script
		before func(*host)
	}{
		"hangs in drain":  {plugintest.HangsInDrain, func(*host) {}},
		"ignores the end": {plugintest.IgnoresTheEnd, func(*host) {}},
		"is stopped": {plugintest.Good, func(h *host) {
			if err := syscall.Kill(h.only().PID, syscall.SIGSTOP); err != nil {
				h.t.Error(err)
			}
		}},
		"is dead": {plugintest.Good, func(h *host) {
			if err := syscall.Kill(h.only().PID, syscall.SIGKILL); err != nil {
				h.t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, schema.Services{})
			spec := plugintest.Spec(t, "api", c.script)
			spec.DrainTimeout = 200 * time.Millisecond
			h.start(spec)
			c.before(h)
			begun := time.Now()
			h.close()
			if d := time.Since(begun); d > 5*time.Second {
				t.Errorf("close took %v", d)
			}
		})
	}
}

func TestCloseKillsWhenItsContextIsDone(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.HangsInDrain))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	begun := time.Now()
	if err := h.Close(ctx); err != nil {
		t.Error(err)
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("close took %v", d)
	}
}

func TestCloseIsDoneOnceAndWaitedForByAll(t *testing.T) {
	h := newHost(t, schema.Services{})
	for _, name := range []string{"a", "b"} {
		h.start(plugintest.Spec(t, name, plugintest.Good))
	}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
			for _, s := range h.Status() {
				if s.State != plugin.StateStopped || s.PID != 0 {
					t.Errorf("after close: %+v", s)
				}
			}
		})
	}
	callers.Wait()
	if a, b := strings.Index(h.log.String(), `stopped" extension=a`), strings.Index(h.log.String(), `stopped" extension=b`); a < b {
		t.Errorf("the first one was stopped first:\n%s", h.log)
	}
}

func TestWhatAnExtensionLeavesInItsGroupIsKilled(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	answer, err := h.order(plugintest.MakeChild)
	if err != nil {
		t.Fatal(err)
	}
	child := number(t, answer)
	first := h.only()
	if _, err := h.order(plugintest.Exit); err == nil {
		t.Error("the order was survived")
	}
	h.restarted(first, "exit status 3")
	eventually(t, "the child to be dead", func() bool { return !alive(child) })
}

func TestABadLogHurtsNobody(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	for _, c := range []plugintest.Command{plugintest.OddLines, plugintest.LongLine, plugintest.Print, plugintest.Flood} {
		if _, err := h.order(c); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
	h.awaitLog("extension_=forged")
	h.awaitLog("cut=true")
	h.awaitLog(`msg="printed to stdout" extension=api generation=1 stream=stdout`)
	h.awaitLog(`msg="printed to stderr"`)
	if s := h.only(); s.Generation != 1 || s.State != plugin.StateRunning {
		t.Errorf("status = %+v", s)
	}
	h.awaitLog("the extension logs too much; some of it was left out")
	if n := len(h.log.String()); n > 8<<20 {
		t.Errorf("the log has %d bytes", n)
	}
}

// Whatever happens to extensions, the host has the same number of descriptors afterwards; goleak watches the goroutines.
func TestRestartsLeakNoDescriptors(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	steady := func() int {
		n := openDescriptors(t)
		eventually(t, "the number of descriptors to settle", func() bool {
			m := openDescriptors(t)
			same := m == n
			n = m
			return same
		})
		return n
	}
	before := steady()
	for range 5 {
		s := h.only()
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.restarted(s, "signal: killed")
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the descriptors of five generations to be closed", func() bool { return openDescriptors(t) <= before })
}

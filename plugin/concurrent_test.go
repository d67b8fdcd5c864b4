//go:build unix

package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// scriptFile is a file for plugintest.SpecOf.
type scriptFile struct {
	t    testing.TB
	path string
}

func newScriptFile(t testing.TB, s plugintest.Script) *scriptFile {
	f := &scriptFile{t: t, path: filepath.Join(t.TempDir(), "script")}
	f.write(s)
	return f
}

func (f *scriptFile) write(s plugintest.Script) {
	f.t.Helper()
	other := f.path + "~"
	if err := errors.Join(os.WriteFile(other, []byte(s), 0o600), os.Rename(other, f.path)); err != nil {
		f.t.Fatal(err)
	}
}

// launched waits until a process of that generation is there.
func (h *host) launched(generation int) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("the launch of generation %d", generation), func() bool {
		for _, d := range h.directories() {
			if strings.HasPrefix(d.Name(), fmt.Sprintf("api-%d-", generation)) {
				return true
			}
		}
		return false
	})
}

func kill(t rapid.TB, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

func serves(s plugin.Status) bool { return s.State == plugin.StateRunning }

// freeAddress returns an address that nobody listens at just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func at(s plugin.Spec, address string) plugin.Spec {
	s.Config = json.RawMessage(fmt.Sprintf(`{"listen":%q}`, address))
	return s
}

// A process that nobody knows of any more would live as long as the host.
func TestStopDuringTheFirstStart(t *testing.T) {
	h := newHost(t, schema.Services{})
	started := make(chan error, 1)
	go func() { started <- h.Start(context.Background(), plugintest.Spec(t, "api", plugintest.HangsInStart)) }()
	h.launched(1)
	if err := h.Stop(t.Context(), "api"); err != nil {
		t.Error(err)
	}
	if err := <-started; !errors.Is(err, plugin.ErrStopped) {
		t.Errorf("Start = %v", err)
	}
	if left := h.directories(); len(left) > 0 || len(h.Status()) > 0 {
		t.Errorf("left are %v, %+v", left, h.Status())
	}
}

func TestReloadDuringTheFirstStart(t *testing.T) {
	for name, want := range map[string]error{"that works": nil, "that fails": plugin.ErrUnknown} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, schema.Services{})
			script := newScriptFile(t, plugintest.WaitsInStart)
			spec := plugintest.SpecOf(t, "api", script.path)
			spec.StartTimeout = patience
			started, reloaded := make(chan error, 1), make(chan error, 1)
			go func() { started <- h.Start(context.Background(), spec) }()
			h.launched(1)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { reloaded <- h.Reload(ctx, spec) }()
			cancel() // one that nobody waits for any more does not wait for the start
			if err := <-reloaded; !errors.Is(err, context.Canceled) {
				t.Errorf("the reload that was given up ended with %v", err)
			}
			go func() { reloaded <- h.Reload(context.Background(), plugintest.Spec(t, "api", plugintest.Good)) }()
			then := plugintest.Good
			if want != nil {
				then = plugintest.FailsInStart
			}
			script.write(then)
			if err := <-started; (err == nil) != (want == nil) {
				t.Errorf("Start = %v", err)
			}
			// Where the start fails, the reload may come after it, and ends with the same.
			if err := <-reloaded; !errors.Is(err, want) {
				t.Errorf("Reload = %v, want %v", err, want)
			}
		})
	}
}

// A mistake that hangs does not keep anybody from seeing that what serves has died, and from starting it anew.
func TestWhatServesIsWatchedDuringAReload(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"dies": syscall.SIGKILL, "hangs": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, schema.Services{})
			good := plugintest.Spec(t, "api", plugintest.Good)
			h.start(good)
			first := h.only()
			slow := newScriptFile(t, plugintest.WaitsInStart)
			spec := plugintest.SpecOf(t, "api", slow.path)
			reloaded := make(chan error, 1)
			go func() { reloaded <- h.Reload(context.Background(), spec) }()
			h.launched(2)
			kill(t, first.PID, signal)
			s := h.await("the death to be seen", func(s plugin.Status) bool { return s.State == plugin.StateRestarting })
			if s.PID != 0 || s.LastError == "" || s.Generation != 1 {
				t.Errorf("status %+v", s)
			}
			eventually(t, "the first process to be gone", func() bool { return !alive(first.PID) })
			slow.write(plugintest.Good)
			if err := <-reloaded; err != nil {
				t.Fatal(err)
			}
			if now := h.only(); !serves(now) || now.Generation != 2 || now.Listeners[0] != first.Listeners[0] {
				t.Errorf("%+v became %+v", first, now)
			}
		})
	}
}

// If the reload fails, what served before it is started anew.
func TestWhatDiesDuringAReloadThatFailsIsRestarted(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	ctx, cancel := context.WithCancel(t.Context())
	reloaded := make(chan error, 1)
	go func() { reloaded <- h.Reload(ctx, plugintest.Spec(t, "api", plugintest.HangsInStart)) }()
	h.launched(2)
	kill(t, first.PID, syscall.SIGKILL)
	h.await("the death to be seen", func(s plugin.Status) bool { return s.State == plugin.StateRestarting })
	cancel()
	if err := <-reloaded; !errors.Is(err, context.Canceled) {
		t.Errorf("Reload = %v", err)
	}
	h.restarted(first, "signal: killed")
}

// An extension that is being restarted, and does not come, is mended by a reload at once.
func TestAReloadDoesNotWaitForARestart(t *testing.T) {
	h := newHost(t, schema.Services{})
	script := newScriptFile(t, plugintest.Good)
	hanging := plugintest.SpecOf(t, "api", script.path)
	hanging.StartTimeout = time.Hour
	h.start(hanging)
	script.write(plugintest.HangsInStart)
	kill(t, h.only().PID, syscall.SIGKILL)
	h.launched(2)
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.SilentExit)); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a reload that cannot work = %v", err)
	}
	if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.Good)); err != nil {
		t.Fatal(err)
	}
	if s := h.only(); !serves(s) || s.Generation != 4 || len(h.directories()) != 1 {
		t.Errorf("status %+v, directories %v", s, h.directories())
	}
}

// Somebody who tries one broken configuration after the other does not put the restart off.
func TestReloadsThatFailDoNotPutARestartOff(t *testing.T) {
	supervision := quick()
	supervision.RestartMin, supervision.RestartMax = 2*time.Second, 2*time.Second
	h := newHost(t, schema.Services{}, plugin.WithSupervision(supervision))
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	kill(t, first.PID, syscall.SIGKILL)
	h.await("the restart", func(s plugin.Status) bool {
		var e *plugin.StartError
		if err := h.Reload(t.Context(), plugintest.Spec(t, "api", plugintest.SilentExit)); !errors.As(err, &e) {
			t.Errorf("Reload = %v", err)
		}
		return s.Generation > 1
	})
}

// What a generation listened at that never served is of no use to anybody, and in the way of others.
func TestTheListenersOfAReloadThatFailsAreLetGo(t *testing.T) {
	h := newHost(t, schema.Services{})
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	first := h.only()
	other := freeAddress(t)
	refused := func() bool {
		_, err := get("http://" + other)
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	if err := h.Reload(t.Context(), at(plugintest.Spec(t, "api", plugintest.NeverHealthy), other)); err == nil {
		t.Fatal("it came up")
	}
	eventually(t, "connects to be refused", refused)
	h.restartedAfter(first, syscall.SIGKILL)
}

func (h *host) restartedAfter(s plugin.Status, signal syscall.Signal) {
	h.t.Helper()
	kill(h.t, s.PID, signal)
	h.restarted(s, "")
}

func TestTheListenersOfAReloadThatFailsWhileItIsBrokenAreLetGo(t *testing.T) {
	supervision := quick()
	supervision.BreakAfter = 1
	h := newHost(t, schema.Services{}, plugin.WithSupervision(supervision))
	h.start(plugintest.Spec(t, "api", plugintest.Good))
	kill(t, h.only().PID, syscall.SIGKILL)
	h.await("it to be broken", func(s plugin.Status) bool { return s.State == plugin.StateBroken })
	other := freeAddress(t)
	if err := h.Reload(t.Context(), at(plugintest.Spec(t, "api", plugintest.NeverHealthy), other)); err == nil {
		t.Fatal("it came up")
	}
	if _, err := get("http://" + other); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connect to what nobody serves = %v", err)
	}
	if s := h.only(); s.State != plugin.StateBroken || len(s.Listeners) != 0 {
		t.Errorf("status %+v", s)
	}
}

// The end of the first generation says nothing about the listeners of the third one, which the second one never had.
func TestAListenerIsKeptThatCameDuringARetirement(t *testing.T) {
	h := newHost(t, schema.Services{})
	slow := plugintest.Spec(t, "api", plugintest.HangsInDrain)
	slow.DrainTimeout = 2 * time.Second
	h.start(slow)
	good := plugintest.Spec(t, "api", plugintest.Good)
	if err := h.Reload(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	if err := h.Reload(t.Context(), at(good, "localhost:0")); err != nil { // any port, but not the one of before
		t.Fatal(err)
	}
	third := h.only()
	eventually(t, "the generations before to be gone", func() bool { return len(h.directories()) == 1 })
	h.restartedAfter(third, syscall.SIGKILL)
}

package host_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

func (h *house) client() *host.Client {
	h.t.Helper()
	c, err := host.Connect(h.t.Context(), h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

func refused(err error) host.RefusedError {
	var e *host.RefusedError
	if errors.As(err, &e) {
		return *e
	}
	return host.RefusedError{Message: fmt.Sprint(err)}
}

func TestControlOfExtensions(t *testing.T) {
	a, b := scripted(t, "a", plugintest.Good), scripted(t, "b", plugintest.Good)
	h := newHouse(t, a, b)
	c := h.client()
	all, err := c.Extensions(t.Context())
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[0].State != plugin.StateRunning || all[0].PID == 0 || len(all[0].Listeners) != 1 {
		t.Errorf("Extensions = %+v, %v", all, err)
	}
	if runtime.GOOS == "linux" && all[0].Memory == 0 {
		t.Errorf("the memory of %+v is not told", all[0])
	}
	if v, err := c.Vitals(t.Context()); err != nil || v.PID != os.Getpid() || v.Version != host.Version || v.Goroutines == 0 || v.Heap == 0 || v.Since.IsZero() {
		t.Errorf("Vitals = %+v, %v", v, err)
	}
	d, err := c.Describe(t.Context(), "b")
	if err != nil || d.Status.Name != "b" || d.Status.Generation != 1 || d.Description.Name == "" || d.Description.Protocol == 0 {
		t.Errorf("Describe = %+v, %v", d, err)
	}
	if all, err = c.Reload(t.Context(), "b"); err != nil || len(all) != 2 || all[0].Generation != 1 || all[1].Generation != 2 {
		t.Errorf("Reload = %+v, %v", all, err)
	}
	h.set(nil, a)
	if all, err = c.Reload(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("Reload = %+v, %v", all, err)
	}
	for what, ask := range map[string]func() error{
		"Reload":   func() error { _, err := c.Reload(t.Context(), "b"); return err },
		"Describe": func() error { _, err := c.Describe(t.Context(), "nobody"); return err },
		"Logs": func() error {
			for _, err := range c.Logs(t.Context(), "no/body", 1, true) {
				return err
			}
			return nil
		},
	} {
		if e := refused(ask()); e.Status != http.StatusNotFound {
			t.Errorf("%s of an extension that is not enabled = %+v", what, e)
		}
	}
}

func TestControlTellsWhatFailed(t *testing.T) {
	a := scripted(t, "a", plugintest.Good)
	h := newHouse(t, a)
	c := h.client()
	h.set(nil, scripted(t, "a", plugintest.FailsInStart), scripted(t, "b", plugintest.PanicsInStart))
	_, err := c.Reload(t.Context(), "")
	e := refused(err)
	if len(e.Failures) != 2 {
		t.Fatalf("Reload = %+v", e)
	}
	if f := e.Failures[0]; f.Extension != "a" || f.Generation != 2 || f.Phase != plugin.PhaseStart || f.Cause == "" || f.Next == "" || f.Serving != 1 {
		t.Errorf("the first failure is %+v", f)
	}
	if f := e.Failures[1]; f.Extension != "b" || f.Generation != 1 || f.Phase != plugin.PhaseStart || f.Serving != 0 {
		t.Errorf("the second failure is %+v", f)
	}
	if all, err := c.Extensions(t.Context()); err != nil || len(all) != 2 || all[1].State != plugin.StateStopped || !strings.Contains(all[1].LastError, "phase start") {
		t.Errorf("Extensions = %+v, %v: b is to be there, with its error", all, err)
	}
	h.set(&host.ConfigError{File: "house.json", Problems: []schema.Problem{
		{Pointer: "/extensions/a/prot", Message: "unknown key", Suggestion: "did you mean port?"}, {Pointer: "/extensions/a/x", Message: "too large"},
	}})
	_, err = c.Reload(t.Context(), "a")
	e = refused(err)
	want := host.Failure{
		Extension: "a", Phase: plugin.PhaseCheck, Serving: 1,
		Cause: "read the configuration: /extensions/a/prot: unknown key (did you mean port?); /extensions/a/x: too large",
		Next:  `correct it; "stagehouse validate --config house.json" checks it again`,
	}
	if len(e.Failures) != 1 || e.Failures[0] != want {
		t.Errorf("Reload = %+v, want %+v", e, want)
	}
	h.set(nil, a)
	if all, err := c.Reload(t.Context(), ""); err != nil || len(all) != 1 || all[0].Generation != 3 {
		t.Errorf("Reload = %+v, %v: what could not be replaced before is to be now", all, err)
	}
}

func TestControlLogs(t *testing.T) {
	h := newHouse(t, scripted(t, "a", plugintest.Good))
	c := h.client()
	var closing sync.WaitGroup
	defer closing.Wait()
	var all []string
	for l, err := range c.Logs(t.Context(), "a", 100, false) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Message)
	}
	if len(all) == 0 || all[len(all)-1] != "extension is running" {
		t.Errorf("log of a: %q", all)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	asked, gone := false, false
	for l, err := range c.Logs(ctx, "a", 1, true) {
		switch {
		case err != nil && gone && strings.Contains(err.Error(), "the host stops"):
			return
		case err != nil:
			t.Fatalf("the follow ends with %v", err)
		case !asked: // so the follow has begun
			asked = true
			if _, err := c.Reload(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		case l.Message == "generation is gone":
			gone = true
			closing.Go(h.close)
		}
	}
	t.Error("the follow ends without a word")
}

// TestFollowEndsWithItsClient: else the host could not close in time, and goleak would find the follow.
func TestFollowEndsWithItsClient(t *testing.T) {
	h := newHouse(t, scripted(t, "a", plugintest.Good))
	c := h.client()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range c.Logs(ctx, "a", 1, true) {
		cancel()
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Error("the follow ended by itself")
	}
}

// TestFollowsLeaveRoom: however many follow, a question is answered.
func TestFollowsLeaveRoom(t *testing.T) {
	h := newHouse(t, scripted(t, "a", plugintest.Good))
	c := h.client()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	begun := make(chan struct{})
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	for range host.MaxFollows {
		following.Go(func() {
			for range c.Logs(ctx, "a", 1, true) {
				select {
				case begun <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	for range host.MaxFollows {
		<-begun
	}
	for _, err := range c.Logs(ctx, "a", 1, true) {
		if e := refused(err); e.Status != http.StatusServiceUnavailable {
			t.Errorf("one more follow = %+v", e)
		}
		break
	}
	if _, err := c.Extensions(ctx); err != nil {
		t.Errorf("Extensions beside the follows = %v", err)
	}
}

// deep returns a directory that is too deep for a socket.
func deep(t *testing.T) string {
	return filepath.Join(t.TempDir(), strings.Repeat("deep", 30))
}

func TestControlSocketIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	for name, path := range map[string]string{"in the data directory": "", "too deep": deep(t)} {
		t.Run(name, func(t *testing.T) {
			h := newHouseAt(t, path)
			state, err := host.ReadState(h.path)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(h.path, "control.sock"); (state.Control == want) != (path == "") {
				t.Errorf("the socket is at %s", state.Control)
			}
			info, err := os.Lstat(state.Control)
			if err != nil || info.Mode() != fs.ModeSocket|0o600 {
				t.Errorf("mode %v, %v; want a socket of mode 0600", info.Mode(), err)
			}
			if dir, err := os.Stat(filepath.Dir(state.Control)); err != nil || dir.Mode().Perm() != 0o700 {
				t.Errorf("directory %v, %v; want mode 0700", dir.Mode(), err)
			}
			if _, err := h.client().Extensions(t.Context()); err != nil {
				t.Error(err)
			}
			h.close()
			if _, err := os.Lstat(state.Control); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is left behind (%v)", err)
			}
			if _, err := os.Stat(filepath.Dir(state.Control)); path != "" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the directory of the socket is left behind (%v)", err)
			}
			if _, err := host.Connect(t.Context(), h.path); !errors.Is(err, host.ErrNoHost) {
				t.Errorf("Connect to a host that is closed = %v", err)
			}
		})
	}
}

// TestLostSockets of a host that was killed are replaced.
func TestLostSockets(t *testing.T) {
	short := filepath.Join(shortDir(t), "data")
	for _, path := range []string{short, deep(t)} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		lost := filepath.Join(shortDir(t), "x") // it stands for one that nobody listens at
		l, err := net.Listen("unix", lost)
		if err != nil {
			t.Skip(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		control := filepath.Join(short, "control.sock")
		if path != short {
			dir, err := os.MkdirTemp("", "stagehouse-control-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			control = filepath.Join(dir, "control.sock")
		}
		if err := os.Rename(lost, control); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "host.json"), fmt.Appendf(nil, `{"pid":1,"control":%q}`, control), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := host.Connect(t.Context(), path); !errors.Is(err, host.ErrNoHost) {
			t.Errorf("Connect to a host that was killed = %v", err)
		}
		h := newHouseAt(t, path)
		if _, err := h.client().Extensions(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Dir(control)); path != short && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the directory of the lost socket is left behind (%v)", err)
		}
		h.close()
	}
}

//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
)

// debugged is hello run by hand with -debug.
type debugged struct {
	cmd    *exec.Cmd
	attach string
}

func runDebug(t *testing.T, path string) *debugged {
	t.Helper()
	d := &debugged{cmd: exec.Command(path, "-debug")}
	d.cmd.Stderr = t.Output()
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.kill)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("it printed %q, %v", line, err)
	}
	var file struct {
		Extensions map[string]struct {
			Plugin struct{ Attach string }
		}
	}
	if err := json.Unmarshal(line, &file); err != nil {
		t.Fatalf("it printed %q: %v", line, err)
	}
	d.attach = file.Extensions["hello"].Plugin.Attach
	return d
}

// kill ends it as a debugger does that is told to restart.
func (d *debugged) kill() {
	_ = d.cmd.Process.Kill() // it may have ended
	_ = d.cmd.Wait()
}

// words is a log that can be asked what it has heard.
type words struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) have(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.text.String(), text)
}

func attachHost(t *testing.T, address string, opts ...plugin.Option) *plugin.Manager {
	t.Helper()
	rt, err := local.Open(context.Background(), local.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	rules := plugin.DefaultSupervision()
	rules.HealthInterval, rules.HealthTimeout, rules.UnhealthyAfter = 20*time.Millisecond, 20*time.Millisecond, 1
	m := plugin.New(guard.New(rt.Services()), append(opts, plugin.WithSupervision(rules))...)
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	if err := m.Start(context.Background(), attached(address, "Good day")); err != nil {
		t.Fatal(err)
	}
	return m
}

func attached(address, greeting string) plugin.Spec {
	return plugin.Spec{Name: "hello", Attach: address, Config: json.RawMessage(`{"address":"127.0.0.1:0","greeting":"` + greeting + `"}`), DrainTimeout: 500 * time.Millisecond}
}

func greetings(t *testing.T, m *plugin.Manager) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + m.Status()[0].Listeners[0])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// until waits for a state of the one extension.
func until(t *testing.T, m *plugin.Manager, what string, ok func(plugin.Status) bool) plugin.Status {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if s := m.Status()[0]; ok(s) {
			return s
		}
	}
	t.Fatalf("not %s: %+v", what, m.Status())
	return plugin.Status{}
}

// TestAttachedProcessOutlivesItsHost attaches two hosts, one after the other, and has the second one reload while it is attached.
func TestAttachedProcessOutlivesItsHost(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	d := runDebug(t, build(t))
	r, err := plugin.Check(context.Background(), plugin.Spec{Name: "hello", Attach: d.attach, Config: json.RawMessage(`{"greetin":"x"}`)})
	if err != nil || r.Description.Name != "hello" || len(r.Problems) == 0 {
		t.Errorf("check = %+v, %v", r, err)
	}
	for range 2 {
		m := attachHost(t, d.attach)
		if got := greetings(t, m); !strings.Contains(got, "Good day, Nyx!") {
			t.Errorf("it answers %q", got)
		}
		if s := m.Status()[0]; s.PID != d.cmd.Process.Pid || s.Attach != d.attach {
			t.Errorf("it is attached to %d at %q, want %d at %q", s.PID, s.Attach, d.cmd.Process.Pid, d.attach)
		}
		if err := m.Reload(context.Background(), attached(d.attach, "Good night")); err != nil {
			t.Fatal(err)
		}
		if got := greetings(t, m); !strings.Contains(got, "Good night, Nyx!") {
			t.Errorf("after a reload it answers %q", got)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := d.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Fatalf("the process went with its host: %v", err)
		}
	}
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// TestHostWaitsForAttachedProcess has the host there first, stops the process as a breakpoint does, kills it and runs it again.
func TestHostWaitsForAttachedProcess(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	path := build(t)
	d := runDebug(t, path)
	d.kill()

	heard := &words{}
	m := attachHost(t, d.attach, plugin.WithLogger(slog.New(slog.NewTextHandler(heard, nil))))
	if s := m.Status()[0]; s.State != plugin.StateWaiting || !strings.Contains(s.LastError, "run the extension with -debug") {
		t.Errorf("without the process: %+v", s)
	}
	d = runDebug(t, path)
	running := until(t, m, "attached", func(s plugin.Status) bool { return s.State == plugin.StateRunning })

	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, m, "found unwell", func(plugin.Status) bool { return heard.have("because it is attached it is left as it is") })
	if s := m.Status()[0]; s.State != plugin.StateRunning || s.Generation != running.Generation {
		t.Errorf("while it is stopped: %+v", s)
	}
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	greetings(t, m)

	d.kill()
	until(t, m, "waiting", func(s plugin.Status) bool { return s.State == plugin.StateWaiting && s.PID == 0 })
	d = runDebug(t, path)
	until(t, m, "attached again", func(s plugin.Status) bool { return s.State == plugin.StateRunning })
	greetings(t, m)

	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(context.Background()); err != nil {
		t.Errorf("close while it is stopped: %v", err)
	}
}

// TestSecondHostWaitsForTheFirst has two hosts want the same process: a second one, and one that takes the place of the first.
func TestSecondHostWaitsForTheFirst(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	d := runDebug(t, build(t))
	first := attachHost(t, d.attach)
	second := attachHost(t, d.attach)
	want := "is attached to another host, which is process " + strconv.Itoa(os.Getpid())
	if s := second.Status()[0]; s.State != plugin.StateWaiting || !strings.Contains(s.LastError, want) {
		t.Errorf("the second one: %+v, want %q", s, want)
	}
	greetings(t, first)
	if err := first.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	until(t, second, "attached", func(s plugin.Status) bool { return s.State == plugin.StateRunning })
	greetings(t, second)
}

// TestOneProcessWaitsAtAnAddress has the extension run twice with -debug.
func TestOneProcessWaitsAtAnAddress(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	path := build(t)
	d := runDebug(t, path)
	out, err := exec.Command(path, "-debug").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process waits at "+d.attach+" already; end that one first") {
		t.Errorf("the second one: %v, %s", err, out)
	}
}

// TestReloadMovesToTheDebuggerAndBack changes the configuration of a running host to the line of -debug, and back.
func TestReloadMovesToTheDebuggerAndBack(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	d := runDebug(t, build(t))
	m := attachHost(t, d.attach)
	own := attached("", "Good night")
	own.Path = program
	for _, spec := range []plugin.Spec{own, attached(d.attach, "Good night"), own} {
		if err := m.Reload(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		if s := m.Status()[0]; s.State != plugin.StateRunning || s.Attach != spec.Attach || (s.PID == d.cmd.Process.Pid) != (spec.Attach != "") {
			t.Errorf("attached to %q: %+v", spec.Attach, s)
		}
		greetings(t, m)
	}
	if err := d.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("the process went with its host: %v", err)
	}
}

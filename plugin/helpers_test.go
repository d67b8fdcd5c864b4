//go:build unix

package plugin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) {
	plugintest.Main()
	hostMain()
	relayMain()
	runtimeMain()
	modernMain()
	signMain()
	crewMain()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(previous.dir) // "" = it was not built
		os.Exit(code)
	}))
}

// patience bounds every wait of a test for something that has to happen.
const patience = 20 * time.Second

// startTimeout is short for the extensions that use all of it, and long for the others, which a busy machine may hold up.
func startTimeout(s plugintest.Script) time.Duration {
	if s == plugintest.NeverReady || s == plugintest.HangsInStart {
		return 2 * time.Second
	}
	return patience
}

// quick is a supervision for tests.
func quick() plugin.Supervision {
	return plugin.Supervision{
		HealthInterval: 50 * time.Millisecond, HealthTimeout: 500 * time.Millisecond, UnhealthyAfter: 2,
		RestartMin: 10 * time.Millisecond, RestartMax: 100 * time.Millisecond, StableAfter: time.Minute,
		KillTimeout: 500 * time.Millisecond,
	}
}

// logBuffer is a log that a test can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// host is a manager in a test, with what it must not leave behind.
type host struct {
	*plugin.Manager
	t      rapid.TB
	log    *logBuffer
	runDir string
}

func newHost(t *testing.T, services schema.Services, opts ...plugin.Option) *host {
	t.Helper()
	h := openHost(t, t.TempDir(), services, opts...)
	t.Cleanup(h.end)
	return h
}

// openHost returns a host that the caller ends.
func openHost(t rapid.TB, runDir string, services schema.Services, opts ...plugin.Option) *host {
	h := &host{t: t, log: &logBuffer{}, runDir: runDir}
	h.Manager = plugin.New(services, append([]plugin.Option{
		plugin.WithLogger(slog.New(slog.NewTextHandler(h.log, nil))), plugin.WithRunDir(h.runDir),
		plugin.WithSupervision(quick()), plugin.WithHostVersion("test"),
	}, opts...)...)
	return h
}

// end closes the host, and shows its log if that may tell why the test has failed.
func (h *host) end() {
	h.t.Helper()
	h.close()
	if h.t.Failed() {
		h.t.Logf("log of the host:\n%.20000s", h.log)
	}
}

// close closes the manager and checks that nothing is left.
func (h *host) close() {
	h.t.Helper()
	var pids []int
	for _, s := range h.Status() {
		if s.PID != 0 {
			pids = append(pids, s.PID)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		h.t.Errorf("close: %v", err)
	}
	for _, pid := range pids {
		if alive(pid) {
			h.t.Errorf("process %d is left", pid)
		}
	}
	entries, err := os.ReadDir(h.runDir)
	if err != nil || len(entries) > 0 {
		h.t.Errorf("the run directory still has %v, %v", entries, err)
	}
}

func (h *host) start(s plugin.Spec) {
	h.t.Helper()
	if err := h.Start(context.Background(), s); err != nil {
		h.t.Fatal(err)
	}
}

// only returns the status of the one extension.
func (h *host) only() plugin.Status {
	h.t.Helper()
	all := h.Status()
	if len(all) != 1 {
		h.t.Fatalf("status = %+v", all)
	}
	return all[0]
}

// await waits until the one extension has a status that satisfies ok.
func (h *host) await(what string, ok func(plugin.Status) bool) plugin.Status {
	h.t.Helper()
	var s plugin.Status
	eventually(h.t, what, func() bool { s = h.only(); return ok(s) })
	return s
}

// directories returns the private directories of processes.
func (h *host) directories() []os.DirEntry {
	h.t.Helper()
	entries, err := os.ReadDir(h.runDir)
	if err != nil {
		h.t.Fatal(err)
	}
	return entries
}

func (h *host) awaitLog(text string) {
	h.t.Helper()
	eventually(h.t, "log line "+text, func() bool { return strings.Contains(h.log.String(), text) })
}

// order has the scripted extension carry out a command and returns its answer, or the error of an answer that never came.
func (h *host) order(c plugintest.Command) (string, error) {
	h.t.Helper()
	return get("http://" + h.only().Listeners[0] + string(c))
}

func get(url string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func eventually(t rapid.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// alive reports whether there is a process of that number that is not a zombie.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func number(t rapid.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list descriptors")
	}
	return len(entries)
}

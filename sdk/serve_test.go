//go:build unix

package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/schema"
)

const patience = 20 * time.Second

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

func servantSpec(t *testing.T, config string) plugin.Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return plugin.Spec{Name: "servant", Path: path, Config: json.RawMessage(config), Env: map[string]string{
		envExtension: "1",
		// go-plugin's Serve replaces os.Stderr while its own yamux reads it; the race detector's report must not become
		// the exit code of the process.
		"GORACE": "exitcode=0 atexit_sleep_ms=0",
	}}
}

func newManager(t *testing.T, opts ...plugin.Option) (*plugin.Manager, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	supervision := plugin.DefaultSupervision()
	supervision.HealthInterval, supervision.RestartMin = 50*time.Millisecond, 10*time.Millisecond
	m := plugin.New(schema.Services{}, append(opts, plugin.WithSupervision(supervision),
		plugin.WithLogger(slog.New(slog.NewTextHandler(log, nil))))...)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of the host:\n%s", log)
		}
	})
	return m, log
}

func eventually(t *testing.T, what string, ok func() bool) {
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

// beginSlow sends a request that is in flight until release is called, and returns what its answer ends with.
func beginSlow(t *testing.T, address string) (release func() (string, error)) {
	t.Helper()
	until := filepath.Join(t.TempDir(), "release")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + address + "/slow?until=" + until)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "begun\n" {
		t.Fatalf("the answer begins with %q, %v", line, err)
	}
	return func() (string, error) {
		if err := os.WriteFile(until, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(body)
		return string(rest), err
	}
}

func awaitRefusal(t *testing.T, address string) {
	t.Helper()
	eventually(t, "the listener to be closed", func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func TestWhateverAnAuthorPrintsIsLogged(t *testing.T) {
	m, log := newManager(t)
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`level=INFO msg=printed extension=servant generation=1 stream=stdout`,
		`level=INFO msg="logged by log" extension=servant generation=1`,
		`level=WARN msg="logged by slog" extension=servant generation=1 answer=42`,
		`level=INFO msg="logged by the host's logger" extension=servant generation=1 request.err=odd request.user.name=nobody`,
	} {
		eventually(t, want, func() bool { return strings.Contains(log.String(), want) })
	}
	if strings.Contains(log.String(), "a detail") {
		t.Error("a debug line was sent to a host that logs none")
	}
}

func TestAPanicIsContained(t *testing.T) {
	m, log := newManager(t)
	err := m.Start(context.Background(), servantSpec(t, `{"fault":"panic in Start"}`))
	var start *plugin.StartError
	if !errors.As(err, &start) || start.Phase != plugin.PhaseStart || !strings.Contains(err.Error(), "panic in Start: assignment to entry in nil map") {
		t.Errorf("error = %v", err)
	}
	err = m.Start(context.Background(), servantSpec(t, `{"fault":"panic in Health"}`))
	if !errors.As(err, &start) || start.Phase != plugin.PhaseHealth || !strings.Contains(err.Error(), "panic in Health") {
		t.Errorf("error = %v", err)
	}
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get("http://" + m.Status()[0].Listeners[0] + "/panic"); err == nil {
		t.Error("a handler that panicked answered")
	}
	eventually(t, "the handler's panic in the log", func() bool { return strings.Contains(log.String(), "in a handler") })
	if s := m.Status()[0]; s.Generation != 1 || s.State != plugin.StateRunning {
		t.Errorf("a panic in a handler had a consequence: %+v", s)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	m, _ := newManager(t)
	err = m.Start(context.Background(), servantSpec(t, fmt.Sprintf(`{"address":%q}`, taken.Addr())))
	want := fmt.Sprintf("another program is listening on %s; stop it or set extensions.servant.port", taken.Addr())
	if err == nil || !strings.HasSuffix(err.Error(), want) { // one remedy is enough
		t.Errorf("error = %v, want %q", err, want)
	}
}

func TestSIGTERMDrains(t *testing.T) {
	m, _ := newManager(t)
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	first := m.Status()[0]
	release := beginSlow(t, first.Listeners[0])
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} { // the first is none of its business
		if err := syscall.Kill(first.PID, s); err != nil {
			t.Fatal(err)
		}
	}
	if rest, err := release(); err != nil || rest != "done\n" {
		t.Errorf("the request in flight ended with %q, %v", rest, err)
	}
	eventually(t, "the next generation", func() bool {
		s := m.Status()[0]
		return s.Generation == 2 && s.State == plugin.StateRunning
	})
	if s := m.Status()[0]; !strings.Contains(s.LastError, "exit status 0") || s.Listeners[0] != first.Listeners[0] {
		t.Errorf("%+v became %+v", first, s)
	}
}

func TestCloseFinishesWhatIsInFlight(t *testing.T) {
	m, _ := newManager(t)
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	address := m.Status()[0].Listeners[0]
	release := beginSlow(t, address)
	closed := make(chan error, 1)
	go func() { closed <- m.Close(context.Background()) }()
	awaitRefusal(t, address)
	if rest, err := release(); err != nil || rest != "done\n" {
		t.Errorf("the request in flight ended with %q, %v", rest, err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// A host that is killed takes nobody with it in the middle of an answer.
func TestWhenTheHostIsKilledWhatIsInFlightIsFinished(t *testing.T) {
	host, pid, address := startHost(t)
	release := beginSlow(t, address)
	killHost(t, host)
	awaitRefusal(t, address)
	if rest, err := release(); err != nil || rest != "done\n" {
		t.Errorf("the request in flight ended with %q, %v", rest, err)
	}
	eventually(t, "the extension to be gone", func() bool { return gone(pid) })
}

// A host that ends while its extension drains, as it does at a second signal, leaves nobody who would keep to the deadline.
func TestWhenTheHostIsKilledWhileItDrainsTheExtensionTheExtensionIsGoneSoon(t *testing.T) {
	host, pid, address := startHost(t)
	beginSlow(t, address)
	if err := host.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	awaitRefusal(t, address)
	killHost(t, host)
	eventually(t, "the extension to be gone", func() bool { return gone(pid) })
}

// Nobody is left who would kill the process group of an extension whose host is gone, so the extension does it itself.
func TestWhenTheHostIsKilledNoChildOfTheExtensionIsLeft(t *testing.T) {
	temp := shortDir(t)
	host, pid, address := startHostAt(t, temp)
	child := number(t, "http://"+address+"/child")
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	killHost(t, host)
	eventually(t, "the extension to be gone", func() bool { return gone(pid) })
	eventually(t, "its child to be gone", func() bool { return gone(child) })
	err := filepath.WalkDir(temp, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type()&fs.ModeSocket != 0 {
			t.Errorf("the socket %s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// startHost runs a host with the servant in a process of its own.
func startHost(t *testing.T) (host *exec.Cmd, pid int, address string) {
	t.Helper()
	return startHostAt(t, shortDir(t))
}

// startHostAt is startHost with a directory for temporary files.
func startHostAt(t *testing.T, temp string) (host *exec.Cmd, pid int, address string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host = exec.Command(path)
	host.Env = append(os.Environ(), envHost+"=1", "TMPDIR="+temp)
	host.Stderr = t.Output()
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fscan(out, &pid, &address); err != nil {
		t.Fatal(err)
	}
	return host, pid, address
}

func killHost(t *testing.T, host *exec.Cmd) {
	t.Helper()
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) }

// number returns the number that a GET of url answers with.
func number(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var n int
	if _, err := fmt.Fscan(resp.Body, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(after, "Z")
}

// shortDir is for a host that is killed and cannot clear up: short enough for sockets, and removed with the test.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// What an extension says just before it exits is what tells why, whichever way it says it.
func TestTheLastWordsOfAnExtensionReachTheOperator(t *testing.T) {
	m, log := newManager(t)
	err := m.Start(context.Background(), servantSpec(t, `{"fault":"exit in Start"}`))
	for _, want := range []string{"exit status 7", "the last word on stdout", "the last word on stderr", "the last word of the log", "key=value"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
	for _, want := range []string{`"the last word on stdout"`, `"the last word on stderr"`, `"the last word of the log"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
}

// A goroutine of Host.Go that has failed does not come back, so nobody needs to ask three times.
func TestAFailureForGoodIsFollowedByARestartAtOnce(t *testing.T) {
	m, log := newManager(t)
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + m.Status()[0].Listeners[0] + "/fail")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "the next generation", func() bool {
		s := m.Status()[0]
		return s.Generation == 2 && s.State == plugin.StateRunning
	})
	if s := m.Status()[0]; !strings.Contains(s.LastError, "the queue is gone") || strings.Contains(log.String(), "times=2") {
		t.Errorf("status = %+v; log:\n%s", s, log)
	}
}

// A drain that fails is not one that takes too long.
func TestADrainThatFailsIsReportedAsThat(t *testing.T) {
	for fault, want := range map[string]string{
		"panic in Drain": "panic in Drain: nowhere to drain to",
		"error in Drain": "the registry does not answer",
	} {
		t.Run(fault, func(t *testing.T) {
			m, log := newManager(t)
			if err := m.Start(context.Background(), servantSpec(t, fmt.Sprintf(`{"fault":%q}`, fault))); err != nil {
				t.Fatal(err)
			}
			if err := m.Close(context.Background()); err != nil {
				t.Error(err)
			}
			text := log.String()
			if strings.Contains(text, "deadline") || !strings.Contains(text, `level=WARN msg="the extension did not finish draining`) || !strings.Contains(text, want) {
				t.Errorf("want %q and nothing of a deadline:\n%s", want, text)
			}
		})
	}
}

func TestAPortThatAnotherExtensionHasIsNotSomebodyElses(t *testing.T) {
	m, _ := newManager(t)
	if err := m.Start(context.Background(), servantSpec(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	address := m.Status()[0].Listeners[0]
	second := servantSpec(t, fmt.Sprintf(`{"address":%q}`, address))
	second.Name = "second"
	err := m.Start(context.Background(), second)
	want := fmt.Sprintf("the extension servant of this host is listening on %s already", address)
	if runtime.GOOS != "linux" {
		want = "another program is listening on " + address // there each extension binds by itself
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
}

func TestTextBeforeMainIsNamedByACheck(t *testing.T) {
	spec := servantSpec(t, `{}`)
	spec.Env[envChatter] = "Welcome!"
	_, err := plugin.Check(context.Background(), spec)
	var chatter *process.StdoutError
	if !errors.As(err, &chatter) || chatter.Line != "Welcome!" || !strings.Contains(err.Error(), "sdk.Main") {
		t.Errorf("error = %v", err)
	}
}

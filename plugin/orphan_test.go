//go:build unix

package plugin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	envHost   = "STAGEHOUSE_TEST_HOST"
	envRunDir = "STAGEHOUSE_TEST_RUN_DIR"
)

// hostMain makes this process a host, if a test has started it as one: it runs an extension by each script that the
// variable names, prints their numbers, and waits to be killed.
func hostMain() {
	scripts := os.Getenv(envHost)
	if scripts == "" {
		return
	}
	m := plugin.New(schema.Services{}, plugin.WithRunDir(os.Getenv(envRunDir)))
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	for i, script := range strings.Split(scripts, ",") {
		spec := plugin.Spec{Name: fmt.Sprintf("e%d", i), Path: path, Env: map[string]string{"STAGEHOUSE_PLUGINTEST": script}}
		if err := m.Start(context.Background(), spec); err != nil {
			panic(err)
		}
	}
	for _, s := range m.Status() {
		fmt.Println(s.PID)
	}
	select {}
}

// A host that is killed cannot clean up. An extension sees the end of the tether and goes; the kernel kills one that takes
// no notice of anything, and one that is stopped.
func TestNoProcessOutlivesAKilledHost(t *testing.T) {
	h := startHost(t, shortDir(t), "", plugintest.Good, plugintest.IgnoresTheEnd, plugintest.Good)
	if err := syscall.Kill(h.pids[2], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	killHost(t, h)
}

// otherHost is a host in a process of its own.
type otherHost struct {
	cmd  *exec.Cmd
	pids []int // of its extensions
}

// startHost runs a host with an extension for each script. Its temporary files are in temp.
func startHost(t *testing.T, temp, runDir string, scripts ...plugintest.Script) *otherHost {
	t.Helper()
	h := &otherHost{cmd: exec.Command(plugintest.Spec(t, "", plugintest.Good).Path)}
	var names []string
	for _, s := range scripts {
		names = append(names, string(s))
	}
	h.cmd.Env = append(os.Environ(), envHost+"="+strings.Join(names, ","), envRunDir+"="+runDir, "TMPDIR="+temp)
	h.cmd.Stderr = t.Output()
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); len(h.pids) < len(scripts) && lines.Scan(); {
		h.pids = append(h.pids, number(t, lines.Text()))
	}
	if len(h.pids) != len(scripts) {
		t.Fatalf("the host started %v", h.pids)
	}
	return h
}

// killHost kills a host and waits until its extensions are gone.
func killHost(t *testing.T, h *otherHost) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := h.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the host ended with %v", err)
	}
	for _, pid := range h.pids {
		eventually(t, "the extension to be gone", func() bool { return !alive(pid) })
	}
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

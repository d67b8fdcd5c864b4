//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServiceManager stands in for systemd: a datagram socket that hears the host, and only the host.
func TestServiceManager(t *testing.T) {
	dir, err := os.MkdirTemp("", "sh") // a short path, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() })
	hears := func(want string) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		for {
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			switch first, _, _ := strings.Cut(string(b[:n]), "\n"); {
			case first == want:
				return
			case first != "WATCHDOG=1":
				t.Fatalf("heard %q, want %s", b[:n], want)
			}
		}
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", fmt.Sprint(time.Second.Microseconds()))
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	hears("READY=1")
	hears("WATCHDOG=1")
	for _, pid := range s.children() {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || bytes.Contains(env, []byte("NOTIFY_SOCKET")) || bytes.Contains(env, []byte("WATCHDOG")) {
			t.Errorf("an extension has inherited the socket of the service manager (%v)", err)
		}
	}
	s.signal(syscall.SIGHUP)
	hears("RELOADING=1")
	hears("READY=1")
	s.signal(syscall.SIGTERM)
	hears("STOPPING=1")
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestUnit has systemd itself read the unit of the examples, where it is installed.
func TestUnit(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "systemd", "stagehouse.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Type=notify-reload\n", "KillMode=mixed\n", "WatchdogSec="} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the unit has no %s", want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	unit := filepath.Join(t.TempDir(), "stagehouse.service")
	write(t, unit, strings.ReplaceAll(string(b), "/usr/local/bin/stagehouse", binary))
	out, err := exec.CommandContext(t.Context(), analyze, "verify", unit).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze verify: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "stagehouse.service:") && !strings.HasSuffix(line, "ignoring: notify-reload\n") { // before systemd 253
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

//go:build unix

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestExtCommands: reload waits and says what became of it, with an exit code; logs follows over it.
func TestExtCommands(t *testing.T) {
	h := startHouse(t, `{"extensions": {"api": {"port": 0}, "hello": {"address": "127.0.0.1:0"}}}`)
	follow := exec.CommandContext(t.Context(), binary, "ext", "logs", "hello", "-f", "--data", h.data)
	followed, said := &syncBuffer{}, &syncBuffer{}
	follow.Stdout, follow.Stderr = followed, said
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	hears := func(words string) {
		t.Helper()
		eventually(t, "ext logs -f", func() error {
			if !strings.Contains(followed.String(), words) {
				return fmt.Errorf("it does not say %q:\n%s%s", words, followed.String(), said.String())
			}
			return nil
		})
	}
	hears("[INFO]  extension is running: generation=1")

	stdout, stderr, code := h.ext("reload", "hello")
	if code != 0 || stdout != "hello is running, generation 2\n" {
		t.Errorf("ext reload hello: exit code %d: %s%s", code, stdout, stderr)
	}
	hears("extension is running: generation=2")
	stdout, stderr, code = h.ext("list")
	if code != 0 || !strings.Contains(stdout, "NAME ") || !strings.Contains(stdout, "\nhello  running  2 ") || !strings.Contains(stdout, "MiB") {
		t.Errorf("ext list: exit code %d: %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = h.ext("describe", "hello")
	if code != 0 || !strings.Contains(stdout, "requires  agents\n") || !strings.Contains(stdout, "greeting") {
		t.Errorf("ext describe: exit code %d: %s%s", code, stdout, stderr)
	}
	if stdout, stderr, code = h.ext("describe", "hello", "--json"); code != 0 || !strings.Contains(stdout, `"configSchema": {`) {
		t.Errorf("ext describe --json: exit code %d: %s%s", code, stdout, stderr)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, h.file, fmt.Sprintf(`{"extensions": {"api": {"port": 0}, "hello": {"address": %q}}}`, taken.Addr()))
	hears("reload failed; what was running goes on: generation=3 phase=start")
	stdout, stderr, code = h.ext("reload", "hello")
	for _, want := range []string{"extension hello was not reloaded; generation 2 goes on serving", "\n  generation  4\n", "\n  phase       start\n", "\n  cause       another program is listening on 127.0.0.1"} {
		if code != 1 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("ext reload of what does not start: exit code %d, and not %q:\n%s%s", code, want, stdout, stderr)
		}
	}
	_, stderr, code = h.ext("reload", "nobody")
	if code != 2 || !strings.Contains(stderr, "there is api, hello") {
		t.Errorf("ext reload nobody: exit code %d: %s", code, stderr)
	}
	write(t, h.file, `{"extensions": {"api": {"port": 0}}}`)
	if stdout, stderr, code = h.ext("reload", "--all"); code != 0 || stdout != "api is running, generation 1\n" {
		t.Errorf("ext reload --all: exit code %d: %s%s", code, stdout, stderr)
	}
	hears("extension is stopped: generation=2")

	h.signal(syscall.SIGTERM)
	if code := h.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if err := follow.Wait(); err == nil || !strings.Contains(said.String(), "the host stops") {
		t.Errorf("ext logs -f ends with %v: %s", err, said.String())
	}
	if _, stderr, code = h.ext("list"); code != 2 || !strings.Contains(stderr, "no host runs at "+h.data) {
		t.Errorf("ext list without a host: exit code %d: %s", code, stderr)
	}
}

// TestExtAfterAKill: the socket of a host that was killed is nobody's, and the next host takes its place.
func TestExtAfterAKill(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	if info, err := os.Lstat(data + "/control.sock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the control socket is %v, %v", info, err)
	}
	s.kill9()
	if _, stderr, code := s.ext("list"); code != 2 || !strings.Contains(stderr, "no host runs") {
		t.Errorf("ext list of a host that was killed: exit code %d: %s", code, stderr)
	}
	start(t, data, "--set", "extensions.api.port=0").runs("api", 1)
}

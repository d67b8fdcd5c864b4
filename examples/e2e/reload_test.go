//go:build unix

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// house is a host with a configuration file that tests change while it serves.
type house struct {
	*server
	file string
}

// startHouse starts a host with a configuration, and with the hello example beside the file if its block is in it.
func startHouse(t *testing.T, config string) *house {
	t.Helper()
	dir := t.TempDir()
	h := &house{file: filepath.Join(dir, "stagehouse.json")}
	if strings.Contains(config, `"hello"`) {
		buildHello(t, h.hello())
	}
	write(t, h.file, config)
	h.server = start(t, t.TempDir(), "--config", h.file)
	return h
}

// hello is the path of the program of the hello example.
func (h *house) hello() string {
	return filepath.Join(filepath.Dir(h.file), "plugins", "stagehouse-hello")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put moves a file to its place, in one step.
func put(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// ext runs a command of stagehouse ext against the host.
func (s *server) ext(args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	return run(s.t, "", append(append([]string{"ext"}, args...), "--data", s.data)...)
}

// extension is what ext list --json says about one.
type extension struct {
	Name, State, LastError string
	Generation             int
	PID                    int
	Listeners              []string
}

func (s *server) extension(name string) extension {
	s.t.Helper()
	stdout, stderr, code := s.ext("list", "--json")
	var list struct{ Extensions []extension }
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != 0 {
		s.t.Fatalf("ext list: %v, exit code %d\n%s", err, code, stderr)
	}
	for _, e := range list.Extensions {
		if e.Name == name {
			return e
		}
	}
	return extension{}
}

// runs waits until a generation of an extension runs.
func (s *server) runs(name string, generation int) extension {
	s.t.Helper()
	var e extension
	eventually(s.t, fmt.Sprintf("generation %d of %s", generation, name), func() error {
		if e = s.extension(name); e.State != "running" || e.Generation != generation {
			return fmt.Errorf("%+v", e)
		}
		return nil
	})
	return e
}

// says waits for a line of the log that has all the words.
func (s *server) says(words ...string) {
	s.t.Helper()
	eventually(s.t, "the log", func() error {
		for line := range strings.Lines(s.log.String()) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return nil
			}
		}
		return fmt.Errorf("no line says %q", words)
	})
}

// greeting returns what hello answers at an address.
func greeting(t *testing.T, address string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newForeignClient(t).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func greets(t *testing.T, address, want string) {
	t.Helper()
	eventually(t, "the greeting", func() error {
		got, err := greeting(t, address)
		if err != nil || !strings.HasPrefix(got, want+", Aria!") {
			return fmt.Errorf("%q, %w", got, err)
		}
		return nil
	})
}

// freePorts returns ports that nobody has at the moment.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func onPort(n int) string { return fmt.Sprintf(`{"extensions": {"api": {"port": %d}}}`, n) }

// TestPortInTheFile: a change of the port is served at the new one, and the old one is let go; a broken file and one that
// asks for a taken port change nothing, and the log says why.
func TestPortInTheFile(t *testing.T) {
	ports := freePorts(t, 2)
	h := startHouse(t, onPort(ports[0]))
	old := h.base
	write(t, h.file, onPort(ports[1]))
	h.runs("api", 2)
	h.base = fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	h.do(newClient(t), http.StatusOK, http.MethodGet, "/api/agents", nil)
	eventually(t, "the old port is let go", func() error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(old, "http://"))
		if err == nil {
			_ = conn.Close()
			return errors.New("somebody answers")
		}
		return nil
	})

	client := newClient(t) // keeps its connection
	socket := h.authenticated(h.token)
	write(t, h.file, `{"extensions": {"api": {"prot": 1}}}`)
	h.says(`"@level":"error"`, "reload failed", `"extension":"api"`, `"phase":"check"`, "/extensions/api/prot: unknown key", "did you mean", `"serving":2`)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, h.file, onPort(taken.Addr().(*net.TCPAddr).Port))
	h.says(`"@level":"error"`, "reload failed", `"extension":"api"`, `"phase":"start"`, `"generation":3`, "another program is listening on 127.0.0.1")
	if e := h.extension("api"); e.Generation != 2 {
		t.Errorf("api is %+v, want generation 2", e)
	}
	h.do(client, http.StatusOK, http.MethodGet, "/api/agents", nil)

	write(t, h.file, fmt.Sprintf(`{"logLevel": "warn", "extensions": {"api": {"port": %d, "rateLimit": {"windowMs": 60000, "max": 5000}}}}`, ports[1]))
	h.runs("api", 4)
	h.says(`"@level":"warn"`, "only after the host is started anew", "logLevel")
	h.do(client, http.StatusOK, http.MethodGet, "/api/agents", nil)
	socket.send(frame{"type": "ping"}) // on the same connection
	if f := socket.read(); f.str("type") != "pong" {
		t.Errorf("the socket got %v", f)
	}
}

// TestExtensionsInTheFile come and go with it.
func TestExtensionsInTheFile(t *testing.T) {
	h := startHouse(t, `{"extensions": {"api": {"port": 0}}}`)
	buildHello(t, h.hello())
	config := func(enabled bool) string {
		return fmt.Sprintf(`{"extensions": {"api": {"port": 0}, "hello": {"enabled": %t, "address": "127.0.0.1:0"}}}`, enabled)
	}
	write(t, h.file, config(true))
	e := h.runs("hello", 1)
	greets(t, e.Listeners[0], "Hello")
	write(t, h.file, config(false))
	eventually(t, "hello is gone", func() error { return gone(e.PID) })
	write(t, h.file, config(true))
	h.runs("hello", 1)
	if e := h.extension("api"); e.Generation != 1 {
		t.Errorf("api is %+v, and nothing about it has changed", e)
	}
}

// TestProgramIsReplaced: the next build of an extension runs by itself; one that is no program changes nothing.
func TestProgramIsReplaced(t *testing.T) {
	h := startHouse(t, `{"extensions": {"api": {"port": 0}, "hello": {"address": "127.0.0.1:0"}}}`)
	address := h.runs("hello", 1).Listeners[0]
	other := filepath.Join(t.TempDir(), "other")
	buildHello(t, other, "-ldflags=-s")
	put(t, other, h.hello())
	h.runs("hello", 2)

	write(t, other, "no program\n")
	if err := os.Chmod(other, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, other, h.hello())
	h.says(`"@level":"error"`, "reload failed", `"extension":"hello"`, `"phase":"check"`, `"serving":2`)
	greets(t, address, "Hello")
	if err := os.Remove(h.hello()); err != nil {
		t.Fatal(err)
	}
	h.says(`"@level":"warn"`, "cannot be read", h.hello())
	buildHello(t, h.hello())
	h.runs("hello", 3)
	greets(t, address, "Hello")
}

// TestSwapOfALinkedFile does what Kubernetes does to a ConfigMap.
func TestSwapOfALinkedFile(t *testing.T) {
	dir := t.TempDir()
	swap := func(version, config string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "stagehouse.json"), config)
		if err := os.Symlink(version, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))
	}
	swap("..1", onPort(0))
	file := filepath.Join(dir, "stagehouse.json")
	if err := os.Symlink(filepath.Join("..data", "stagehouse.json"), file); err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir(), "--config", file)
	for n := range 2 { // it is not only seen once
		swap(fmt.Sprintf("..%d", n+2), onPort(freePorts(t, 1)[0]))
		s.runs("api", n+2)
	}
}

// TestHalfWrittenFile: whatever is made of the first half, the whole counts in the end, and nothing is served in between
// that nobody asked for.
func TestHalfWrittenFile(t *testing.T) {
	h := startHouse(t, onPort(0))
	port := freePorts(t, 1)[0]
	whole := onPort(port)
	f, err := os.Create(h.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(whole[:len(whole)/2]); err != nil {
		t.Fatal(err)
	}
	h.says("reload failed", "stagehouse.json: line 1") // a writer that takes a pause is heard, and changes nothing
	if e := h.extension("api"); e.Generation != 1 || e.State != "running" {
		t.Errorf("api is %+v after half a file", e)
	}
	if _, err := f.WriteString(whole[len(whole)/2:]); err != nil {
		t.Fatal(err)
	}
	if e := h.runs("api", 2); e.Listeners[0] != fmt.Sprintf("127.0.0.1:%d", port) {
		t.Errorf("api is %+v", e)
	}
}

// TestHangup reloads what no watch can see, prints no secret, and warns of nothing twice.
func TestHangup(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "greeting")
	write(t, secret, "swordfish\n")
	h := startHouse(t, fmt.Sprintf(`{"extensions": {"api": {"port": 0, "cors": {"origin": "*", "credentials": true}},
		"hello": {"address": "127.0.0.1:0", "greeting": "${file:%s}"}}}`, secret))
	address := h.runs("hello", 1).Listeners[0]
	greets(t, address, "swordfish")
	write(t, secret, "sturgeon")
	h.signal(syscall.SIGHUP)
	h.runs("hello", 2)
	greets(t, address, "sturgeon")
	if e := h.extension("api"); e.Generation != 1 {
		t.Errorf("api is %+v, and nothing about it has changed", e)
	}
	if n := strings.Count(h.log.String(), `"at":"/extensions/api/cors"`); n != 1 {
		t.Errorf("the warning about CORS was logged %d times", n)
	}
	write(t, h.file, fmt.Sprintf(`{"extensions": {"api": {"port": 0}, "hello": {"address": "${file:%s}"}}}`, secret))
	h.says("reload failed", `"extension":"hello"`, "${file:")
	if log := h.log.String(); strings.Contains(log, "sturgeon") || strings.Contains(log, "swordfish") {
		t.Error("the log has a secret")
	}
}

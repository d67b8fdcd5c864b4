//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// foreign is an extension in another language, whose program a make target has built and named in a variable. Each has the
// key address in its block, and answers GET /.
type foreign struct {
	name    string
	program string
	comment string // of one line, with which another build of the program differs
}

// foreigners runs a test with each of them that is there.
func foreigners(t *testing.T, test func(*testing.T, foreign)) {
	t.Helper()
	there := 0
	for variable, f := range map[string]foreign{
		"TEST_NODE_EXTENSION":   {name: "desk", comment: "//"},
		"TEST_PYTHON_EXTENSION": {name: "board", comment: "#"},
	} {
		if f.program = os.Getenv(variable); f.program != "" {
			there++
			t.Run(f.name, func(t *testing.T) { test(t, f) })
		}
	}
	if there == 0 {
		t.Skip("make node-extension and make python-extension run this")
	}
}

// build puts the program to a path, in one step. Every n is another build.
func (f foreign) build(t *testing.T, path string, n int) {
	t.Helper()
	source, err := os.ReadFile(f.program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", fmt.Appendf(source, "\n%s build %d\n", f.comment, n), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path+".new", path)
}

// start runs the extension under a host, and returns the path of its program and where it listens.
func (f foreign) start(t *testing.T) (h *house, program, address string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), filepath.Base(f.program))
	f.build(t, program, 0)
	h = startHouse(t, f.config(program, `"address": "127.0.0.1:0"`))
	return h, program, h.runs(f.name, 1).Listeners[0]
}

func (f foreign) config(program, block string) string {
	return fmt.Sprintf(`{"extensions": {"api": {"port": 0}, %q: {%s, "plugin": {"path": %q}}}}`, f.name, block, program)
}

// visit asks for / on a connection of its own.
func visit(address string) error {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := c.Get("http://" + address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET / of %s: %s", address, resp.Status)
	}
	return nil
}

// TestForeignBlocksAreChecked: what is wrong with a block is said with its place and what to do, by the schema and by the
// extension itself, and what runs goes on.
func TestForeignBlocksAreChecked(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		h, program, address := f.start(t)
		for block, want := range map[string][]string{
			`"adress": "127.0.0.1:0"`: {"adress: unknown key", `did you mean "address"?`},
			`"address": 3003`:         {"address"},
			`"address": "localhost"`:  {`/address: "localhost" has no port`, "write it as 127.0.0.1:"},
		} {
			file := filepath.Join(t.TempDir(), "bad.json")
			write(t, file, f.config(program, block))
			stdout, _, code := run(t, "", "validate", "--config", file)
			for _, words := range append(want, "/extensions/"+f.name+"/") {
				if code != 2 || !strings.Contains(stdout, words) {
					t.Errorf("validate of %s: exit code %d, and not %q:\n%s", block, code, words, stdout)
				}
			}
		}
		write(t, h.file, f.config(program, `"adress": "127.0.0.1:0"`))
		h.says("reload failed", `"phase":"check"`, "adress: unknown key", `"serving":1`)
		if err := visit(address); err != nil {
			t.Error(err)
		}
		if stdout, stderr, code := h.ext("describe", f.name); code != 0 || !strings.Contains(stdout, "requires") || !strings.Contains(stdout, "address") {
			t.Errorf("ext describe: exit code %d: %s%s", code, stdout, stderr)
		}
	})
}

// TestForeignProcessesAreKilled: another one takes the place of one that is killed, and who comes meanwhile waits.
func TestForeignProcessesAreKilled(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		h, _, address := f.start(t)
		for n := range 2 {
			kill(t, h.runs(f.name, n+1).PID)
			if err := visit(address); err != nil {
				t.Errorf("while nobody is there: %v", err)
			}
		}
		if e := h.runs(f.name, 3); e.Listeners[0] != address {
			t.Errorf("it serves at %v, and was at %s before", e.Listeners, address)
		}
	})
}

// TestForeignProgramsAreReplaced: each build takes the place of the one before, and none of the requests that go on fails, on
// connections of their own or on ones that stay open.
func TestForeignProgramsAreReplaced(t *testing.T) {
	const builds = 4
	foreigners(t, func(t *testing.T, f foreign) {
		h, program, address := f.start(t)
		var stop atomic.Bool
		var busy sync.WaitGroup
		defer busy.Wait()
		defer stop.Store(true)
		var served, kept atomic.Int64
		for range 2 {
			busy.Go(func() {
				for !stop.Load() {
					if err := visit(address); err != nil {
						t.Errorf("a new connection: %v", err)
						return
					}
					served.Add(1)
				}
			})
			busy.Go(func() {
				for !stop.Load() {
					if err := stay(address, &stop, &kept); err != nil {
						t.Errorf("a connection that stays: %v", err)
						return
					}
				}
			})
		}
		for n := range builds {
			before := served.Load()
			f.build(t, program, n+1)
			h.runs(f.name, n+2)
			eventually(t, "requests after the swap", atLeast(&served, before+20))
		}
		eventually(t, "requests on connections that stay", atLeast(&kept, 100))
	})
}

// stay asks for / on one connection until it is told that the answer is the last one, or to stop.
func stay(address string, stop *atomic.Bool, served *atomic.Int64) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for !stop.Load() {
		if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", address); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s, %v", resp.Status, err)
		}
		served.Add(1)
		if resp.Close {
			return nil
		}
	}
	return nil
}

// TestForeignProcessesEndWithTheirHost: when it is told to stop, they drain and go; when it is killed, they go.
func TestForeignProcessesEndWithTheirHost(t *testing.T) {
	foreigners(t, func(t *testing.T, f foreign) {
		h, _, address := f.start(t)
		h.says(`"extension":"`+f.name+`"`, `"@level":"info"`, "is open", `"address":`) // its own log
		pid := h.runs(f.name, 1).PID
		h.signal(syscall.SIGTERM)
		if code := h.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		h.says("extension is stopped", `"extension":"`+f.name+`"`)
		if log := h.log.String(); strings.Contains(log, `"@level":"warn"`) || strings.Contains(log, `"@level":"error"`) {
			t.Errorf("the log has a complaint:\n%s", log)
		}
		if err := gone(pid); err != nil {
			t.Error(err)
		}
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			t.Errorf("somebody listens at %s", address)
		}

		h, _, _ = f.start(t)
		pid = h.runs(f.name, 1).PID
		h.kill9()
		eventually(t, "the process of a host that was killed", func() error { return gone(pid) })
	})
}

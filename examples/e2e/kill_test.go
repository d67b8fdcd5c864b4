//go:build unix

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// children returns the pids of the extension processes of the host.
func (s *server) children() []int {
	out, err := exec.Command("pgrep", "-P", fmt.Sprint(s.cmd.Process.Pid)).Output()
	var none *exec.ExitError
	if err != nil && !errors.As(err, &none) {
		s.t.Fatal(err)
	}
	var pids []int
	for _, f := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func gone(pid int) error {
	if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return fmt.Errorf("process %d is still there", pid)
	}
	return nil
}

// TestKillTheAPIProcessUnderTraffic: what was acknowledged is there afterwards, and the API serves again by itself, at the
// same address, from another process.
func TestKillTheAPIProcessUnderTraffic(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	first := s.children()
	if len(first) != 1 {
		t.Fatalf("extension processes: %v, want one", first)
	}
	var stored sync.Map // contents of acknowledged memories
	var acknowledged, failed atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			c := newClient(t)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				content := fmt.Sprintf("fact %d of client %d", i, n)
				a, err := s.try(c, s.token, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": content})
				if err != nil {
					failed.Add(1)
					continue
				}
				if a.StatusCode == http.StatusCreated {
					id, _ := a.json["id"].(string)
					stored.Store(content, id)
					acknowledged.Add(1)
				}
			}
		})
	}
	eventually(t, "traffic before the kill", atLeast(&acknowledged, 50))
	if err := syscall.Kill(first[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	before := acknowledged.Load()
	eventually(t, "traffic after the kill", atLeast(&acknowledged, before+50))
	close(stop)
	clients.Wait()
	if now := s.children(); len(now) != 1 || now[0] == first[0] {
		t.Errorf("extension processes: %v, want a new one instead of %v", now, first)
	}
	t.Logf("%d acknowledged, %d in flight when the process was killed", acknowledged.Load(), failed.Load())
	s.checkStored(&stored)
}

func atLeast(n *atomic.Int64, want int64) func() error {
	return func() error {
		if have := n.Load(); have < want {
			return fmt.Errorf("%d of %d", have, want)
		}
		return nil
	}
}

// checkStored fails the test for every acknowledged memory that cannot be found.
func (s *server) checkStored(stored *sync.Map) {
	s.t.Helper()
	c := newClient(s.t)
	stored.Range(func(content, id any) bool {
		words := strings.ReplaceAll(content.(string), " ", "+")
		a := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?agentId=nyx&limit=200&q="+words, nil)
		if !strings.Contains(string(a.raw), id.(string)) {
			s.t.Errorf("%q was acknowledged as %v and is lost", content, id)
		}
		return true
	})
}

// TestKillTheHost: an acknowledged message, memory and update survive kill -9 of the host; no process is left behind.
func TestKillTheHost(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	c := newClient(t)
	sent := s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Remember that my cat is called Miro.", "conversationId": "before"})
	memory := s.do(c, http.StatusCreated, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "aria", "content": "the lighthouse is green"})
	updated := s.do(c, http.StatusOK, http.MethodPut, "/api/agents/nyx", map[string]any{"description": "survives", "metadata": map[string]any{"n": 1}})
	s.do(c, http.StatusOK, http.MethodPost, "/api/agents/aria/stop", nil)
	extensions := s.children()
	s.kill9()
	for _, pid := range extensions {
		eventually(t, "orphans", func() error { return gone(pid) })
	}

	s = start(t, data, "--set", "extensions.api.port=0")
	c = newClient(t)
	conversation := s.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations/before", nil)
	for _, what := range []string{"message", "reply"} {
		id := sent.json[what].(map[string]any)["id"].(string)
		if !strings.Contains(string(conversation.raw), id) {
			t.Errorf("the %s %s is lost: %s", what, id, conversation.raw)
		}
	}
	if a := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?q=lighthouse&agentId=aria", nil); !strings.Contains(string(a.raw), memory.json["id"].(string)) {
		t.Errorf("the memory is lost: %s", a.raw)
	}
	nyx := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil)
	if nyx.json["description"] != "survives" || nyx.json["revision"].(float64) < updated.json["revision"].(float64) {
		t.Errorf("the update is lost: %s", nyx.raw)
	}
	if aria := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/aria", nil); aria.json["status"] != "stopped" {
		t.Errorf("a stopped agent came back by itself: %s", aria.raw)
	}
	reply := s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "What is my cat called?"})
	if content, _ := reply.json["reply"].(map[string]any)["content"].(string); !strings.Contains(content, "Miro") {
		t.Errorf("nyx forgot the cat: %q", content)
	}
}

// TestKillTheHostInTheMiddleOfWrites: whatever was acknowledged up to the instant of the kill is there afterwards.
func TestKillTheHostInTheMiddleOfWrites(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	var stored sync.Map
	var acknowledged atomic.Int64
	var clients sync.WaitGroup
	for n := range 4 {
		clients.Go(func() {
			c := newClient(t)
			for i := 0; ; i++ {
				content := fmt.Sprintf("fact %d of client %d", i, n)
				a, err := s.try(c, s.token, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": content})
				if err != nil {
					return // killed
				}
				if a.StatusCode == http.StatusCreated {
					id, _ := a.json["id"].(string)
					stored.Store(content, id)
					acknowledged.Add(1)
				}
			}
		})
	}
	eventually(t, "writes", atLeast(&acknowledged, 100))
	s.kill9()
	clients.Wait()
	start(t, data, "--set", "extensions.api.port=0").checkStored(&stored)
}

func TestSignals(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			data := t.TempDir()
			s := start(t, data, "--set", "extensions.api.port=0")
			extensions := s.children()
			k := s.authenticated(s.token)
			s.signal(sig)
			if code := s.wait(); code != 0 {
				t.Errorf("exit code %d, want 0\n%s", code, s.log.String())
			}
			if code := k.closed(); code != 1001 {
				t.Errorf("the socket was closed with %d, want 1001", code)
			}
			for _, pid := range extensions {
				eventually(t, "orphans", func() error { return gone(pid) })
			}
			if _, err := os.Stat(filepath.Join(data, "host.json")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("host.json is left behind (%v)", err)
			}
			if _, err := os.Lstat(filepath.Join(data, "control.sock")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("control.sock is left behind (%v)", err)
			}
			if left, _ := filepath.Glob(filepath.Join(data, "run", "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestChatSaysThatTheServerIsGone, with an exit code, and does not take it for the end of what was typed.
func TestChatSaysThatTheServerIsGone(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := exec.CommandContext(t.Context(), binary, "chat", "nyx", "-q", "--data", s.data)
	var stdout, stderr syncBuffer
	c.Stdout, c.Stderr = &stdout, &stderr
	lines, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Write([]byte("Hello!\n")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a reply", func() error {
		if stdout.String() == "" {
			return errors.New("none yet")
		}
		return nil
	})
	if err := syscall.Kill(s.children()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), "the connection broke") {
		t.Errorf("%v: %s", err, stderr.String())
	}
}

// TestSecondSignal: an extension that does not answer holds up the first signal, and the second one does not wait for it.
func TestSecondSignal(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	extensions := s.children()
	if err := syscall.Kill(extensions[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	eventually(t, "the first signal", func() error {
		if !strings.Contains(s.log.String(), "finishing what is in flight") {
			return errors.New("not heard yet")
		}
		return nil
	})
	select {
	case <-s.exited:
		t.Fatal("the first signal did not wait for the extension")
	default:
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d, want %d", code, 128+int(syscall.SIGTERM))
	}
	for _, pid := range extensions {
		eventually(t, "orphans", func() error { return gone(pid) })
	}
}

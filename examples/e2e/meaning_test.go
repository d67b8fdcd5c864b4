//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// library is a house whose memories are embedded by the extension toy, with a pause before each answer.
func library(t *testing.T, pauseMs int, model string) (file string, h *house) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "stagehouse.json")
	build := exec.Command("go", "build", "-o", filepath.Join(filepath.Dir(file), "plugins", "stagehouse-toy"), "./embedder")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	write(t, file, libraryConfig(pauseMs, model))
	return file, &house{server: start(t, t.TempDir(), "--config", file), file: file}
}

func libraryConfig(pauseMs int, model string) string {
	return fmt.Sprintf(`{"extensions": {"api": {"port": 0}, "toy": {"synonyms": ["pet cat dog"], "pauseMs": %d}},
		"memory": {"embedder": {"provider": "toy", "model": %q, "batch": 4, "perMinute": 1000000}}}`, pauseMs, model)
}

// memory runs a command of stagehouse memory against the host.
func (s *server) memory(stdin string, args ...string) (stdout, stderr string, code int) {
	s.t.Helper()
	return run(s.t, stdin, append(append([]string{"memory"}, args...), "--data", s.data)...)
}

// indexed waits until the memories are as far as wanted.
func (s *server) indexed(what string, wanted func(x index) bool) index {
	s.t.Helper()
	var x index
	eventually(s.t, what, func() error {
		stdout, stderr, code := s.memory("", "status", "--json")
		if err := json.Unmarshal([]byte(stdout), &x); err != nil || code != 0 {
			return fmt.Errorf("%v, exit code %d\n%s", err, code, stderr)
		}
		if !wanted(x) {
			return fmt.Errorf("%s", stdout)
		}
		return nil
	})
	return x
}

// index is what memory status --json says.
type index struct {
	State, Error, Words       string
	Memories, Placed, Nowhere int
	Searched                  []string
}

func ready(x index) bool { return x.State == "ready" }

// TestMemoriesAreFoundByMeaning over HTTP, through an extension that embeds: it is swapped, killed and taken away, the host is killed,
// the model is changed, and every search finds by words at least.
func TestMemoriesAreFoundByMeaning(t *testing.T) {
	file, h := library(t, 0, "m")
	s, c := h.server, newClient(t)
	s.store(c, "my cat sleeps", nil)
	s.store(c, "a lorry passes", nil)
	for i := range 30 {
		s.store(c, fmt.Sprintf("filler number %d", i), nil)
	}
	s.indexed("embedded", ready)
	if got := s.found(c, "q=pets"); len(got) != 1 || got[0] != "my cat sleeps" {
		t.Fatalf("found %q", got)
	}
	if _, stderr, code := s.ext("reload", "toy"); code != 0 {
		t.Fatal(stderr)
	}
	if got := s.found(c, "q=pets+now"); len(got) != 1 {
		t.Errorf("after a swap %q is found", got)
	}
	if err := syscall.Kill(s.extension("toy").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if got := s.found(c, fmt.Sprintf("q=cat+pets+%d", i+100)); len(got) != 1 {
			t.Errorf("after a kill %q is found", got)
		}
	}
	eventually(t, "meaning after a kill", func() error {
		if got := s.found(c, "q=pets"+fmt.Sprint(time.Now().UnixNano())+"+pets"); len(got) != 1 {
			return fmt.Errorf("found %q", got)
		}
		return nil
	})

	write(t, file, libraryConfig(0, "other"))
	x := s.indexed("embedded by another model", func(x index) bool { return ready(x) && fmt.Sprint(x.Searched) == "[toy/other]" })
	if x.Placed != 32 {
		t.Errorf("the index is %+v", x)
	}
	s.says("memories are found by the vectors of another model from now on", "toy/m")

	write(t, file, `{"extensions": {"api": {"port": 0}}}`)
	s.indexed("without a model", func(x index) bool { return x.State == "off" })
	if got := s.found(c, "q=cat"); len(got) != 1 {
		t.Errorf("without the extension %q is found", got)
	}
}

// TestReindexIsFollowed: the command shows how far the host is and may be ended; the host may be killed in the middle, and goes on.
func TestReindexIsFollowed(t *testing.T) {
	file, h := library(t, 100, "m")
	s, c := h.server, newClient(t)
	for i := range 40 {
		s.store(c, fmt.Sprintf("memory number %d", i), nil)
	}
	stdout, stderr, code := s.memory("", "reindex")
	if code != 0 || !strings.Contains(stdout, "40 memories, 40 of them embedded by the model m of toy: ready") || !strings.Contains(stderr, "of 40 memories") {
		t.Fatalf("reindex: exit code %d\n%s%s", code, stdout, stderr)
	}
	follow := exec.Command(binary, "memory", "reindex", "--all", "--data", s.data)
	var said syncBuffer
	follow.Stderr = &said
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	s.indexed("begun", func(x index) bool { return len(x.Searched) == 2 || len(x.Searched) == 1 && x.Searched[0] == "toy/m#2" })
	if err := follow.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err == nil || !strings.Contains(said.String(), "the host goes on embedding without this command") {
		t.Errorf("interrupted: %v\n%s", err, said.String())
	}
	s.kill9()
	s = start(t, s.data, "--config", file)
	x := s.indexed("embedded again", func(x index) bool { return ready(x) && fmt.Sprint(x.Searched) == "[toy/m#2]" })
	if x.Placed != 40 || x.Nowhere != 0 {
		t.Errorf("the index is %+v", x)
	}
}

// TestMemoriesAreCarriedOver from one host to another, twice, and with lines that are wrong.
func TestMemoriesAreCarriedOver(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	s.store(c, "first", map[string]any{"tags": []string{"a"}, "metadata": map[string]any{"n": 1}})
	s.store(c, "second", map[string]any{"shared": true, "importance": 0.9})
	lines, stderr, code := s.memory("", "export", "--agent", "nyx")
	if code != 0 || strings.Count(lines, "\n") != 2 {
		t.Fatalf("export: exit code %d\n%s%s", code, lines, stderr)
	}
	to := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	if out, stderr, code := to.memory(lines, "import", "-"); code != 0 || out != "2 memories imported\n" {
		t.Errorf("import: exit code %d\n%s%s", code, out, stderr)
	}
	out, stderr, code := to.memory(lines+"nonsense\n"+`{"content": "third"}`+"\n", "import", "-", "--agent", "nyx", "--principal", "admin")
	if code != 1 || out != "1 memory imported, 2 there already, 1 line left out\n" || !strings.Contains(stderr, "line 3: column 3: invalid") {
		t.Errorf("import: exit code %d\n%s%s", code, out, stderr)
	}
	if again, _, _ := to.memory("", "export"); !strings.HasPrefix(again, lines) {
		t.Errorf("exported again: %s, was %s", again, lines)
	}
	if got := to.found(newClient(t), "q=first+second+third"); len(got) != 3 {
		t.Errorf("found %q", got)
	}
	if _, stderr, code := to.memory("", "export", "--agent", "nobody"); code != 1 || !strings.Contains(stderr, `there is no agent "nobody"`) {
		t.Errorf("export of nobody: exit code %d, %s", code, stderr)
	}
	if _, stderr, code := to.memory("", "reindex"); code != 1 || !strings.Contains(stderr, "memory.embedder") {
		t.Errorf("reindex without a model: exit code %d, %s", code, stderr)
	}
}

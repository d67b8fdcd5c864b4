package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// buildDice builds the extension dice where a configuration in dir finds it.
func buildDice(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "plugins", "stagehouse-dice")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "github.com/stagehouse/stagehouse/examples/commands").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestAnExtensionLetsAgentsDoSomething: a client gives an agent a command over HTTP, and others see what came of it.
func TestAnExtensionLetsAgentsDoSomething(t *testing.T) {
	dir := t.TempDir()
	path := buildDice(t, dir)
	file := filepath.Join(dir, "stagehouse.json")
	write(t, file, `{"extensions": {"api": {"port": 0}, "dice": {}}}`)
	s := start(t, t.TempDir(), "--config", file)
	c := newClient(t)
	a := s.do(c, 200, "POST", "/api/chat/send", map[string]any{"agentId": "nyx", "message": "/roll 2d6"})
	reply, _ := a.json["reply"].(map[string]any)
	text, _ := reply["content"].(string)
	if !regexp.MustCompile(`^2d6 is [0-9]+: \[[1-6] [1-6]\]$`).MatchString(text) {
		t.Errorf("the reply is %s", a.raw)
	}
	id, _ := a.json["runId"].(string)
	page := s.do(c, 200, "GET", "/api/events?runId="+id, nil)
	if !strings.Contains(string(page.raw), `"action":"roll"`) || !strings.Contains(string(page.raw), `"dice":"2d6"`) || !strings.Contains(string(page.raw), text) {
		t.Errorf("the event log has %s", page.raw)
	}
	stdout, stderr, code := s.ext("describe", "dice")
	if code != 0 || !strings.Contains(stdout, "commands  /roll: Rolls dice") {
		t.Errorf("ext describe: %s%s", stdout, stderr)
	}
	write(t, file, `{"extensions": {"api": {"port": 0}, "dice": {}, "more": {"plugin": {"path": "plugins/`+filepath.Base(path)+`"}}}}`)
	stdout, _, code = run(t, "", "validate", "--config", file)
	if code != 2 || !slices.ContainsFunc(strings.Split(stdout, "\n"), func(l string) bool {
		return strings.Contains(l, "/extensions/more") && strings.Contains(l, `"roll"`)
	}) {
		t.Errorf("two extensions with the same commands: exit code %d, %s", code, stdout)
	}
}

package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// buildHello builds the hello example at a path, with more flags for go build.
func buildHello(t *testing.T, path string, flags ...string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := append(append([]string{"build", "-o", path}, flags...), "github.com/stagehouse/stagehouse/examples/hello")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build hello: %v\n%s", err, out)
	}
}

// TestSecondExtension runs the hello example beside the API server, found as a plugin beside the configuration file.
func TestSecondExtension(t *testing.T) {
	dir := t.TempDir()
	buildHello(t, filepath.Join(dir, "plugins", "stagehouse-hello"))
	file := filepath.Join(dir, "stagehouse.json")
	config := `{"extensions": {"api": {"port": 0}, "hello": {"address": "127.0.0.1:0", "greeting": "Good day", "plugin": {"grants": ["agents"]}}}}`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, t.TempDir(), "--config", file)
	address := regexp.MustCompile(`(?m)^  hello +(http://\S+)`).FindStringSubmatch(s.stdout)
	if address == nil {
		t.Fatalf("the banner does not name hello:\n%s", s.stdout)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newForeignClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "Good day, Aria!\nGood day, Nyx!\n" {
		t.Errorf("hello says %q, %v", body, err)
	}

	stdout, _, code := run(t, "", "validate", "--config", file, "--set", "extensions.hello.greting=x", "--set", `extensions.hello.plugin.grants=["chat"]`)
	for _, want := range []string{"/extensions/hello/greting: unknown key", `did you mean "greeting"?`, `cannot do without the service "agents"`} {
		if code != 2 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, and not %q: %s", code, want, stdout)
		}
	}
}

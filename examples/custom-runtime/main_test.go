package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// TestTheProgramServes builds it, runs it, and asks its API for the agents.
func TestTheProgramServes(t *testing.T) {
	dir := t.TempDir()
	program, data := filepath.Join(dir, "program"), filepath.Join(dir, "data")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c := exec.Command(program, "extensions.api.port=0")
	c.Env, c.Stderr = append(os.Environ(), "STAGEHOUSE_DATA="+data), t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- c.Wait() }()
	defer func() { _ = c.Process.Kill() }()

	at := "http://" + address(t, data)
	token, err := os.ReadFile(filepath.Join(data, "api-token"))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, at+"/api/agents", strings.TrimSpace(string(token))); status != http.StatusOK || !strings.Contains(body, `"id":"nyx"`) {
		t.Errorf("%d: %s", status, body)
	}
	if status, body := get(t, at+"/api/memory/search?q=x", strings.TrimSpace(string(token))); status != http.StatusNotImplemented || !strings.Contains(body, "memory") {
		t.Errorf("memories, which are not offered: %d: %s", status, body)
	}
	if status, body := get(t, at+"/openapi.json", ""); status != http.StatusOK || strings.Contains(body, `"/api/memory/search":`) || !strings.Contains(body, "/api/chat/send") {
		t.Errorf("the document is %d: %.200s", status, body)
	}
	if runtime.GOOS == "windows" {
		return // which cannot interrupt it
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it does not end")
	}
}

// get returns the status and the body of an answer.
func get(t *testing.T, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// address waits until the host says where its API is.
func address(t *testing.T, data string) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		if s, err := host.ReadState(data); err == nil && len(s.Extensions["api"]) == 1 {
			return s.Extensions["api"][0]
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not serve")
		}
	}
}

// TestDocsShowThisSource keeps the chapter for owners of runtimes true.
func TestDocsShowThisSource(t *testing.T) {
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"main.go", "runtime.go"} {
		source, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(chapter), "```go\n"+string(source)+"```\n") {
			t.Errorf("docs/runtimes.md does not show %s as it is (%v)", file, err)
		}
	}
	source, err := os.ReadFile("runtime_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, test, _ := strings.Cut(string(chapter), "```go\nfunc TestRuntime(")
	test, _, _ = strings.Cut(test, "```")
	if test == "" || !strings.Contains(string(source), test) {
		t.Errorf("docs/runtimes.md shows a test that is not in runtime_test.go: %q", test)
	}
}

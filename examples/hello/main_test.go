package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hello-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "stagehouse-hello")
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // it is in the directory for temporary files
		os.Exit(code)
	}))
}

// program is where build puts the extension.
var program string

var built = sync.OnceValues(func() ([]byte, error) {
	return exec.Command("go", "build", "-o", program, ".").CombinedOutput()
})

// build builds the extension, once for all tests, and returns the path of the program.
func build(t *testing.T) string {
	t.Helper()
	if out, err := built(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

func TestHelloThroughTheHost(t *testing.T) {
	rt, err := local.Open(context.Background(), local.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	m := plugin.New(guard.New(rt.Services()), plugin.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))
	defer func() {
		if err := errors.Join(m.Close(context.Background()), rt.Close(context.Background())); err != nil {
			t.Error(err)
		}
	}()
	spec := plugin.Spec{Name: "hello", Path: build(t), Private: true, Config: json.RawMessage(`{"address":"127.0.0.1:0","greeting":"Good day"}`)}
	if err := m.Start(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + m.Status()[0].Listeners[0])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := "Good day, Aria!\nGood day, Nyx!\n"; err != nil || string(body) != want {
		t.Errorf("body = %q, %v, want %q", body, err, want)
	}
}

// TestDocsShowThisSource keeps the chapter for authors true.
func TestDocsShowThisSource(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "authoring.md"))
	if err != nil || !strings.Contains(string(chapter), "```go\n"+string(source)+"```\n") {
		t.Errorf("docs/authoring.md does not show examples/hello/main.go as it is (%v)", err)
	}
}

func TestHelloByHand(t *testing.T) {
	path := build(t)
	var exit *exec.ExitError
	out, err := exec.Command(path).CombinedOutput()
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), "is an extension of stagehouse") {
		t.Errorf("by hand: %v\n%s", err, out)
	}
	out, err = exec.Command(path, "describe").Output()
	var d schema.Description
	if err != nil || json.Unmarshal(out, &d) != nil || d.Name != "hello" || !strings.Contains(string(d.ConfigSchema), `"default": "127.0.0.1:3002"`) {
		t.Errorf("describe: %v\n%s", err, out)
	}
	check := exec.Command(path, "check")
	check.Stdin = strings.NewReader(`{"adress":"","greeting":2}`)
	out, err = check.Output()
	var r schema.CheckResult
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || json.Unmarshal(out, &r) != nil || len(r.Problems) != 2 {
		t.Errorf("check: %v\n%s", err, out)
	}
}

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestDev goes the way of somebody who writes an extension: it is made, run, changed while it serves, broken, and mended. Nobody
// who asks it meanwhile is refused.
func TestDev(t *testing.T) {
	source, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "weather")
	if stdout, stderr, code := run(t, "", "new", "extension", "weather", "--dir", dir, "--source", source); code != 0 || !strings.Contains(stdout, "cd "+dir) {
		t.Fatalf("new extension: exit code %d\n%s%s", code, stdout, stderr)
	}
	s := startCommand(t, t.TempDir(), "dev", dir, "--set", "extensions.api.port=0", "--set", "extensions.weather.address=127.0.0.1:0")
	found := regexp.MustCompile(`(?m)^  weather +(http://\S+)`).FindStringSubmatch(s.stdout)
	if found == nil {
		t.Fatalf("the banner does not name weather:\n%s", s.stdout)
	}
	client := newForeignClient(t)
	ask := func() (string, error) {
		resp, err := client.Get(found[1])
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
		}
		return string(body), err
	}
	says := func(want string) {
		t.Helper()
		eventually(t, "the extension to say "+want, func() error {
			body, err := ask()
			if err != nil {
				t.Fatal(err) // it was refused
			}
			if !strings.Contains(body, want) {
				return fmt.Errorf("it says %q", body)
			}
			return nil
		})
	}
	main := filepath.Join(dir, "main.go")
	change := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(main)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("main.go has no %q (%v)", from, err)
		}
		if err := os.WriteFile(main, []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop, asking := make(chan struct{}), sync.WaitGroup{}
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := ask(); err != nil {
				t.Errorf("while it is worked on: %v", err)
				return
			}
		}
	})
	says("Hello, Nyx!")
	change("%s, %s!", "%s there, %s!")
	says("Hello there, Nyx!")
	change("fmt.Fprintf", "fmt.Fprintff")
	eventually(t, "the mistake to be told", func() error {
		if log := s.log.String(); !strings.Contains(log, "weather does not build; the one that runs goes on") || !strings.Contains(log, "undefined: fmt.Fprintff") {
			return fmt.Errorf("the log is\n%s", log)
		}
		return nil
	})
	says("Hello there, Nyx!")
	change("fmt.Fprintff", "fmt.Fprintf")
	change("there", "again")
	says("Hello again, Nyx!")
	close(stop)
	asking.Wait()
	s.signal(os.Interrupt)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

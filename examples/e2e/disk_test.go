//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk: while the disk of the data directory is full, what cannot be kept is refused, everything else goes on, and the
// log says why. Once there is room it all works again, and nothing is lost that was acknowledged.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil { // what a killed host has started may take a moment to end
			t.Error(err)
		}
	})
	data := filepath.Join(disk, "data")
	s := start(t, data, "--set", "extensions.api.port=0")
	c := newClient(t)
	var kept []string
	keep := func(n, size int) answer {
		t.Helper()
		body := map[string]any{"agentId": "nyx", "content": fmt.Sprintf("fact %d %s", n, strings.Repeat("x", size))}
		a, err := s.try(headed(c, "Idempotency-Key", fmt.Sprint("fact", n)), s.token, http.MethodPost, "/api/memory/store", body)
		if err != nil {
			t.Fatal(err)
		}
		if a.StatusCode == http.StatusCreated {
			kept = append(kept, a.Header.Get("Location"))
		}
		return a
	}
	n := 0
	fill := func() {
		for _, size := range []int{8000, 1000, 1} { // what has no room leaves some for what is smaller
			for ; keep(n, size).StatusCode == http.StatusCreated; n++ {
				if n == 1000 {
					t.Fatal("the disk never fills")
				}
			}
			n++
		}
	}
	fill()
	// refused makes a request that has no room. It may have some that the index of memories had no use for, or that was freed meanwhile.
	refused := func(method, path string, body map[string]any, field string) (a answer) {
		for try := range 20 {
			var err error
			body[field] = fmt.Sprint(try, strings.Repeat("x", 30_000))
			if a, err = s.try(c, s.token, method, path, body); err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != http.StatusOK {
				break
			}
			fill()
		}
		return a
	}
	for _, a := range []answer{
		keep(n, 1),
		refused(http.MethodPut, "/api/agents/nyx", map[string]any{}, "persona"),
		refused(http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx"}, "message"),
	} {
		if a.StatusCode != http.StatusServiceUnavailable || a.code() != "unavailable" || a.json["retryable"] != true {
			t.Errorf("%s %s on a full disk: %d %.400s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.raw)
		}
	}
	if len(kept) == 0 || !strings.Contains(s.log.String(), "the disk that holds the data directory is full") {
		t.Errorf("%d were kept; the log does not say that the disk is full", len(kept))
	}
	there := func() {
		t.Helper()
		for _, place := range append([]string{"/healthz", "/api/agents", "/api/chat/conversations", "/api/memory/search?q=fact"}, kept...) {
			s.do(c, http.StatusOK, http.MethodGet, place, nil)
		}
	}
	there()

	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	if a := keep(n, 1); a.StatusCode != http.StatusCreated || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("with room again: %d %v %.400s", a.StatusCode, a.Header, a.raw)
	}
	s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"})
	there()
	s.kill9()
	s = start(t, data, "--set", "extensions.api.port=0")
	c = newClient(t)
	there()
}

//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestPatchesOfManyAreAllThere: clients that change different members of an agent's metadata at the same time lose nothing of
// each other's, and a request that is repeated is not carried out again, however often it had to be merged anew.
func TestPatchesOfManyAreAllThere(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	s.do(c, http.StatusOK, http.MethodPut, "/api/agents/nyx", map[string]any{"metadata": map[string]any{"keep": 1, "deep": map[string]any{"keep": nil}}})
	const clients, each = 8, 5
	patch := func(c *http.Client, n, i int) answer {
		change := map[string]any{fmt.Sprintf("member%d", n): i, "deep": map[string]any{fmt.Sprintf("member%d", n): i}}
		return s.with(c, http.StatusOK, http.MethodPatch, "/api/agents/nyx", map[string]any{"metadata": change},
			"Authorization", "Bearer "+s.token, "Idempotency-Key", fmt.Sprintf("%d-%d", n, i))
	}
	first := make([]answer, clients)
	var done sync.WaitGroup
	for n := range clients {
		done.Go(func() {
			c := newClient(t)
			for i := range each {
				a := patch(c, n, i)
				if a.Header.Get("Idempotency-Replayed") != "" {
					t.Errorf("change %d of client %d is called a replay", i, n)
				}
				first[n] = a
			}
		})
	}
	done.Wait()
	now := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil)
	check := func(where string, got map[string]any, kept any) {
		t.Helper()
		if len(got) != clients+1+strings.Count(where, "metadata") || got["keep"] != kept {
			t.Errorf("%s: %v", where, got)
		}
		for n := range clients {
			if member := fmt.Sprintf("member%d", n); got[member] != float64(each-1) {
				t.Errorf("%s: %s is %v, want %d", where, member, got[member], each-1)
			}
		}
	}
	metadata, _ := now.json["metadata"].(map[string]any)
	deep, _ := metadata["deep"].(map[string]any)
	check("metadata", metadata, 1.0)
	check("deep", deep, nil)
	for n := range clients {
		a := patch(c, n, each-1)
		if a.Header.Get("Idempotency-Replayed") != "true" || string(a.raw) != string(first[n].raw) {
			t.Errorf("repeated, the change of client %d is %s, was %s", n, a.raw, first[n].raw)
		}
	}
	if again := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil); again.json["revision"] != now.json["revision"] {
		t.Errorf("repeats have changed it: %s", again.raw)
	}
	large := map[string]any{"metadata": map[string]any{"large": strings.Repeat("x", 65_500)}}
	s.wantField("too large together", s.do(c, http.StatusUnprocessableEntity, http.MethodPatch, "/api/agents/nyx", large), "body.metadata")
}

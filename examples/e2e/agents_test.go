//go:build linux

package e2e

import (
	"net/http"
	"testing"
)

// TestCreatedAgents: an agent that a client has made outlives the host, and is gone with its memories when it is deleted.
func TestCreatedAgents(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	c := newClient(t)
	made := map[string]any{"id": "vera", "skills": []string{"juggling"}, "brain": "builtin"}
	create := func(want int, key string) answer {
		t.Helper()
		return s.with(c, want, http.MethodPost, "/api/agents", made, "Authorization", "Bearer "+s.token, "Idempotency-Key", key)
	}
	first, again := create(http.StatusCreated, "one"), create(http.StatusCreated, "one")
	if string(first.raw) != string(again.raw) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("created %s, and again %s", first.raw, again.raw)
	}
	if first.str("status") != "running" || first.json["declared"] != false || first.Header.Get("Location") != "/api/agents/vera" {
		t.Errorf("created %v %s", first.Header, first.raw)
	}
	if taken := create(http.StatusConflict, "two"); taken.code() != "already_exists" {
		t.Errorf("a taken id: %s", taken.raw)
	}
	if a := s.do(c, http.StatusUnprocessableEntity, http.MethodPost, "/api/agents", map[string]any{"id": "x", "brain": "gtp"}); a.code() != "invalid_argument" {
		t.Errorf("a brain that there is not: %s", a.raw)
	}
	memory := s.do(c, http.StatusCreated, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "vera", "content": "x"}).Header.Get("Location")
	s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "vera", "message": "Hello!", "conversationId": "said"})
	s.kill9()

	s = start(t, data, "--set", "extensions.api.port=0")
	now := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/vera", nil)
	if now.str("status") != "running" {
		t.Errorf("after a restart it is %s", now.raw)
	}
	s.do(c, http.StatusOK, http.MethodGet, memory, nil)
	if a := s.do(c, http.StatusConflict, http.MethodDelete, "/api/agents/nyx", nil); a.code() != "failed_precondition" {
		t.Errorf("to delete a declared one: %s", a.raw)
	}
	auth := []string{"Authorization", "Bearer " + s.token, "If-Match"}
	s.with(c, http.StatusPreconditionFailed, http.MethodDelete, "/api/agents/vera", nil, append(auth, first.Header.Get("ETag"))...)
	s.with(c, http.StatusNoContent, http.MethodDelete, "/api/agents/vera", nil, append(auth, now.Header.Get("ETag"))...)
	for _, path := range []string{"/api/agents/vera", memory} {
		s.do(c, http.StatusNotFound, http.MethodGet, path, nil)
	}
	s.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations/said", nil)
	a := s.do(c, http.StatusOK, http.MethodGet, "/api/events?since="+epochOf(s, c)+"-0&events=created,deleted", nil)
	if events, _ := a.json["events"].([]any); len(events) != 2 {
		t.Errorf("it is told that %s", a.raw)
	}
}

// epochOf returns the epoch of the event log.
func epochOf(s *server, c *http.Client) string {
	head := s.do(c, http.StatusOK, http.MethodGet, "/api/events", nil).str("head")
	for i := range head {
		if head[i] == '-' {
			return head[:i]
		}
	}
	return head
}

//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestAConversationIsDeletedWhileItsTurnRuns: nothing of it is left, and a new one of its id has nothing of the old one.
func TestAConversationIsDeletedWhileItsTurnRuns(t *testing.T) {
	s, resume := slowly(t)
	c := newClient(t)
	const one = "/api/chat/conversations/trip"
	made := s.do(c, http.StatusCreated, http.MethodPost, "/api/chat/conversations", map[string]any{"id": "trip", "agentId": "nyx"})
	if made.Header.Get("Location") != one || made.Header.Get("ETag") == "" {
		t.Errorf("created: %v", made.Header)
	}
	send := func(text string) string {
		t.Helper()
		a := s.with(c, http.StatusAccepted, http.MethodPost, "/api/chat/send", map[string]any{"conversationId": "trip", "message": text}, "Prefer", "respond-async")
		return a.Header.Get("Location")
	}
	run := send("To the sea!")
	s.awaitRun(c, run, "running")
	s.with(c, http.StatusPreconditionFailed, http.MethodDelete, one, nil, "If-Match", made.Header.Get("ETag"))
	s.do(c, http.StatusNoContent, http.MethodDelete, one, nil)
	s.do(c, http.StatusNotFound, http.MethodGet, one, nil)
	s.do(c, http.StatusNotFound, http.MethodGet, run, nil)

	a := s.with(c, http.StatusAccepted, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "conversationId": "trip", "message": "To the hills!"}, "Prefer", "respond-async")
	resume <- struct{}{}
	s.awaitRun(c, a.Header.Get("Location"), "completed")
	if got := s.do(c, http.StatusOK, http.MethodGet, one, nil); got.str("title") != "To the hills!" || got.json["messageCount"] != 2.0 {
		t.Errorf("the new one is %s", got.raw)
	}
	for q, want := range map[string]int{"hill": 1, "sea": 0} { // the old one is not found any more
		found, _ := s.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations?q="+q, nil).json["conversations"].([]any)
		if len(found) != want {
			t.Errorf("%q finds %v, want %d", q, found, want)
		}
	}
	newest := s.do(c, http.StatusOK, http.MethodGet, one+"?limit=1", nil)
	if link := newest.Header.Get("Link"); !strings.HasPrefix(link, "<"+one+"?cursor=") || !strings.HasSuffix(link, `&limit=1>; rel="next"`) {
		t.Errorf("the page before is at %s", link)
	}
	s.with(c, http.StatusNotModified, http.MethodGet, one, nil, "If-None-Match", newest.Header.Get("ETag"))
}

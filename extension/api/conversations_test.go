package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

const conversationsURL = "/api/chat/conversations"

func summaryOf(t *testing.T, a answer, status int) (c schema.ConversationSummary) {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d %s, want %d", a.status, a.body, status)
	}
	a.decode(t, &c)
	return c
}

// TestConversationIsChanged walks a conversation from its beginning to its end, against the reference runtime.
func TestConversationIsChanged(t *testing.T) {
	w := start(t, "", realHost(t))
	alice := as("alice")
	const one = conversationsURL + "/trip"
	made := w.do("POST", conversationsURL, `{"id":"trip","agentId":"nyx"}`, append(alice, "Idempotency-Key", "k")...)
	if c := summaryOf(t, made, 201); c.Title != "" || c.AgentID != "nyx" || c.Archived || made.header.Get("Location") != one || made.header.Get("ETag") != `"1"` {
		t.Errorf("created: %v %s", made.header, made.body)
	}
	if again := w.do("POST", conversationsURL, `{"id":"trip","agentId":"nyx"}`, append(alice, "Idempotency-Key", "k")...); again.status != 201 ||
		again.header.Get("Idempotency-Replayed") != "true" || string(again.body) != string(made.body) {
		t.Errorf("again: %d %v %s", again.status, again.header, again.body)
	}
	w.do("POST", conversationsURL, `{"id":"trip"}`, alice...).problem(t, 409, schema.CodeAlreadyExists)
	w.do("POST", conversationsURL, `{"id":"conv_mine"}`, alice...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("POST", conversationsURL, `{"agentId":"ghost"}`, alice...).problem(t, 404, schema.CodeNotFound)
	w.do("PATCH", one, `{"title":""}`, alice...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("PATCH", one, `{"colour":"red"}`, alice...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("PATCH", one, `{"title":"x"}`, as("bob")...).problem(t, 404, schema.CodeNotFound)
	w.do("PATCH", one, `{"title":"x"}`, as("admin")...).problem(t, 403, schema.CodePermissionDenied)
	w.do("PATCH", one, `{"title":"x"}`, append(alice, "If-Match", `"9"`)...).problem(t, 412, schema.CodeRevisionMismatch)

	patched := w.do("PATCH", one, `{"title":"To the sea","archived":true}`, append(alice, "Content-Type", "application/merge-patch+json", "If-Match", `"1", "7"`)...)
	if c := summaryOf(t, patched, 200); c.Title != "To the sea" || !c.Archived || c.Revision != 2 || patched.header.Get("ETag") != `"2"` {
		t.Errorf("patched: %v %s", patched.header, patched.body)
	}
	for query, want := range map[string]int{"": 0, "?archived=true": 1, "?archived=any": 1} {
		var page schema.ConversationPage
		if w.do("GET", conversationsURL+query, "", alice...).decode(t, &page); len(page.Conversations) != want {
			t.Errorf("the list%s has %d conversations, want %d", query, len(page.Conversations), want)
		}
	}
	for query, want := range map[string]int{"q=sea&archived=any": 1, "q=seas%20to&archived=true": 1, "q=sea": 0, "q=hills&archived=any": 0} {
		var page schema.ConversationPage
		if w.do("GET", conversationsURL+"?"+query, "", alice...).decode(t, &page); len(page.Conversations) != want || page.Conversations == nil {
			t.Errorf("%s finds %d conversations, want %d", query, len(page.Conversations), want)
		}
	}
	w.do("GET", conversationsURL+"?q="+strings.Repeat("x", schema.MaxSearchBytes+1), "", alice...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("GET", conversationsURL+"?archived=no", "", alice...).problem(t, 422, schema.CodeInvalidArgument)

	w.do("DELETE", one, "", append(alice, "If-Match", `"1"`)...).problem(t, 412, schema.CodeRevisionMismatch)
	if a := w.do("DELETE", one, "", append(alice, "If-Match", `"2"`)...); a.status != http.StatusNoContent || len(a.body) > 0 {
		t.Errorf("deleted: %d %s", a.status, a.body)
	}
	w.do("GET", one, "", alice...).problem(t, 404, schema.CodeNotFound)
	w.do("DELETE", one, "", alice...).problem(t, 404, schema.CodeNotFound)
}

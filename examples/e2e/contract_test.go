//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// operation is a request that is good for an operation of the document.
type operation struct {
	id, method, path string
	body             any    // nil = it takes none
	ghost            string // the same path with the id of what is not there; "" = it is about no one thing
	scope            string // that its caller needs; "" = it is open to all
	own              bool   // it is about a thing of its caller's, which nobody else finds
}

// deniable reports whether there is somebody who may see what it is about, and may not do it.
func (o operation) deniable() bool { return !o.own && o.scope != "" && o.scope != "read" } // every token has the scope read

// operations has a request for each operation. None of them changes anything when it is spoilt.
func operations() []operation {
	const nyx, ghost = "/api/agents/nyx", "/api/agents/ghost"
	return []operation{
		{"list-agents", "GET", "/api/agents", nil, "", "read", false},
		{"create-agent", "POST", "/api/agents", map[string]any{"id": "late"}, "", "admin", false},
		{"get-agent", "GET", nyx, nil, ghost, "read", false},
		{"update-agent", "PUT", nyx, map[string]any{}, ghost, "admin", false},
		{"patch-agent", "PATCH", nyx, map[string]any{}, ghost, "admin", false},
		{"delete-agent", "DELETE", nyx, nil, ghost, "admin", false},
		{"start-agent", "POST", nyx + "/start", nil, ghost + "/start", "admin", false},
		{"stop-agent", "POST", nyx + "/stop", nil, ghost + "/stop", "admin", false},
		{"list-conversations", "GET", "/api/chat/conversations", nil, "", "read", false},
		{"create-conversation", "POST", "/api/chat/conversations", map[string]any{}, "", "chat", false},
		{"get-conversation", "GET", "/api/chat/conversations/talk", nil, "/api/chat/conversations/ghost", "read", true},
		{"update-conversation", "PATCH", "/api/chat/conversations/talk", map[string]any{}, "/api/chat/conversations/ghost", "chat", true},
		{"delete-conversation", "DELETE", "/api/chat/conversations/talk", nil, "/api/chat/conversations/ghost", "chat", true},
		{"send-message", "POST", "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"}, "", "chat", false},
		{"route-message", "POST", "/api/chat/route", map[string]any{"message": "Hello!"}, "", "chat", false},
		{"list-runs", "GET", "/api/runs", nil, "", "read", false},
		{"get-run", "GET", "/api/runs/none", nil, "/api/runs/ghost", "read", true},
		{"cancel-run", "POST", "/api/runs/none/cancel", nil, "/api/runs/ghost/cancel", "chat", true},
		{"store-memory", "POST", "/api/memory/store", map[string]any{"agentId": "nyx", "content": "x"}, "", "chat", false},
		{"search-memory", "GET", "/api/memory/search", nil, "", "read", false},
		{"get-memory-by-id", "GET", "/api/memory/none", nil, "/api/memory/ghost", "read", true},
		{"delete-memory-by-id", "DELETE", "/api/memory/none", nil, "/api/memory/ghost", "chat", true},
		{"get-memory", "GET", nyx + "/memories/none", nil, nyx + "/memories/ghost", "read", true},
		{"delete-memory", "DELETE", nyx + "/memories/none", nil, nyx + "/memories/ghost", "chat", true},
		{"list-events", "GET", "/api/events", nil, "", "read", false},
		{"get-usage", "GET", "/api/usage", nil, "", "read", false},
		{"get-health", "GET", "/healthz", nil, "", "", false},
		{"get-readiness", "GET", "/readyz", nil, "", "", false},
		{"get-openapi", "GET", "/openapi.json", nil, "", "", false},
		{"get-asyncapi", "GET", "/asyncapi.json", nil, "", "", false},
	}
}

// unwalked are the answers that no client can bring about on a host that is well, and why.
func unwalked(a apitest.Answer) bool {
	switch a.Status {
	case http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout: // the host is not well
		return true
	case http.StatusNotImplemented: // its runtime offers less
		return true
	case http.StatusForbidden:
		return !slices.ContainsFunc(operations(), func(o operation) bool { return o.id == a.Operation && o.deniable() })
	case http.StatusConflict: // built-in agents are never between two states
		return a.Operation == "start-agent" || a.Operation == "stop-agent"
	}
	return false
}

// TestContractWalk has a client see every answer that the document of the API declares, of every operation, and each is as the
// document says.
func TestContractWalk(t *testing.T) {
	document := readContract()
	e, err := apitest.NewExchanges(document)
	if err != nil {
		t.Fatal(err)
	}
	wire := &http.Transport{}
	t.Cleanup(wire.CloseIdleConnections)
	c := &http.Client{Transport: e.Transport(t, wire), Timeout: patience}
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	if served := s.do(c, http.StatusOK, http.MethodGet, "/openapi.json", nil); !bytes.Equal(served.raw, document) {
		t.Error("the document that is served is not the one that is committed")
	}
	s.walkAgents(c)
	s.walkChat(c)
	s.walkMemory(c)
	s.walkEvents(c)
	s.walkErrors(c)
	s.do(c, http.StatusOK, http.MethodGet, "/api/usage?groupBy=day&limit=1", nil)
	walkCancelled(t, c)
	walkBudget(t, c)
	walkLimit(t, c)

	var unseen []string
	for _, a := range e.Declared() {
		if !e.Seen(a) && !unwalked(a) {
			unseen = append(unseen, fmt.Sprint(a))
		}
	}
	slices.Sort(unseen)
	for _, a := range unseen {
		t.Errorf("%s was not seen", a)
	}
}

func (s *server) walkAgents(c *http.Client) {
	s.do(c, http.StatusOK, http.MethodGet, "/healthz", nil)
	s.do(c, http.StatusOK, http.MethodGet, "/readyz", nil)
	s.do(c, http.StatusOK, http.MethodGet, "/asyncapi.json", nil)
	s.do(c, http.StatusOK, http.MethodGet, "/api/agents?status=running&skill=programming&limit=1", nil)
	made := map[string]any{"id": "vera", "skills": []string{"juggling"}}
	s.do(c, http.StatusCreated, http.MethodPost, "/api/agents", made)
	s.do(c, http.StatusConflict, http.MethodPost, "/api/agents", made)
	const vera = "/api/agents/vera"
	old := s.do(c, http.StatusOK, http.MethodGet, vera, nil).Header.Get("ETag")
	s.with(c, http.StatusNotModified, http.MethodGet, vera, nil, "If-None-Match", old)
	s.do(c, http.StatusOK, http.MethodPut, vera, map[string]any{"name": "Vera", "persona": nil})
	s.with(c, http.StatusOK, http.MethodPatch, vera, map[string]any{"name": nil}, "Content-Type", "application/merge-patch+json")
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		s.with(c, http.StatusPreconditionFailed, method, vera, map[string]any{}, "If-Match", old)
	}
	s.do(c, http.StatusOK, http.MethodPost, vera+"/stop", nil)
	s.do(c, http.StatusOK, http.MethodPost, vera+"/start", nil)
	s.with(c, http.StatusPreconditionFailed, http.MethodDelete, vera, nil, "If-Match", old)
	s.do(c, http.StatusConflict, http.MethodDelete, "/api/agents/nyx", nil)
	s.do(c, http.StatusNoContent, http.MethodDelete, vera, nil)
}

func (s *server) walkChat(c *http.Client) {
	const all, talk, send = "/api/chat/conversations", "/api/chat/conversations/talk", "/api/chat/send"
	begun := map[string]any{"id": "talk", "title": "A talk", "agentId": "nyx"}
	old := s.do(c, http.StatusCreated, http.MethodPost, all, begun).Header.Get("ETag")
	s.do(c, http.StatusConflict, http.MethodPost, all, begun)
	s.do(c, http.StatusNotFound, http.MethodPost, all, map[string]any{"agentId": "ghost"})
	hello := map[string]any{"conversationId": "talk", "message": "Hello!"}
	run := s.do(c, http.StatusOK, http.MethodPost, send, hello).str("runId")
	s.awaitRun(c, s.with(c, http.StatusAccepted, http.MethodPost, send, hello, "Prefer", "respond-async").Header.Get("Location"), "completed")
	s.readStream(c, http.MethodPost, send, hello)
	s.do(c, http.StatusNotFound, http.MethodPost, send, map[string]any{"agentId": "ghost", "message": "Hello!"})
	juggling := map[string]any{"message": "help", "context": map[string]any{"skill": "juggling"}}
	for _, path := range []string{send, "/api/chat/route"} {
		s.do(c, http.StatusConflict, http.MethodPost, path, juggling)
	}
	s.do(c, http.StatusOK, http.MethodPost, "/api/chat/route", map[string]any{"message": "I need help with coding"})
	s.do(c, http.StatusOK, http.MethodGet, all+"?q=hello&archived=any&limit=1", nil)
	now := s.do(c, http.StatusOK, http.MethodGet, talk+"?limit=1", nil).Header.Get("ETag")
	s.with(c, http.StatusNotModified, http.MethodGet, talk, nil, "If-None-Match", now)
	s.with(c, http.StatusPreconditionFailed, http.MethodPatch, talk, map[string]any{"title": "x"}, "If-Match", old)
	s.do(c, http.StatusOK, http.MethodPatch, talk, map[string]any{"title": nil, "archived": true})
	s.do(c, http.StatusOK, http.MethodGet, "/api/runs?conversationId=talk&status=completed&limit=1", nil)
	s.do(c, http.StatusOK, http.MethodGet, "/api/runs/"+run, nil)
	s.do(c, http.StatusOK, http.MethodPost, "/api/runs/"+run+"/cancel", nil)
	s.with(c, http.StatusPreconditionFailed, http.MethodDelete, talk, nil, "If-Match", old)
	s.do(c, http.StatusNoContent, http.MethodDelete, talk, nil)
}

func (s *server) walkMemory(c *http.Client) {
	store := func() string {
		return s.do(c, http.StatusCreated, http.MethodPost, "/api/memory/store", map[string]any{
			"agentId": "nyx", "content": "Whales sing.", "tags": []string{"sea"}, "importance": 0.5, "expiresAt": "2999-01-01T00:00:00Z",
			"metadata": map[string]any{"source": "import"},
		}).str("id")
	}
	one, other := "/api/memory/"+store(), "/api/agents/nyx/memories/"+store()
	s.do(c, http.StatusNotFound, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "ghost", "content": "x"})
	for _, query := range []string{"q=whales&agentId=nyx&limit=1", "tag=sea&tag=sea&minImportance=0.5&metadata.source=import"} {
		if a := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?"+query, nil); len(a.json["results"].([]any)) == 0 {
			s.t.Errorf("%s finds %s", query, a.raw)
		}
	}
	for _, path := range []string{one, other} {
		s.do(c, http.StatusOK, http.MethodGet, path, nil)
		s.do(c, http.StatusNoContent, http.MethodDelete, path, nil)
	}
}

func (s *server) walkEvents(c *http.Client) {
	page := s.do(c, http.StatusOK, http.MethodGet, "/api/events?since="+epochOf(s, c)+"-0&agents=nyx&limit=200", nil)
	if len(page.json["events"].([]any)) == 0 {
		s.t.Errorf("there are no events: %s", page.raw)
	}
	s.readStream(c, http.MethodGet, "/api/events?since="+page.str("nextCursor"), nil)
	s.with(c, http.StatusNotAcceptable, http.MethodGet, "/api/events", nil, "Accept", "text/html")
	s.do(c, http.StatusNotFound, http.MethodGet, "/api/events?runId=ghost", nil)
}

// readStream opens a stream and reads its beginning.
func (s *server) readStream(c *http.Client, method, path string, body any) {
	s.t.Helper()
	begun := &http.Client{Timeout: c.Timeout, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		resp, err := c.Transport.RoundTrip(r)
		if err == nil {
			whole := resp.Body
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(whole, 1), whole}
		}
		return resp, err
	})}
	if a := s.with(begun, http.StatusOK, method, path, body, "Accept", "text/event-stream"); len(a.raw) != 1 || a.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Errorf("%s %s begins with %q as %q", method, path, a.raw, a.Header.Get("Content-Type"))
	}
}

// walkErrors spoils a good request of every operation in every way that there is for all.
func (s *server) walkErrors(c *http.Client) {
	reader := s.created("reader", "read")
	for _, o := range operations() {
		as := func(token string, want int, path string, body any, header ...string) {
			s.t.Helper()
			s.with(c, want, o.method, path, body, append([]string{"Authorization", "Bearer " + token}, header...)...)
		}
		as(s.token, http.StatusBadRequest, o.path+"?x=%ff", o.body)
		if o.scope == "" {
			continue
		}
		as("sth_wrong", http.StatusUnauthorized, o.path, o.body)
		as(s.token, http.StatusUnprocessableEntity, o.path+"?nonsense=1", o.body)
		if o.deniable() {
			as(reader, http.StatusForbidden, o.path, o.body)
		}
		if o.ghost != "" {
			as(s.token, http.StatusNotFound, o.ghost, o.body)
		}
		if o.body != nil {
			as(s.token, http.StatusUnsupportedMediaType, o.path, o.body, "Content-Type", "text/plain")
			as(s.token, http.StatusRequestEntityTooLarge, o.path, bytes.Repeat([]byte(" "), 4<<20))
		}
	}
}

// walkCancelled waits for a turn that is cancelled.
func walkCancelled(t *testing.T, c *http.Client) {
	s, _ := slowly(t)
	answered := make(chan answer)
	go func() {
		answered <- s.with(c, 499, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "conversationId": "c", "message": "Hello!"})
	}()
	s.awaitRun(c, "/api/runs/"+s.awaitTurn(c, "c"), "running")
	s.do(c, http.StatusOK, http.MethodPost, "/api/runs/"+s.awaitTurn(c, "c")+"/cancel", nil)
	if a := <-answered; a.code() != "cancelled" {
		t.Errorf("a turn that was cancelled is answered by %s", a.raw)
	}
}

// walkBudget sends to an agent when there is no budget left, and looks at what was used.
func walkBudget(t *testing.T, c *http.Client) {
	h := startCounting(t, `"budgets": [{"window": "month", "tokens": 1}]`)
	for _, want := range []int{http.StatusOK, http.StatusPaymentRequired} {
		if a := h.do(c, want, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "abacus", "message": "Count."}); want == http.StatusOK {
			h.do(c, http.StatusOK, http.MethodGet, "/api/runs/"+a.str("runId"), nil)
		}
	}
	h.do(c, http.StatusOK, http.MethodGet, "/api/usage?groupBy=model", nil)
}

// walkLimit asks for everything when there is nothing to be had any more.
func walkLimit(t *testing.T, c *http.Client) {
	s, _, _ := limited(t, 3_600_000, 1)
	s.do(c, http.StatusOK, http.MethodGet, "/api/agents", nil)
	for _, o := range operations() {
		if o.id == "get-health" || o.id == "get-readiness" { // which count against no limit
			continue
		}
		if a := s.do(c, http.StatusTooManyRequests, o.method, o.path, o.body); a.code() != "rate_limited" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %s", o.id, a.Header, a.raw)
		}
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// created makes a token with the program's own command, beside the running host.
func (s *server) created(name, scopes string) string {
	s.t.Helper()
	stdout, stderr, code := run(s.t, "", "token", "create", name, "--scopes", scopes, "--data", s.data)
	if code != 0 {
		s.t.Fatalf("token create: %s", stderr)
	}
	return strings.TrimSpace(stdout)
}

func deep(n int) []byte {
	return []byte(`{"agentId":"nyx","message":"x","context":` + strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) + `}`)
}

// TestHostileREST: every answer to rubbish is a problem document with a stable code, and the server goes on.
func TestHostileREST(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	s.do(c, http.StatusOK, http.MethodPost, "/api/agents/aria/stop", nil)
	s.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "mine", "conversationId": "mine"})
	alice := s.created("alice", "chat")
	reader := s.created("reader", "read")
	const send = "/api/chat/send"
	for name, test := range map[string]struct {
		token, method, path string
		body                any
		status              int
		code                string
	}{
		"empty body":             {s.token, "POST", send, []byte(""), 400, "malformed"},
		"not JSON":               {s.token, "POST", send, []byte("{"), 400, "malformed"},
		"invalid UTF-8":          {s.token, "POST", send, []byte("{\"agentId\":\"nyx\",\"message\":\"\xff\"}"), 400, "malformed"},
		"deep":                   {s.token, "POST", send, deep(20_000), 400, "malformed"},
		"huge":                   {s.token, "POST", send, bytes.Repeat([]byte(" "), 4<<20), 413, "too_large"},
		"unknown field":          {s.token, "POST", send, []byte(`{"agentId":"nyx","message":"x","mesage":"y"}`), 422, "invalid_argument"},
		"wrong type":             {s.token, "POST", send, []byte(`{"agentId":"nyx","message":7}`), 422, "invalid_argument"},
		"empty message":          {s.token, "POST", send, []byte(`{"agentId":"nyx","message":" "}`), 422, "invalid_argument"},
		"unknown agent":          {s.token, "POST", send, []byte(`{"agentId":"nobody","message":"x"}`), 404, "not_found"},
		"stopped agent":          {s.token, "POST", send, []byte(`{"agentId":"aria","message":"x"}`), 409, "agent_not_running"},
		"foreign conversation":   {alice, "GET", "/api/chat/conversations/mine", nil, 404, "not_found"},
		"unknown route":          {s.token, "GET", "/api/nothing", nil, 404, "not_found"},
		"wrong method":           {s.token, "DELETE", "/api/agents", nil, 405, "method_not_allowed"},
		"no token":               {"", "GET", "/api/agents", nil, 401, "unauthenticated"},
		"wrong token":            {"sth_wrong", "GET", "/api/agents", nil, 401, "unauthenticated"},
		"scope, thing is there":  {reader, "PUT", "/api/agents/nyx", []byte(`{"name":"x"}`), 403, "permission_denied"},
		"scope, thing is not":    {reader, "PUT", "/api/agents/nobody", []byte(`{"name":"x"}`), 404, "not_found"},
		"search without a query": {s.token, "GET", "/api/memory/search", nil, 422, "invalid_argument"},
		"bad limit":              {s.token, "GET", "/api/agents?limit=many", nil, 422, "invalid_argument"},
		"bad cursor":             {s.token, "GET", "/api/agents?cursor=!", nil, 422, "invalid_argument"},
		"bad UTF-8 in the query": {s.token, "GET", "/api/agents?cursor=%00%ff", nil, 400, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := s.try(c, test.token, test.method, test.path, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != test.status || a.code() != test.code {
				t.Errorf("%d %s, want %d %s: %s", a.StatusCode, a.code(), test.status, test.code, a.raw)
			}
			if ct := a.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
				t.Errorf("Content-Type %q", ct)
			}
			if a.json["requestId"] == "" || a.json["requestId"] != a.Header.Get("X-Request-Id") {
				t.Errorf("requestId %v, header %q", a.json["requestId"], a.Header.Get("X-Request-Id"))
			}
		})
	}
	for _, operators := range []string{`"`, `*`, `NEAR(a b)`, `a AND`, `-x`, `content:x`, `(`, `'; DROP TABLE memories; --`, "ünï¢ödé"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/api/memory/search", nil)
		if err != nil {
			t.Fatal(err)
		}
		q := req.URL.Query()
		q.Set("q", operators)
		req.URL.RawQuery = q.Encode()
		if a := s.do(c, http.StatusOK, http.MethodGet, req.URL.RequestURI(), nil); a.json["results"] == nil {
			t.Errorf("search for %q: %s", operators, a.raw)
		}
	}
}

// TestHostileWebSocket: a mistake in a command is answered and the socket goes on; what is no command closes it with a code.
func TestHostileWebSocket(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	t.Run("answered", func(t *testing.T) {
		k := s.dial()
		k.send(frame{"type": "chat:message", "agentId": "nyx", "message": "x", "id": "early"})
		if f := k.until("error"); f.str("code") != "unauthenticated" || f.str("id") != "early" {
			t.Errorf("before auth: %v", f)
		}
		k.send(frame{"type": "auth", "token": s.token})
		k.until("auth:ok")
		for name, test := range map[string]struct {
			frame frame
			code  string
		}{
			"unknown type":  {frame{"type": "fly"}, "invalid_argument"},
			"no type":       {frame{}, "invalid_argument"},
			"unknown field": {frame{"type": "subscribe", "agent": "nyx"}, "invalid_argument"},
			"wrong type":    {frame{"type": "subscribe", "agents": "nyx"}, "invalid_argument"},
			"unknown agent": {frame{"type": "chat:message", "agentId": "nobody", "message": "x"}, "not_found"},
			"empty message": {frame{"type": "chat:message", "agentId": "nyx", "message": ""}, "invalid_argument"},
			"unknown event": {frame{"type": "subscribe", "events": []string{"dream"}}, "invalid_argument"},
			"ghost":         {frame{"type": "subscribe", "agents": []string{"ghost"}}, "not_found"},
		} {
			test.frame["id"] = name
			k.sendWrong(test.frame)
			if f := k.until("error"); f.str("code") != test.code || f.str("id") != name {
				t.Errorf("%s: %v, want %s", name, f, test.code)
			}
		}
		k.send(frame{"type": "ping", "id": 7})
		if f := k.until("pong"); fmt.Sprint(f["id"]) != "7" {
			t.Errorf("pong = %v", f)
		}
	})
	for name, test := range map[string]struct {
		kind websocket.MessageType
		body []byte
		want websocket.StatusCode
	}{
		"binary":     {websocket.MessageBinary, []byte(`{"type":"ping"}`), 4400},
		"not JSON":   {websocket.MessageText, []byte(`{`), 4400},
		"no object":  {websocket.MessageText, []byte(`[]`), 4400},
		"over limit": {websocket.MessageText, bytes.Repeat([]byte(" "), 1<<20), websocket.StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			k := s.authenticated(s.token)
			k.sendRaw(test.kind, test.body)
			if code := k.closed(); code != test.want {
				t.Errorf("closed with %d, want %d", code, test.want)
			}
		})
	}
	t.Run("wrong token", func(t *testing.T) {
		k := s.dial()
		k.send(frame{"type": "auth", "token": "sth_wrong"})
		if f := k.until("auth:error", "auth:ok"); f.str("type") != "auth:error" {
			t.Errorf("auth = %v", f)
		}
		if code := k.closed(); code != 4401 {
			t.Errorf("closed with %d, want 4401", code)
		}
	})
}

// TestPrincipalsDoNotSeeEachOther: the same conversation id is two conversations, and nobody's events reach anybody else.
func TestPrincipalsDoNotSeeEachOther(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	alice, bob := s.created("alice", "chat"), s.created("bob", "chat")
	c := newClient(t)
	listening := s.authenticated(bob)
	listening.send(frame{"type": "subscribe"})
	listening.until("subscribed")
	for token, secret := range map[string]string{alice: "Remember that my password is swordfish.", bob: "Hello!"} {
		a, err := s.try(c, token, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "conversationId": "optional-id", "message": secret})
		if err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, a.raw)
		}
	}
	for {
		f := listening.read()
		if strings.Contains(fmt.Sprint(f), "swordfish") {
			t.Fatalf("bob was sent %v", f)
		}
		if f.str("type") == "chat:reply" {
			break
		}
	}
	for _, path := range []string{"/api/chat/conversations/optional-id", "/api/chat/conversations", "/api/memory/search?q=swordfish+password"} {
		a, err := s.try(c, bob, http.MethodGet, path, nil)
		if err != nil || a.StatusCode != http.StatusOK || strings.Contains(string(a.raw), "swordfish") {
			t.Errorf("%s: %v %s", path, err, a.raw)
		}
	}
	a, err := s.try(c, bob, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "What is my password?"})
	if err != nil || a.StatusCode != http.StatusOK || strings.Contains(string(a.raw), "swordfish") {
		t.Errorf("nyx told bob: %v %s", err, a.raw)
	}
}

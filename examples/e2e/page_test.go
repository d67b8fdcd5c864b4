package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is the reference page, as it is published; the tests take their input from it.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "reference-page.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// blocks returns the fenced blocks of one language.
func blocks(page, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		found = append(found, m[1])
	}
	return found
}

// startPage starts the program with the page's configuration, byte for byte. Only where somebody else has the page's port
// is another one set, beside the file.
func startPage(t *testing.T) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.json")
	if err := os.WriteFile(file, []byte(blocks(page(t), "json")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config", file}
	if ln, err := net.Listen("tcp", "0.0.0.0:3001"); err != nil {
		args = append(args, "--set", "extensions.api.port=0")
	} else {
		_ = ln.Close()
	}
	return start(t, t.TempDir(), args...)
}

// restCall is one line of the page's lists of endpoints, with the body that follows it.
type restCall struct{ method, path, body string }

func restCalls(page string) []restCall {
	var calls []restCall
	line := regexp.MustCompile(`(?m)^(GET|PUT|POST) (/\S+)\n((?s:\{.*?^\}\n))?`)
	for _, b := range blocks(page, "bash") {
		for _, m := range line.FindAllStringSubmatch(b, -1) {
			calls = append(calls, restCall{m[1], m[2], m[3]})
		}
	}
	return calls
}

func TestEveryEndpointOfThePage(t *testing.T) {
	s := startPage(t)
	c := newClient(t)
	calls := restCalls(page(t))
	if len(calls) != 10 {
		t.Fatalf("the page lists 10 endpoints, %d were found: %v", len(calls), calls)
	}
	for _, call := range calls {
		t.Run(call.method+" "+call.path, func(t *testing.T) {
			path := strings.NewReplacer(":agentId", "nyx", ":conversationId", "optional-id").Replace(call.path)
			var body any
			switch {
			case call.body != "":
				body = []byte(call.body)
			case call.method == http.MethodPut:
				body = map[string]any{"description": "walked by a test"}
			}
			a, err := s.try(c, s.token, call.method, path, body)
			if err != nil {
				t.Fatal(err)
			}
			want := http.StatusOK
			if call.path == "/api/memory/store" {
				want = http.StatusCreated
			}
			if a.StatusCode != want {
				t.Fatalf("status %d, want %d: %s", a.StatusCode, want, a.raw)
			}
			for _, member := range map[string][]string{
				"GET /api/agents":                             {"agents", "nextCursor"},
				"GET /api/agents/:agentId":                    {"id", "name", "status", "skills", "brain", "persona", "metadata", "emotion", "revision", "createdAt", "updatedAt"},
				"PUT /api/agents/:agentId":                    {"description", "revision"},
				"POST /api/agents/:agentId/start":             {"status"},
				"POST /api/agents/:agentId/stop":              {"status"},
				"POST /api/chat/send":                         {"conversationId", "runId", "agentId", "message", "reply"},
				"GET /api/chat/conversations/:conversationId": {"id", "messages", "nextCursor"},
				"GET /api/chat/conversations":                 {"conversations", "nextCursor"},
				"POST /api/memory/store":                      {"id", "agentId", "content", "metadata", "createdAt"},
				"GET /api/memory/search?q=query&agentId=nyx":  {"results"},
			}[call.method+" "+call.path] {
				if _, ok := a.json[member]; !ok {
					t.Errorf("no member %q in %s", member, a.raw)
				}
			}
			if a.Header.Get("X-Request-Id") == "" {
				t.Error("no request id")
			}
			if call.path == "/api/agents/:agentId/stop" { // the page goes on to chat with it
				s.do(c, http.StatusOK, http.MethodPost, "/api/agents/nyx/start", nil)
			}
		})
	}
}

// jsFrames returns the objects that the page's JavaScript sends, read as JSON.
func jsFrames(t *testing.T, script string) []frame {
	t.Helper()
	var frames []frame
	bareKey := regexp.MustCompile(`([{,]\s*)([A-Za-z]+):`)
	for _, m := range regexp.MustCompile(`(?s)JSON\.stringify\((\{.*?\})\)\)`).FindAllStringSubmatch(script, -1) {
		text := bareKey.ReplaceAllString(strings.ReplaceAll(m[1], "'", `"`), `$1"$2":`)
		var f frame
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			t.Fatalf("read %s: %v", text, err)
		}
		frames = append(frames, f)
	}
	return frames
}

func TestEveryFrameOfThePage(t *testing.T) {
	s := startPage(t)
	sent := map[string]frame{}
	for _, b := range blocks(page(t), "javascript") {
		for _, f := range jsFrames(t, b) {
			sent[f.str("type")] = f
		}
	}
	for _, want := range []string{"auth", "subscribe", "chat:route", "chat:message"} {
		if sent[want] == nil {
			t.Fatalf("the page sends %q; found %v", want, sent)
		}
	}
	k := s.dial()
	sent["auth"]["token"] = s.token // the page's own is a placeholder
	k.send(sent["auth"])
	if f := k.until("auth:ok", "auth:error"); f.str("type") != "auth:ok" || f.str("principal") != "admin" {
		t.Fatalf("auth = %v", f)
	}
	k.send(sent["subscribe"])
	if f := k.until("subscribed", "error"); f.str("type") != "subscribed" || fmt.Sprint(f["agents"]) != "[aria nyx]" {
		t.Fatalf("subscribe = %v", f)
	}

	k.send(sent["chat:message"])
	ack := k.until("ack", "error")
	if ack.str("type") != "ack" || ack.str("agentId") != "nyx" || ack.str("runId") == "" || ack.str("conversationId") == "" {
		t.Fatalf("chat:message = %v", ack)
	}
	var thought, emotion, reply frame
	for reply == nil {
		switch f := k.read(); f.str("type") {
		case "agent:thought":
			thought = f
		case "agent:emotion":
			emotion = f
		case "chat:reply":
			reply = f
		case "chat:failed", "error":
			t.Fatalf("got %v", f)
		}
	}
	if thought.str("agentId") != "nyx" || thought.str("thought") == "" {
		t.Errorf("thought = %v", thought)
	}
	if emotion.str("agentId") != "nyx" || emotion.str("emotion") == "" {
		t.Errorf("emotion = %v", emotion)
	}
	if reply.str("runId") != ack.str("runId") {
		t.Errorf("reply = %v, want one of run %s", reply, ack.str("runId"))
	}

	k.send(sent["chat:route"])
	ack = k.until("ack", "error")
	route, _ := ack["route"].(map[string]any)
	if ack.str("agentId") != "nyx" || route["reason"] == "" || route["candidates"] == nil {
		t.Errorf("chat:route = %v, want nyx, who knows programming, and why", ack)
	}
	k.until("chat:reply")
}

func TestThePagesCORSNeverSendsCredentials(t *testing.T) {
	s := startPage(t)
	if n := strings.Count(s.log.String(), "browsers refuse credentials"); n != 1 {
		t.Errorf("the impossible combination is mentioned %d times in the log, want once:\n%s", n, s.log.String())
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, s.base+"/api/agents", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Access-Control-Request-Method", "GET")
	resp, err := newClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if o, c := resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Access-Control-Allow-Credentials"); o != "*" || c != "" || resp.StatusCode != http.StatusNoContent {
		t.Errorf("preflight = %d, origin %q, credentials %q", resp.StatusCode, o, c)
	}
}

func TestThePagesRateLimit(t *testing.T) {
	s := startPage(t)
	c := newClient(t)
	for i := range 100 {
		if a := s.do(c, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil); a.Header.Get("RateLimit") == "" {
			t.Fatalf("request %d has no RateLimit header: %v", i, a.Header)
		}
	}
	a := s.do(c, http.StatusTooManyRequests, http.MethodGet, "/api/agents/nyx", nil)
	if a.code() != "rate_limited" || a.Header.Get("Retry-After") == "" {
		t.Errorf("refusal = %s, Retry-After %q", a.raw, a.Header.Get("Retry-After"))
	}
}

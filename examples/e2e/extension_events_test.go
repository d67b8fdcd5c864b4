//go:build unix

package e2e

import (
	"syscall"
	"testing"
)

// TestWhatHappensToExtensionsIsAnEvent: an admin sees it on the WebSocket, a crash of the very API server too; others do not.
func TestWhatHappensToExtensionsIsAnEvent(t *testing.T) {
	h := startHouse(t, `{"extensions": {"api": {"port": 0}, "hello": {"address": "127.0.0.1:0"}}}`)
	admin, reader := h.authenticated(h.token), h.authenticated(h.created("reader", "read"))
	for _, k := range []*socket{admin, reader} {
		k.send(frame{"type": "subscribe", "events": []string{"extension:*", "agent:updated"}})
		if a := k.until("subscribed", "error"); a.str("type") != "subscribed" || len(a["events"].([]any)) != 4 {
			t.Fatalf("subscribe: %v", a)
		}
	}
	if _, stderr, code := h.ext("reload", "hello"); code != 0 {
		t.Fatal(stderr)
	}
	e := admin.until("extension:reloaded")
	if e.str("extension") != "hello" || e["generation"] != 2.0 || e["previous"] != 1.0 || e["agentId"] != nil || e["principal"] != nil {
		t.Errorf("a reload is told as %v", e)
	}
	since := e.str("id")
	h.runs("api", 1)
	if err := syscall.Kill(h.extension("api").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := h.authenticated(h.token)
	again.send(frame{"type": "subscribe", "events": []string{"crashed"}, "since": since})
	if e := again.until("extension:crashed"); e.str("extension") != "api" || e["generation"] != 1.0 || e.str("error") == "" {
		t.Errorf("a crash is told as %v", e)
	}
	reader = h.authenticated(h.created("reader2", "read"))
	reader.send(frame{"type": "subscribe", "events": []string{"extension:*", "agent:updated"}, "since": since})
	h.do(newClient(t), 200, "PUT", "/api/agents/nyx", map[string]any{"metadata": map[string]any{"n": 1}})
	if e := reader.until("agent:updated", "extension:crashed", "extension:reloaded"); e.str("type") != "agent:updated" {
		t.Errorf("a reader sees %v", e)
	}
}

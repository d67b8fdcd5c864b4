//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// agent is the path of a file in the folder of agents.
func (h *house) agent(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(h.file), "agents")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// becomes waits until an agent has what want has; of a persona, that it is a part of it.
func (h *house) becomes(c *http.Client, id string, want map[string]any) {
	h.t.Helper()
	eventually(h.t, id, func() error {
		a, err := h.try(c, h.token, "GET", "/api/agents/"+id, nil)
		if err != nil {
			return err
		}
		for key, value := range want {
			text, isText := a.json[key].(string)
			part, _ := value.(string)
			if a.json[key] != value && !(key == "persona" && isText && strings.Contains(text, part)) {
				return fmt.Errorf("it is %s, want %v", a.raw, want)
			}
		}
		return nil
	})
}

// TestAgentsAsFiles has files appear, change, break, be mended and go while a conversation goes on.
func TestAgentsAsFiles(t *testing.T) {
	h := startHouse(t, `{"extensions":{"api":{"port":0}}}`)
	c := newClient(t)
	luna := h.agent(t, "luna.json")

	write(t, luna, `{"name":"Luna","persona":"You are Luna.","traits":["patient"],"skills":["astronomy"]}`)
	h.becomes(c, "luna", map[string]any{"status": "running", "declared": true, "name": "Luna", "persona": "Traits: patient"})
	h.becomes(c, "nyx", map[string]any{"status": "running"}) // the others are still there
	first := h.do(c, 200, "POST", "/api/chat/send", map[string]any{"agentId": "luna", "message": "Please remember that I like tea."})

	k := h.authenticated(h.token)
	k.send(frame{"type": "subscribe", "events": []string{"agent:created", "agent:updated"}})
	k.until("subscribed")
	write(t, luna, `{"name":"Luna","persona":"You are Luna.","traits":["brisk"],"memory":{"remember":false}}`)
	h.becomes(c, "luna", map[string]any{"persona": "Traits: brisk"})
	k.until("agent:updated")
	again := h.do(c, 200, "POST", "/api/chat/send", map[string]any{
		"agentId": "luna", "conversationId": first.json["conversationId"], "message": "Please remember that I like cake."})
	if reply := fmt.Sprint(again.json["reply"]); !strings.Contains(reply, "I may not remember") {
		t.Errorf("with its memory off it says %s", reply)
	}
	if found := h.found(c, "q=cake&agentId=luna"); len(found) > 0 {
		t.Errorf("it remembers %v", found)
	}

	write(t, luna, `{"name":"Luna","trait":["late"]}`)
	write(t, h.agent(t, "sol.json"), `{"name":"Sol"}`)
	h.says("reload failed", "/agents/luna.json", `did you mean`, "traits")
	h.becomes(c, "sol", map[string]any{"status": "running"}) // which it keeps from nothing
	k.until("agent:created")
	h.becomes(c, "luna", map[string]any{"status": "running", "persona": "Traits: brisk"})
	_, stderr, code := h.ext("reload", "--all")
	if code != 1 || !strings.Contains(stderr, "agent /agents/luna.json is not what is declared") {
		t.Errorf("ext reload: exit code %d\n%s", code, stderr)
	}

	write(t, luna, `{"name":"Luna","traits":["mended"]}`)
	h.becomes(c, "luna", map[string]any{"persona": "Traits: mended"})
	if err := os.Remove(h.agent(t, "sol.json")); err != nil {
		t.Fatal(err)
	}
	h.becomes(c, "sol", map[string]any{"status": "stopped", "declared": false})
	h.do(c, http.StatusNoContent, "DELETE", "/api/agents/sol", nil)

	write(t, h.file, `{"agents":[{"id":"bob","persona":"one"}],"extensions":{"api":{"port":0}}}`) // the list is followed, too
	h.becomes(c, "bob", map[string]any{"status": "running", "persona": "one"})
	h.becomes(c, "nyx", map[string]any{"status": "stopped", "declared": false})
	h.becomes(c, "luna", map[string]any{"status": "running"})
	if n := h.extension("api").Generation; n != 1 {
		t.Errorf("the API server is generation %d by now", n)
	}
}

// TestUnsoundFileAtTheStart is refused, as a configuration would be, and all problems come at once.
func TestUnsoundFileAtTheStart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "stagehouse.json"), `{"agents":[{"id":"luna"}]}`)
	if err := os.Mkdir(filepath.Join(dir, "agents"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "agents", "luna.json"), `{"brain":"nobody","nmae":"x"}`)
	write(t, filepath.Join(dir, "agents", "b.json"), `{`)
	for _, command := range []string{"run", "validate"} {
		stdout, stderr, code := run(t, "", command, "--config", filepath.Join(dir, "stagehouse.json"), "--data", t.TempDir())
		var missing []string
		for _, want := range []string{"/agents/b.json: line 1", "/agents/luna.json/nmae", `did you mean "name"`, "/agents/luna.json/id: the agent \"luna\" is declared twice, also at /agents/0"} {
			if !strings.Contains(stdout+stderr, want) {
				missing = append(missing, want)
			}
		}
		if code != 2 || len(missing) > 0 {
			t.Errorf("%s: exit code %d, and it does not say %q\n%s%s", command, code, slices.Sorted(slices.Values(missing)), stdout, stderr)
		}
	}
}

//go:build unix

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// startParrots runs the runtime in TypeScript, whose program a make target has built and named in a variable, under a host.
func startParrots(t *testing.T, block string) (h *house, program string) {
	t.Helper()
	built := os.Getenv("TEST_NODE_RUNTIME")
	if built == "" {
		t.Skip("make node-runtime runs this")
	}
	program = filepath.Join(t.TempDir(), "parrots")
	putParrots(t, built, program, 0)
	h = &house{file: filepath.Join(t.TempDir(), "stagehouse.json")}
	write(t, h.file, fmt.Sprintf(`{"runtime": {%s "plugin": {"path": %q}}, "extensions": {"api": {"port": 0}}}`, block, program))
	h.server = start(t, t.TempDir(), "--config", h.file)
	return h, program
}

// putParrots puts the program to a path, in one step. Every n is another build.
func putParrots(t *testing.T, built, path string, n int) {
	t.Helper()
	source, err := os.ReadFile(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", fmt.Appendf(source, "\n// build %d\n", n), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, path+".new", path)
}

// TestParrotsThroughTheAPI: the API server serves a runtime in another language as it does any other.
func TestParrotsThroughTheAPI(t *testing.T) {
	h, _ := startParrots(t, "")
	c := newClient(t)
	k := h.authenticated(h.token)
	k.send(frame{"type": "chat:route", "id": 1, "message": "What is the weather like?", "conversationId": "c"})
	if err := oneTurn(k, 1); err != nil {
		t.Error(err)
	}
	if a := h.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations/c", nil); a.json["agentId"] != "polly" || a.json["messageCount"] != 2.0 {
		t.Errorf("the conversation: %s", a.raw)
	}
	if a := h.do(c, http.StatusOK, http.MethodPost, "/api/agents/polly/stop", nil); a.json["status"] != "stopped" {
		t.Errorf("stopped: %s", a.raw)
	}
	for what, want := range map[string]string{
		`{"agentId": "polly", "message": "hello"}`: "agent_not_running",
		`{"agentId": "nyx", "message": "hello"}`:   "not_found",
		`{"message": "hello"}`:                     "no_agent_fits",
	} {
		if a, err := h.try(c, h.token, http.MethodPost, "/api/chat/send", []byte(what)); err != nil || a.code() != want {
			t.Errorf("%s: %v, %s", what, err, a.raw)
		}
	}
	h.do(c, http.StatusOK, http.MethodPost, "/api/agents/polly/start", nil)
	// A call that is missing in a service that is there is no part of the published contract.
	if a, err := h.try(newForeignClient(t), h.token, http.MethodPut, "/api/agents/polly", []byte(`{"name": "Polly"}`)); err != nil || a.StatusCode != http.StatusNotImplemented {
		t.Errorf("what it does not have: %v, %s", err, a.raw)
	}
	once := headed(c, "Idempotency-Key", "k")
	message := map[string]any{"agentId": "coco", "message": "once", "conversationId": "once"}
	first := h.do(once, http.StatusOK, http.MethodPost, "/api/chat/send", message)
	again := h.do(once, http.StatusOK, http.MethodPost, "/api/chat/send", message)
	if first.json["runId"] != again.json["runId"] || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("once: %s, again: %v %s", first.raw, again.Header, again.raw)
	}
	if stdout, _, code := h.ext("describe", "runtime"); code != 0 || !strings.Contains(stdout, "offers    agents, chat, events") || !strings.Contains(stdout, "paceMs") {
		t.Errorf("ext describe: %d %s", code, stdout)
	}
}

// TestParrotsAreReplaced: turns that are under way end where they began, and nobody is refused; a program that is broken
// changes nothing.
func TestParrotsAreReplaced(t *testing.T) {
	h, program := startParrots(t, `"paceMs": 10,`)
	var turns atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	defer clients.Wait()
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	for range 4 {
		clients.Go(func() {
			c := newClient(t)
			for !t.Failed() {
				select {
				case <-stop:
					return
				default:
				}
				text := "some words that take a moment to say"
				a, err := h.try(c, h.token, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "polly", "message": text})
				if reply, _ := a.json["reply"].(map[string]any); err != nil || reply["content"] != text {
					t.Errorf("a turn: %v\n%s", err, a.raw)
				}
				turns.Add(1)
			}
		})
	}
	flows := func() { eventually(t, "turns", atLeast(&turns, turns.Load()+20)) }
	flows()
	for n := range 3 {
		putParrots(t, os.Getenv("TEST_NODE_RUNTIME"), program, n+1)
		h.runs("runtime", n+2)
		flows()
	}
	broken := program + ".broken"
	if err := os.WriteFile(broken, []byte("#!/usr/bin/env node\nconsole.error('not today')\nprocess.exit(1)\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, broken, program)
	h.says("reload failed", "not today")
	flows()
	if e := h.extension("runtime"); e.Generation != 4 || e.State != "running" {
		t.Errorf("after a mistake: %+v", e)
	}
}

// TestParrotsForget: they keep nothing over their death. Subscriptions hear a gap and go on, and so do clients.
func TestParrotsForget(t *testing.T) {
	h, _ := startParrots(t, "")
	c := newClient(t)
	k := h.authenticated(h.token)
	k.send(frame{"type": "subscribe"})
	k.until("subscribed")
	message := map[string]any{"agentId": "polly", "message": "hello", "conversationId": "c"}
	h.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", message)
	epoch, _, _ := strings.Cut(k.until("chat:reply").str("id"), "-")
	if err := syscall.Kill(h.extension("runtime").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if a := h.do(c, http.StatusNotFound, http.MethodGet, "/api/chat/conversations/c", nil); a.code() != "not_found" {
		t.Errorf("the conversation: %s", a.raw)
	}
	k.until("gap")
	h.do(c, http.StatusOK, http.MethodPost, "/api/chat/send", message)
	if now, _, _ := strings.Cut(k.until("chat:reply").str("id"), "-"); now == epoch {
		t.Errorf("the log is the same as before")
	}
}

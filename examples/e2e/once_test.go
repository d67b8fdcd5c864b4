//go:build unix

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var keyed = frame{
	"type": "chat:message", "agentId": "nyx", "conversationId": "once", "message": "Remember that my cat is called Miro.", "idempotencyKey": "a key",
}

// wholeTurn repeats keyed on a socket of its own, and reads the turn that it began from its first frame to its last.
func (s *server) wholeTurn(run string) (end frame) {
	s.t.Helper()
	k := s.authenticated(s.token)
	k.send(keyed)
	if ack := k.until("ack", "error"); ack["replayed"] != true || ack.str("runId") != run {
		s.t.Fatalf("again: %v, want run %s", ack, run)
	}
	var held any = 0.0
	for first := "chat:queued"; ; first = "" {
		f := k.read()
		if f.str("runId") != run || first != "" && f.str("type") != first || f["prevSeq"] != held {
			s.t.Fatalf("behind %v of run %s came %v", held, run, f)
		}
		held = f["seq"]
		if slices.Contains([]string{"chat:reply", "chat:failed", "chat:cancelled"}, f.str("type")) {
			return f
		}
	}
}

// TestRepeatAfterKills: a message that is said again after kill -9 of the API process, and of the host, is the one that was said
// before, and its turn comes from the beginning.
func TestRepeatAfterKills(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	k := s.authenticated(s.token)
	k.send(keyed)
	run := k.until("ack", "error").str("runId")
	if err := syscall.Kill(s.children()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	k.closed()
	if end := s.wholeTurn(run); end.str("type") != "chat:reply" {
		t.Errorf("after the API process was killed the turn ended with %v", end)
	}
	s.wholeTurn(run) // which is over

	k = s.authenticated(s.token)
	keyed := frame{"type": "chat:message", "agentId": "aria", "conversationId": "once", "message": "And my dog?", "idempotencyKey": "another key"}
	k.send(keyed)
	second := k.until("ack", "error").str("runId")
	s.kill9()
	s = start(t, data, "--set", "extensions.api.port=0")
	s.wholeTurn(run)
	k = s.authenticated(s.token)
	k.send(keyed)
	if ack := k.until("ack", "error"); ack["replayed"] != true || ack.str("runId") != second {
		t.Errorf("after the host was killed: %v", ack)
	}
	k.until("chat:queued")
	if end := k.until("chat:reply", "chat:failed"); end.str("type") == "chat:failed" && end.str("reason") != "host_restarted" {
		t.Errorf("after the host was killed the turn ended with %v", end)
	}
	conversation := s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/chat/conversations/once", nil)
	for _, message := range []string{"my cat is called Miro", "And my dog?"} {
		if n := strings.Count(string(conversation.raw), `"`+message); n > 1 {
			t.Errorf("%q was said %d times: %s", message, n, conversation.raw)
		}
	}
}

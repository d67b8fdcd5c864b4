package api_test

import (
	"fmt"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// say is a message in one conversation.
func say(onBusy string) string {
	return fmt.Sprintf(`{"type":"chat:message","agentId":"nyx","conversationId":"c","message":"Hello!","onBusy":%q}`, onBusy)
}

func details(f frame) map[string]any {
	d, _ := f["details"].(map[string]any)
	return d
}

// TestOnBusy meets a turn in its middle: with reject the message is refused, and names who is in the way; with interrupt the
// turn is cut off, and what it had said is kept.
func TestOnBusy(t *testing.T) {
	w, _, resume := haltingWorld(t)
	s := w.login("alice")
	run := s.ask(say("enqueue"), "ack").text("runId")
	for s.read().kind() != "chat:delta" {
	}
	e := w.login("alice").wantError(say("reject"), schema.CodeConversationBusy)
	if details(e)["runId"] != run || e["runId"] != nil || e.text("title") != "Conversation busy" {
		t.Errorf("rejected by %v, and %s is in the way", e, run)
	}
	other := w.login("alice")
	next := other.ask(say("interrupt"), "ack").text("runId")
	f := s.want("chat:cancelled")
	reply, _ := f["reply"].(map[string]any)
	if f.text("runId") != run || f.text("reason") != schema.ReasonInterrupted || reply["partial"] != true || reply["content"] != "half " {
		t.Errorf("interrupted: %v", f)
	}
	resume <- struct{}{}
	for f = other.read(); f.kind() != "chat:reply"; f = other.read() {
	}
	if f.text("runId") != next {
		t.Errorf("the reply is %v", f)
	}
}

// TestCancel cancels a turn, again when it is over, and again with the same key.
func TestCancel(t *testing.T) {
	w, _, _ := haltingWorld(t)
	asker, other := w.login("alice"), w.login("alice")
	run := asker.ask(say("enqueue"), "ack").text("runId")
	for asker.read().kind() != "chat:delta" {
	}
	w.login("bob").wantError(`{"type":"chat:cancel","runId":"`+run+`"}`, schema.CodeNotFound)
	for i := range 2 {
		for _, key := range []string{"", `,"idempotencyKey":"k"`} {
			ack := other.ask(fmt.Sprintf(`{"type":"chat:cancel","id":%d,"runId":%q%s}`, i, run, key), "ack")
			if ack["id"] != float64(i) || ack.text("runId") != run || ack.text("conversationId") != "c" || ack.text("agentId") != "nyx" ||
				ack.text("status") != "cancelled" || ack.text("reason") != schema.ReasonCancelled || (ack["replayed"] == true) != (i == 1 && key != "") {
				t.Errorf("cancel %d%s: %v", i, key, ack)
			}
		}
	}
	if f := asker.want("chat:cancelled"); f.text("runId") != run || f.text("reason") != schema.ReasonCancelled {
		t.Errorf("cancelled: %v", f)
	}
	asker.ask(`{"type":"ping"}`, "pong")
	other.wantError(`{"type":"chat:cancel","runId":"run_nobody"}`, schema.CodeNotFound)
	next := asker.ask(say("enqueue"), "ack").text("runId")
	other.wantError(`{"type":"chat:cancel","runId":"`+next+`","idempotencyKey":"k"}`, schema.CodeKeyReused)
}

// TestCancelOfWhatIsOver returns it as it is.
func TestCancelOfWhatIsOver(t *testing.T) {
	w := start(t, "", realHost(t))
	s := w.login("alice")
	run := s.ask(say("enqueue"), "ack").text("runId")
	for s.read().kind() != "chat:reply" {
	}
	if ack := s.ask(`{"type":"chat:cancel","runId":"`+run+`"}`, "ack"); ack.text("status") != "completed" || ack["reason"] != nil || ack["replayed"] != nil {
		t.Errorf("cancelled after the end: %v", ack)
	}
}

// TestKeyOfAnotherCommand: a key belongs to one command, of one client, of one type.
func TestKeyOfAnotherCommand(t *testing.T) {
	w := start(t, "", realHost(t))
	s := w.login("alice")
	const command = `{"type":%q,"message":%q,"context":{"skill":"programming"},"idempotencyKey":"k"}`
	run := s.ask(fmt.Sprintf(command, "chat:route", "one"), "ack").text("runId")
	for s.read().kind() != "chat:reply" {
	}
	e := s.wantError(fmt.Sprintf(command, "chat:route", "two"), schema.CodeKeyReused)
	if e["runId"] != nil || e.text("title") != "Idempotency key reused" {
		t.Errorf("reused: %v", e)
	}
	for name, ack := range map[string]frame{
		"another client": w.login("bob").ask(fmt.Sprintf(command, "chat:route", "one"), "ack"),
		"another type":   w.login("alice").ask(`{"type":"chat:message","agentId":"nyx","message":"one","idempotencyKey":"k"}`, "ack"),
	} {
		if ack["replayed"] != nil || ack.text("runId") == run {
			t.Errorf("%s: %v", name, ack)
		}
	}
}

// TestRepeatedRoute: what was routed once is not routed again, and not refused because nobody fits any more.
func TestRepeatedRoute(t *testing.T) {
	w := start(t, "", realHost(t))
	for key, conversation := range map[string]string{"new": "", "old": `,"conversationId":"mine"`} {
		command := `{"type":"chat:route","message":"I need help with coding","context":{"skill":"programming"}` + conversation + `,"idempotencyKey":%q}`
		first := w.login("alice").ask(fmt.Sprintf(command, key), "ack")
		w.do("POST", "/api/agents/nyx/stop", "", as("admin")...)
		e := w.login("alice").wantError(fmt.Sprintf(command, "another "+key), schema.CodeNoAgentFits)
		if d := details(e); d["threshold"] == nil || d["candidates"] == nil {
			t.Errorf("nobody fits: %v", e)
		}
		ack := w.login("alice").ask(fmt.Sprintf(command, key), "ack")
		if ack["replayed"] != true || ack.text("runId") != first.text("runId") || ack.text("agentId") != "nyx" || first.text("agentId") != "nyx" {
			t.Errorf("routed: %v, again: %v", first, ack)
		}
		w.do("POST", "/api/agents/nyx/start", "", as("admin")...)
	}
}

package api_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
)

// realHost opens the reference runtime, guarded as the host guards it.
func realHost(t testing.TB) schema.Services {
	t.Helper()
	return openHost(t, local.Options{})
}

// openHost is realHost with options of the test's own.
func openHost(t testing.TB, o local.Options) schema.Services {
	t.Helper()
	o.Dir = t.TempDir()
	r, err := local.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	services := guard.New(r.Services())
	services.Identity = fakeIdentity{newFakeHost()}
	return services
}

// pageBlock is the block of the reference page without its port and host.
const pageBlock = `"cors":{"origin":"*","credentials":true},"rateLimit":{"windowMs":60000,"max":1000}`

// TestPageOverREST walks the REST part of the reference page, line by line, against the reference runtime.
func TestPageOverREST(t *testing.T) {
	w := start(t, pageBlock, realHost(t))
	admin := as("admin")

	var agents schema.AgentPage
	if a := w.do("GET", "/api/agents", "", admin...); a.status != 200 {
		t.Fatalf("list: %d %s", a.status, a.body)
	} else if a.decode(t, &agents); len(agents.Agents) != 2 || agents.Agents[0].ID != "aria" || agents.Agents[1].Status != schema.AgentRunning {
		t.Fatalf("list: %s", a.body)
	}
	before := w.do("GET", "/api/agents/nyx", "", admin...)
	updated := w.do("PUT", "/api/agents/nyx", `{"description":"sees in the dark"}`, append(admin, "If-Match", before.header.Get("ETag"))...)
	if updated.status != 200 || !strings.Contains(string(updated.body), "sees in the dark") || updated.header.Get("ETag") == before.header.Get("ETag") {
		t.Errorf("update: %d %s %v", updated.status, updated.body, updated.header)
	}
	w.do("PUT", "/api/agents/nyx", `{"description":"x"}`, append(admin, "If-Match", before.header.Get("ETag"))...).problem(t, 412, schema.CodeRevisionMismatch)
	for _, act := range []string{"stop", "stop", "start", "start"} {
		if a := w.do("POST", "/api/agents/nyx/"+act, "", admin...); a.status != 200 {
			t.Errorf("%s: %d %s", act, a.status, a.body)
		}
		if act == "stop" {
			w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"x"}`, admin...).problem(t, 409, schema.CodeAgentNotRunning)
		}
	}
	w.do("POST", "/api/agents/nyx/stop", "", as("alice")...).problem(t, 403, schema.CodePermissionDenied)
	w.do("POST", "/api/agents/ghost/stop", "", as("alice")...).problem(t, 404, schema.CodeNotFound)

	chat(t, w)
	memory(t, w)
}

func chat(t *testing.T, w *world) {
	var sent struct {
		ConversationID, RunID, AgentID string
		Message, Reply                 schema.Message
		Route                          *schema.RouteDecision
	}
	for range 2 { // the second goes on with the conversation of that id
		a := w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"Hello!","conversationId":"optional-id"}`, as("alice")...)
		if a.decode(t, &sent); a.status != 200 || sent.ConversationID != "optional-id" || sent.AgentID != "nyx" || sent.RunID == "" ||
			sent.Message.Content != "Hello!" || sent.Message.Role != schema.RoleUser || sent.Reply.Role != schema.RoleAgent || sent.Reply.Content == "" {
			t.Fatalf("send: %d %s", a.status, a.body)
		}
	}
	a := w.do("POST", "/api/chat/send", `{"message":"I need help with coding","context":{"skill":"programming"}}`, as("alice")...)
	if a.decode(t, &sent); a.status != 200 || sent.AgentID != "nyx" || sent.Route == nil || sent.Route.AgentID != "nyx" {
		t.Fatalf("routed: %d %s", a.status, a.body)
	}
	w.do("POST", "/api/chat/send", `{"agentId":"ghost","message":"x"}`, as("alice")...).problem(t, 404, schema.CodeNotFound)
	w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"x","conversationId":"conv_unknown"}`, as("alice")...).problem(t, 404, schema.CodeNotFound)

	var c schema.Conversation
	if a := w.do("GET", "/api/chat/conversations/optional-id", "", as("alice")...); a.status != 200 {
		t.Fatalf("conversation: %d %s", a.status, a.body)
	} else if a.decode(t, &c); len(c.Messages) != 4 || c.MessageCount != 4 || c.NextCursor != "" {
		t.Errorf("conversation: %s", a.body)
	}
	w.do("GET", "/api/chat/conversations/optional-id", "", as("bob")...).problem(t, 404, schema.CodeNotFound)
	var seen []string
	for cursor := ""; ; {
		var page schema.ConversationPage
		w.do("GET", "/api/chat/conversations?limit=1&cursor="+url.QueryEscape(cursor), "", as("alice")...).decode(t, &page)
		for _, s := range page.Conversations {
			seen = append(seen, s.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 2 || seen[1] != "optional-id" {
		t.Errorf("conversations: %v", seen)
	}
	w.do("GET", "/api/chat/conversations?cursor=nonsense", "", as("alice")...).problem(t, 422, schema.CodeInvalidArgument)
}

func memory(t *testing.T, w *world) {
	a := w.do("POST", "/api/memory/store", `{"agentId":"nyx","content":"Remember this: the query is NEAR(x OR y)*","metadata":{}}`, as("alice")...)
	if a.status != 201 {
		t.Fatalf("store: %d %s", a.status, a.body)
	}
	if got := w.do("GET", a.header.Get("Location"), "", as("alice")...); got.status != 200 || !strings.Contains(string(got.body), "Remember this") {
		t.Errorf("GET %s = %d %s", a.header.Get("Location"), got.status, got.body)
	}
	w.do("GET", a.header.Get("Location"), "", as("bob")...).problem(t, 404, schema.CodeNotFound)
	for _, q := range []string{"query", `NEAR(x OR y)*`, `"query`, `query AND NOT`, `-query`, `que*ry query`} {
		var found struct{ Results []schema.MemoryHit }
		got := w.do("GET", "/api/memory/search?agentId=nyx&q="+url.QueryEscape(q), "", as("alice")...)
		if got.decode(t, &found); got.status != 200 || len(found.Results) != 1 || found.Results[0].Score <= 0 {
			t.Errorf("search %q: %d %s", q, got.status, got.body)
		}
	}
	w.do("POST", "/api/memory/store", `{"agentId":"ghost","content":"x"}`, as("alice")...).problem(t, 404, schema.CodeNotFound)
	w.do("POST", "/api/memory/store", `{"agentId":"nyx","content":"x","shared":true}`, as("alice")...).problem(t, 403, schema.CodePermissionDenied)
}

// TestPageOverWebSocket sends the frames of the reference page as they are written there.
func TestPageOverWebSocket(t *testing.T) {
	w := start(t, pageBlock, realHost(t))
	s := w.dial()
	s.ask(`{"type":"auth","token":"admin"}`, "auth:ok")
	f := s.ask(`{"type":"subscribe","agents":["nyx","aria"],"events":["thought","emotion","action"]}`, "subscribed")
	if f.text("head") == "" || f["recovered"] != false {
		t.Errorf("subscribed: %v", f)
	}
	ack := s.ask(`{"type":"chat:route","message":"I need help with coding","context":{"skill":"programming"}}`, "ack")
	if r, _ := ack["route"].(map[string]any); r["agentId"] != "nyx" || ack.text("agentId") != "nyx" {
		t.Errorf("ack: %v", ack)
	}
	kinds := turn(t, s, ack)
	for _, kind := range []string{"agent:thought", "agent:emotion", "chat:queued", "chat:started", "chat:reply"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	turn(t, s, s.ask(`{"type":"chat:message","agentId":"nyx","message":"Can you hack this?"}`, "ack"))
	turn(t, s, s.ask(`{"type":"chat:message","agentId":"nyx","message":"Remember that I like tea","conversationId":"`+ack.text("conversationId")+`"}`, "ack"))
	s.wantError(`{"type":"chat:message","id":"a","agentId":"ghost","message":"x"}`, schema.CodeNotFound)
	w.do("POST", "/api/agents/aria/stop", "", as("admin")...)
	s.wantError(`{"type":"chat:message","id":"b","agentId":"aria","message":"x"}`, schema.CodeAgentNotRunning)

	mine := w.login("alice")
	for text, code := range map[string]schema.ErrorCode{
		`{"type":"chat:message","agentId":"nyx","message":"x","conversationId":"conv_foreign"}`:                       schema.CodeNotFound,
		`{"type":"chat:message","agentId":"nyx","message":"x","conversationId":"` + ack.text("conversationId") + `"}`: schema.CodeNotFound,
	} {
		mine.wantError(text, code)
	}
}

// turn reads the frames of a turn to its end: in the order of the log, each once.
func turn(t *testing.T, s *socket, ack frame) map[string]int {
	t.Helper()
	kinds, seq := map[string]int{}, 0.0
	for {
		f := s.read()
		kinds[f.kind()]++
		now, _ := f["seq"].(float64)
		if now <= seq || f.text("id") == "" || f.text("time") == "" {
			t.Fatalf("after event %v came %v", seq, f)
		}
		seq = now
		switch kind := f.kind(); {
		case kind == "agent:thought" && f.text("thought") == "", kind == "agent:emotion" && f.text("emotion") == "", kind == "agent:action" && f.text("action") == "":
			t.Errorf("empty %v", f)
		case strings.HasPrefix(kind, "chat:") && f.text("runId") != ack.text("runId"):
			t.Errorf("of another turn: %v", f)
		case kind == "chat:reply":
			if r, _ := f["reply"].(map[string]any); r["content"] == "" || r["conversationId"] != ack.text("conversationId") {
				t.Errorf("reply %v", f)
			}
			return kinds
		case kind == "chat:failed", kind == "chat:cancelled":
			t.Fatalf("the turn ended with %v", f)
		}
	}
}

// TestManyTurnsAtOnce has many sockets talk in parallel, each of them several turns at a time: every frame of a turn
// reaches its asker, once, in order, behind the ack.
func TestManyTurnsAtOnce(t *testing.T) {
	w := start(t, "", realHost(t))
	const sockets, turns = 8, 6
	done := make(chan string, sockets)
	for i := range sockets {
		s := w.login("alice")
		if i%2 == 0 {
			s.ask(`{"type":"subscribe","events":["chat:*"],"agents":["aria"]}`, "subscribed")
		}
		go func() { done <- manyTurns(s, turns) }()
	}
	for range sockets {
		if wrong := <-done; wrong != "" {
			t.Error(wrong)
		}
	}
}

func manyTurns(s *socket, turns int) (wrong string) {
	for i := range turns {
		s.send(fmt.Sprintf(`{"type":"chat:message","id":%d,"agentId":"nyx","message":"hello %d"}`, i, i))
	}
	last := map[string]float64{} // of each turn, the last frame
	for acks, replies := 0, 0; replies < turns; {
		f, err := s.next()
		if err != nil {
			return fmt.Sprintf("read: %v", err)
		}
		run := f.text("runId")
		seq, known := last[run]
		switch now, _ := f["seq"].(float64); {
		case f.kind() == "ack":
			if f["id"] != float64(acks) || known {
				return fmt.Sprintf("ack %d is %v, frames before it: %v", acks, f, known)
			}
			acks++
			last[run] = 0
		case !known || now <= seq:
			return fmt.Sprintf("frame %v came after %v of a turn that was acknowledged: %v", f, seq, known)
		case f.kind() == "chat:reply":
			replies++
			fallthrough
		default:
			last[run] = now
		}
	}
	return ""
}

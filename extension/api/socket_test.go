package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

// TestBadFrames tries whatever a client can send: an error each, and the socket stays.
func TestBadFrames(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	s := w.login("alice")
	for text, at := range map[string][]string{
		`{}`:                                                    {"type"},
		`{"type":1}`:                                            {"type"},
		`{"type":null}`:                                         {"type"},
		`{"type":"what","extra":1}`:                             {"type"},
		`{"type":"ping","extra":1}`:                             {"extra"},
		`{"type":"ping","id":{}}`:                               {"id"},
		`{"type":"ping","id":null}`:                             {"id"},
		`{"type":"auth"}`:                                       {"token"},
		`{"type":"auth","token":""}`:                            {"token"},
		`{"type":"auth","token":["x"]}`:                         {"token"},
		`{"type":"ping","type":"ping"}`:                         {"type"},
		`{"type":"subscribe","since":"yesterday"}`:              {"since"},
		`{"type":"subscribe","since":7}`:                        {"since"},
		`{"type":"subscribe","since":""}`:                       {"since"},
		`{"type":"subscribe","since":"x-01"}`:                   {"since"},
		`{"type":"unsubscribe","since":"x-1"}`:                  {"since"},
		`{"type":"subscribe","agents":"nyx"}`:                   {"agents"},
		`{"type":"subscribe","agents":[1]}`:                     {"agents"},
		`{"type":"subscribe","agents":null}`:                    {"agents"},
		`{"type":"subscribe","events":["thought","dreams"]}`:    {"events"},
		`{"type":"subscribe","agents":["a b"]}`:                 {"agents"},
		`{"type":"chat:message","agentId":"nyx"}`:               {"message"},
		`{"type":"chat:message","message":"x"}`:                 {"agentId"},
		`{"type":"chat:message","agentId":"nyx","message":" "}`: {"message"},
		`{"type":"chat:message","agentId":7,"message":{},"context":[],"a":1,"b":2}`:                                 {"a", "agentId", "b", "context", "message"},
		`{"type":"chat:message","agentId":"nyx","message":"x","context":{"a":1,"a":2}}`:                             {"context.a"},
		`{"type":"chat:route","agentId":"nyx","message":"x"}`:                                                       {"agentId"},
		`{"type":"chat:message","agentId":"nyx","message":"x","conversationId":"a/b"}`:                              {"conversationId"},
		`{"type":"chat:message","agentId":"nyx","message":"x","onBusy":"wait"}`:                                     {"onBusy"},
		`{"type":"chat:route","message":"x","onBusy":1}`:                                                            {"onBusy"},
		`{"type":"chat:message","agentId":"nyx","message":"x","idempotencyKey":""}`:                                 {"idempotencyKey"},
		`{"type":"chat:message","agentId":"nyx","message":"x","idempotencyKey":7}`:                                  {"idempotencyKey"},
		`{"type":"chat:message","agentId":"nyx","message":"x","idempotencyKey":"` + strings.Repeat("x", 256) + `"}`: {"idempotencyKey"},
		`{"type":"subscribe","idempotencyKey":"k"}`:                                                                 {"idempotencyKey"},
		`{"type":"chat:cancel"}`:                                                                 {"runId"},
		`{"type":"chat:cancel","runId":["x"],"message":"x"}`:                                     {"message", "runId"},
		`{"type":"ping","id":"` + strings.Repeat("x", 129) + `"}`:                                {"id"},
		`{"type":"` + strings.Repeat("x", 100_000) + `"}`:                                        {"type"},
		`{"type":"chat:message","agentId":"nyx","message":"` + strings.Repeat("x", 65537) + `"}`: {"message"},
	} {
		f := s.wantError(text, schema.CodeInvalidArgument)
		var got []string
		errs, _ := f["errors"].([]any)
		for _, e := range errs {
			got = append(got, e.(map[string]any)["location"].(string))
		}
		if slices.Sort(got); !slices.Equal(got, at) {
			t.Errorf("%.80s: errors at %v, want %v", text, got, at)
		}
	}
	if f := s.wantError(`{"type":"subscribe","id":"s","agents":["nyx","ghost","spook"]}`, schema.CodeNotFound); !strings.Contains(f.text("detail"), "ghost, spook") || f["id"] != "s" {
		t.Errorf("unknown agents: %v", f)
	}
	s.ask(`{"type":"ping"}`, "pong")
}

func TestFramesThatEndTheSocket(t *testing.T) {
	w := start(t, `"limits":{"frameBytes":2048}`, newFakeHost().services())
	for name, c := range map[string]struct {
		kind websocket.MessageType
		text string
		code int
	}{
		"not JSON":         {websocket.MessageText, `hello`, 4400},
		"empty":            {websocket.MessageText, ``, 4400},
		"half":             {websocket.MessageText, `{"type":`, 4400},
		"a list":           {websocket.MessageText, `[]`, 4400},
		"null":             {websocket.MessageText, `null`, 4400},
		"two":              {websocket.MessageText, `{"type":"ping"}{}`, 4400},
		"half a character": {websocket.MessageText, `{"type":"ping","id":"\ud800"}`, 4400},
		"deep":             {websocket.MessageText, `{"type":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 4400},
		"binary":           {websocket.MessageBinary, `{"type":"ping"}`, 4400},
		"too big":          {websocket.MessageText, `{"type":"ping","id":"` + strings.Repeat("x", 4096) + `"}`, 1009},
		"very much so":     {websocket.MessageText, strings.Repeat("x", 4<<20), 1009},
		"not UTF-8":        {websocket.MessageText, "{\"type\":\"ping\",\"id\":\"\xff\"}", 1007},
		"not UTF-8 at all": {websocket.MessageText, "\xff\xfe", 1007},
	} {
		for _, authed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, authed), func(t *testing.T) {
				w := w.of(t)
				s := w.dial()
				if authed {
					s.ask(`{"type":"auth","token":"alice"}`, "auth:ok")
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := s.conn.Write(ctx, c.kind, []byte(c.text)); err != nil {
					t.Fatal(err)
				}
				frames := s.wantClose(c.code)
				if c.code != 1007 && (len(frames) != 1 || frames[0].kind() != "error") {
					t.Errorf("before the close came %v", frames)
				}
			})
		}
	}
}

// TestWhatWasSentBeforeTheEndIsCarriedOut: a client that says goodbye, or makes a mistake, behind its commands.
func TestWhatWasSentBeforeTheEndIsCarriedOut(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for name, end := range map[string][]byte{
		"goodbye":      {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8},
		"binary frame": {0x82, 0x81, 0, 0, 0, 0, 'x'},
		"not JSON":     masked("{"),
	} {
		t.Run(name, func(t *testing.T) {
			raw := dialRaw(t, w, "alice")
			var all []byte
			for i := range 20 {
				all = append(all, masked(fmt.Sprintf(`{"type":"chat:message","agentId":"nyx","message":"m%d"}`, i))...)
			}
			if _, err := raw.conn.Write(append(all, end...)); err != nil {
				t.Fatal(err)
			}
			acks := 0
			for {
				op, payload, err := raw.frame()
				if err != nil {
					t.Fatal(err)
				}
				if op == 8 {
					break
				}
				if strings.HasPrefix(string(payload), `{"type":"ack"`) {
					acks++
				}
			}
			if acks != 20 {
				t.Errorf("%d of 20 commands were answered", acks)
			}
		})
	}
}

func TestSubscriptionNames(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	s := w.login("alice")
	for text, want := range map[string]string{
		`{"type":"subscribe","agents":["nyx","aria"],"events":["thought","emotion","action"]}`: "[aria nyx] [agent:thought agent:emotion agent:action]",
		`{"type":"subscribe","events":["chat:*"]}`:                                             "[*] [chat:queued chat:started chat:delta chat:reply chat:failed chat:cancelled]",
		`{"type":"subscribe","events":["chat:reply","reply","status"],"agents":["nyx","nyx"]}`: "[nyx] [agent:status chat:reply]",
		`{"type":"subscribe","agents":[],"events":[]}`:                                         "[] []",
		`{"type":"subscribe","agents":["*"],"events":["agent:*"]}`:                             "[*] [agent:thought agent:emotion agent:action agent:status agent:updated agent:created agent:deleted]",
	} {
		f := s.ask(text, "subscribed")
		if got := fmt.Sprint(f["agents"], " ", f["events"]); got != want || f["recovered"] != false || f.text("head") != "fake-0" {
			t.Errorf("%s was answered by %v, want %s", text, f, want)
		}
	}
	s.ask(`{"type":"unsubscribe"}`, "unsubscribed")
}

func TestSubscriptionIsExact(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	s := w.login("alice")
	thought := func(agent string) {
		f.emit(schema.Event{Type: schema.EventThought, AgentID: agent, Payload: schema.NewPayload(schema.Thought{Thought: "t"})})
	}
	emotion := func(agent string) {
		f.emit(schema.Event{Type: schema.EventEmotion, AgentID: agent, Payload: schema.NewPayload(schema.EmotionChange{Emotion: "calm"})})
	}
	s.ask(`{"type":"subscribe","events":["thought"]}`, "subscribed")
	s.ask(`{"type":"unsubscribe","agents":["nyx"],"events":["thought"]}`, "unsubscribed")
	s.ask(`{"type":"subscribe","agents":["aria"],"events":["emotion"]}`, "subscribed")
	thought("nyx")
	emotion("nyx")
	thought("later") // an agent that nobody has heard of yet
	emotion("later")
	emotion("aria")
	if f := s.want("agent:thought"); f.text("agentId") != "later" {
		t.Errorf("got %v", f)
	}
	if f := s.want("agent:emotion"); f.text("agentId") != "aria" {
		t.Errorf("got %v", f)
	}
	f.emit(schema.Event{Type: schema.EventThought, AgentID: "aria", Principal: "bob", Payload: schema.NewPayload(schema.Thought{Thought: "secret"})})
	f.emit(schema.Event{Type: schema.EventThought, AgentID: "aria", Principal: "alice", Payload: schema.NewPayload(schema.Thought{Thought: "mine"})})
	if f := s.want("agent:thought"); f.text("thought") != "mine" || f.text("id") != "fake-7" || f["seq"] != 7.0 || f.text("time") == "" {
		t.Errorf("got %v", f)
	}
	s.ask(`{"type":"unsubscribe"}`, "unsubscribed")
	thought("later")
	s.ask(`{"type":"ping"}`, "pong")
	admin := w.login("admin")
	admin.ask(`{"type":"subscribe"}`, "subscribed")
	f.emit(schema.Event{Type: schema.EventThought, AgentID: "aria", Principal: "bob", Payload: schema.NewPayload(schema.Thought{Thought: "secret"})})
	admin.want("agent:thought")
}

// TestTurnFrames shows that the asker gets the frames of its turn once, in order, behind the ack, and nobody else does.
func TestTurnFrames(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	asker, also, other := w.login("alice"), w.login("alice"), w.login("bob")
	also.ask(`{"type":"subscribe","events":["chat:*","thought"]}`, "subscribed")
	other.ask(`{"type":"subscribe"}`, "subscribed")
	for i := range 50 {
		if i == 25 { // from now on it is subscribed too, which must not double anything
			asker.ask(`{"type":"subscribe","events":["chat:*"]}`, "subscribed")
		}
		ack := asker.ask(fmt.Sprintf(`{"type":"chat:message","id":%d,"agentId":"nyx","message":"m%d"}`, i, i), "ack")
		run := ack.text("runId")
		if ack["id"] != float64(i) || !strings.HasPrefix(run, "run_") || ack.text("agentId") != "nyx" || ack.text("conversationId") == "" {
			t.Fatalf("ack %v", ack)
		}
		queued, reply := asker.want("chat:queued"), asker.want("chat:reply")
		if queued.text("runId") != run || reply.text("runId") != run || queued["seq"].(float64)+2 != reply["seq"].(float64) {
			t.Fatalf("turn %d: %v %v", i, queued, reply)
		}
		for _, kind := range []string{"chat:queued", "agent:thought", "chat:reply"} {
			also.want(kind)
		}
	}
	other.ask(`{"type":"ping"}`, "pong") // and nothing came before it
}

func TestRoute(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	s := w.login("alice")
	for _, text := range []string{
		`{"type":"chat:route","message":"I need help with coding","context":{"skill":"programming"}}`,
		`{"type":"chat:route","message":"and again","conversationId":"mine"}`,
	} {
		ack := s.ask(text, "ack")
		if r, _ := ack["route"].(map[string]any); r["agentId"] != "nyx" {
			t.Errorf("ack %v", ack)
		}
		s.want("chat:queued")
		s.want("chat:reply")
	}
}

// TestFramesWaitForTheAck has the turn finish before it is accepted, as far as the socket can tell.
func TestFramesWaitForTheAck(t *testing.T) {
	f := newFakeHost()
	release := make(chan struct{})
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		f.echo(ctx, r, func(e schema.ChatEvent, err error) bool {
			if e.Accepted != nil {
				f.emit(schema.Event{Type: schema.EventStatus, AgentID: "aria"})
				select {
				case <-release:
				case <-ctx.Done():
				}
			}
			return yield(e, err)
		})
	}
	w := start(t, "", f.services())
	s, witness := w.login("alice"), w.login("alice")
	s.ask(`{"type":"subscribe","events":["status","thought"]}`, "subscribed")
	witness.ask(`{"type":"subscribe","events":["status"]}`, "subscribed")
	f.emit(schema.Event{Type: schema.EventStatus, AgentID: "nyx"})
	s.send(`{"type":"chat:message","agentId":"nyx","message":"x"}`)
	s.want("agent:status") // of before the turn: not held back
	witness.want("agent:status")
	witness.want("agent:status") // the whole turn has been fanned out by now
	s.send(`{"type":"subscribe","events":["emotion"]}`)
	close(release)
	for _, kind := range []string{"ack", "chat:queued", "agent:thought", "chat:reply", "agent:status", "subscribed"} {
		s.want(kind)
	}
}

func TestSendThatFails(t *testing.T) {
	f := newFakeHost()
	f.send = func(ctx context.Context, r schema.SendRequest, yield func(schema.ChatEvent, error) bool) {
		switch r.Message {
		case "refused":
			yield(schema.ChatEvent{}, schema.Errorf(schema.CodeAgentNotRunning, "nyx is stopped"))
		case "panic":
			panic("ouch")
		case "silent":
		default: // accepted, as its events show, but the host breaks before it can say so
			f.echo(ctx, r, func(schema.ChatEvent, error) bool { return false })
			yield(schema.ChatEvent{}, schema.Errorf(schema.CodeUnavailable, "dial unix /secret: broken"))
		}
	}
	w := start(t, "", f.services())
	s := w.login("alice")
	if f := s.wantError(`{"type":"chat:message","id":1,"agentId":"nyx","message":"refused"}`, schema.CodeAgentNotRunning); f["id"] != 1.0 || f["runId"] != nil {
		t.Errorf("refused: %v", f)
	}
	s.wantError(`{"type":"chat:message","agentId":"nyx","message":"panic"}`, schema.CodeInternal)
	s.wantError(`{"type":"chat:message","agentId":"nyx","message":"silent"}`, schema.CodeInternal)
	e := s.wantError(`{"type":"chat:message","agentId":"nyx","message":"lost"}`, schema.CodeUnavailable)
	if e.text("runId") == "" || strings.Contains(fmt.Sprint(e), "secret") {
		t.Errorf("lost: %v", e)
	}
	for _, kind := range []string{"chat:queued", "chat:reply"} { // it was accepted after all, and its frames come
		if f := s.want(kind); f.text("runId") != e.text("runId") {
			t.Errorf("%v", f)
		}
	}
}

// TestHubResumes breaks the stream of events: nothing is lost, nothing comes twice.
func TestHubResumes(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	s := w.login("alice")
	s.ask(`{"type":"subscribe"}`, "subscribed")
	for i := range 30 {
		f.emit(schema.Event{Type: schema.EventStatus, AgentID: "nyx"})
		if i%10 == 5 {
			f.breakStreams()
		}
	}
	for i := range 30 {
		if f := s.want("agent:status"); f["seq"] != float64(i+1) {
			t.Fatalf("event %d is %v", i+1, f)
		}
	}
	eventually(t, "ready again", func() bool { return w.do("GET", "/readyz", "").status == 200 })
}

// TestGap tells everybody who listens that events are gone.
func TestGap(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	s, deaf := w.login("alice"), w.login("alice")
	s.ask(`{"type":"subscribe","events":["reply"]}`, "subscribed")
	f.emit(schema.Event{Type: schema.EventGap, Payload: schema.NewPayload(schema.Gap{Requested: "fake-0", FirstAvailable: "fake-9", Head: "fake-9"})})
	if f := s.want("gap"); f.text("firstAvailable") != "fake-9" {
		t.Errorf("gap %v", f)
	}
	deaf.ask(`{"type":"ping"}`, "pong")
}

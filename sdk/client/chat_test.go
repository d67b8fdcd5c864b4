package client_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

const run = "run_1"

// message reads a message.
func (p *peer) message() frame {
	f := p.read()
	if f != nil && (f["type"] != "chat:message" && f["type"] != "chat:route" || f["idempotencyKey"] == nil) {
		p.t.Errorf("the client said %v, and no message with a key", f)
	}
	return f
}

// heard reads a message and acknowledges it as that run.
func (p *peer) heard(id string) frame {
	f := p.message()
	p.ack(f, id, false)
	return f
}

func (p *peer) ack(f frame, id string, replayed bool) {
	p.send(frame{"type": "ack", "id": f["id"], "conversationId": "c", "runId": id, "agentId": "nyx", "replayed": replayed})
}

// turn sends an event of a turn.
func (p *peer) turn(seq, prev int, kind, id string, payload frame) {
	e := event(seq, prev)
	delete(e, "thought")
	e["type"], e["runId"], e["conversationId"] = kind, id, "c"
	for k, v := range payload {
		e[k] = v
	}
	p.send(e)
}

func delta(text string) frame { return frame{"delta": text, "index": 0} }
func reply(text string) frame {
	return frame{"reply": frame{"id": "m", "role": "agent", "content": text}}
}

func hello(t *testing.T, c *client.Client) *client.Turn {
	t.Helper()
	turn, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(turn.Close)
	return turn
}

// TestTurn: a turn has its events and its reply, and the next one goes over the same socket.
func TestTurn(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		if n > 1 {
			t.Errorf("there is a socket %d", n)
		}
		p.greet()
		for i := range 3 {
			at, id := 10*i+6, fmt.Sprint("run_", i)
			f := p.heard(id)
			if want := fmt.Sprint("message ", i); f["message"] != want || f["conversationId"] != "c" || f["context"] == nil {
				t.Errorf("heard %v, want %q", f, want)
			}
			prev := 0
			if i > 0 {
				prev = at - 8
			}
			p.turn(at, prev, "chat:queued", id, nil)
			p.turn(at+1, at, "chat:delta", id, delta("a"))
			p.turn(at+2, at+1, "chat:reply", id, reply(fmt.Sprint("reply ", i)))
		}
		p.wait()
	}, nil)
	for i := range 3 {
		m := client.Message{AgentID: "nyx", ConversationID: "c", Text: fmt.Sprint("message ", i), Context: schema.Object{"a": 1}}
		turn, err := c.Chat(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for e, err := range turn.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, string(e.Type))
		}
		if got := strings.Join(kinds, " "); got != "chat:queued chat:delta chat:reply" {
			t.Errorf("turn %d has %s", i, got)
		}
		if r, err := turn.Reply(t.Context()); err != nil || r.Content != fmt.Sprint("reply ", i) {
			t.Errorf("turn %d: %+v, %v", i, r, err)
		}
		if _, err := turn.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Errorf("after its end: %v", err)
		}
	}
}

// TestRefusedMessage: an answer that says no leaves the socket as it was.
func TestRefusedMessage(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		if n > 1 {
			t.Errorf("there is a socket %d", n)
		}
		p.greet()
		f := p.read()
		p.send(frame{"type": "error", "id": f["id"], "code": "agent_not_running", "detail": "it is stopped", "requestId": "req_1"})
		p.heard(run)
		p.turn(6, 0, "chat:failed", run, frame{"reason": "brain_error", "error": "it hurts"})
		p.wait()
	}, nil)
	_, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"})
	var e *client.Error
	if !errors.As(err, &e) || e.Code != schema.CodeAgentNotRunning || e.RequestID != "req_1" || errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("got %v", err)
	}
	for _, m := range []client.Message{{}, {AgentID: "a/b", Text: "x"}, {Text: strings.Repeat("x", schema.MaxMessageBytes+1)}, {Text: "\xff"}} {
		if _, err := c.Chat(t.Context(), m); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("a wrong message: %v", err)
		}
	}
	control := strings.Repeat("\x01", schema.MaxMessageBytes) // which is six times as long in JSON
	if _, err := c.Chat(t.Context(), client.Message{Text: control}); schema.CodeOf(err) != schema.CodeTooLarge {
		t.Errorf("a long frame: %v", err)
	}
	_, err = hello(t, c).Reply(t.Context())
	if err == nil || err.Error() != "the turn of nyx is failed: brain_error: it hurts" {
		t.Errorf("got %v", err)
	}
}

// TestAnIdleSocketThatHasGone is not used for the next message.
func TestAnIdleSocketThatHasGone(t *testing.T) {
	gone := make(chan struct{})
	c := scripted(t, func(n int, p *peer) {
		p.greet()
		p.heard(run)
		p.turn(6, 0, "chat:reply", run, reply("yes"))
		if n == 1 {
			p.send(frame{"type": "server:draining", "retryAfterMs": 1})
			p.close(1012) // waits for the client to have seen it
			close(gone)
			return
		}
		p.wait()
	}, nil)
	for range 2 {
		if r, err := hello(t, c).Reply(t.Context()); err != nil || r.Content != "yes" {
			t.Errorf("got %+v, %v", r, err)
		}
		<-gone
	}
}

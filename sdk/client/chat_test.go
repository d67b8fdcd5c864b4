package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

const run = "run_1"

// heard reads a message and acknowledges it as that run.
func (p *peer) heard(id string) frame {
	f := p.read()
	if f != nil && f["type"] != "chat:message" && f["type"] != "chat:route" {
		p.t.Errorf("the client said %v, and no message", f)
	}
	p.send(frame{"type": "ack", "id": f["id"], "conversationId": "c", "runId": id, "agentId": "nyx"})
	return f
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

// silent answers a subscription to nothing, with which a socket begins that talks.
func (p *peer) silent(head int) {
	if f := p.subscribed(head, true); f != nil && (fmt.Sprint(f["events"]) != "[]" || f["since"] != nil || f["agents"] != nil) {
		p.t.Errorf("the client subscribed to %v, and needs nothing", f)
	}
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
		p.silent(5)
		for i := range 3 {
			at, id := 10*i+6, fmt.Sprint("run_", i)
			f := p.heard(id)
			if want := fmt.Sprint("message ", i); f["message"] != want || f["conversationId"] != "c" || f["context"] == nil {
				t.Errorf("heard %v, want %q", f, want)
			}
			prev := at - 1
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

// TestTurnOverALostSocket: the rest of the turn comes on the next one, which asks for it, and for what only it needs.
func TestTurnOverALostSocket(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		switch n {
		case 1:
			p.silent(5)
			p.heard(run)
			p.turn(8, 5, "chat:queued", run, nil)
			p.turn(9, 8, "chat:delta", run, delta("a"))
		case 2:
			if f := p.subscribed(0, true); f["since"] != place(9) || fmt.Sprint(f["agents"], f["events"]) != "[nyx] [chat:*]" {
				t.Errorf("it goes on with %v", f)
			}
			p.turn(10, 9, "chat:reply", "run_of_another", reply("no"))
			p.turn(11, 10, "chat:delta", run, delta("b"))
			p.turn(12, 11, "chat:reply", run, reply("ab"))
			p.wait()
		case 3: // the second turn: a socket that sees the turns of others is not kept
			p.silent(12)
			p.heard(run + "x")
			p.turn(13, 12, "chat:cancelled", run+"x", frame{"reason": "agent_stopped"})
			p.wait()
		}
	}, nil)
	turn := hello(t, c)
	var text string
	for d, err := range turn.Deltas(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		text += d
	}
	if r, err := turn.Reply(t.Context()); err != nil || r.Content != "ab" || text != "ab" {
		t.Errorf("got %q and %+v, %v", text, r, err)
	}
	turn = hello(t, c)
	var failed *client.TurnError
	for d, err := range turn.Deltas(t.Context()) {
		if !errors.As(err, &failed) {
			t.Errorf("got %q, %v", d, err)
		}
	}
	if _, err := turn.Reply(t.Context()); !errors.As(err, &failed) || failed.Reason != schema.ReasonAgentStopped || failed.Status != schema.RunCancelled {
		t.Errorf("a cancelled turn: %v", err)
	}
}

// TestUnknownOutcome: a message whose answer is lost is not sent again.
func TestUnknownOutcome(t *testing.T) {
	for name, answer := range map[string]func(p *peer, id any){
		"cut off": func(*peer, any) {},
		"drained": func(p *peer, _ any) { p.send(frame{"type": "server:draining", "retryAfterMs": 1}); p.close(1012) },
		"the server does not know": func(p *peer, id any) {
			p.send(frame{"type": "error", "id": id, "code": "unavailable", "detail": "x", "runId": run})
			p.wait()
		},
		"nonsense": func(p *peer, id any) { p.send(frame{"type": "ack", "id": id}); p.wait() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := scripted(t, func(n int, p *peer) {
				p.silent(5)
				f := p.read()
				if n == 1 {
					answer(p, f["id"])
				} else if f != nil {
					t.Errorf("the client says %v", f)
				}
			}, nil)
			_, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"})
			if !errors.Is(err, client.ErrUnknownOutcome) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := scripted(t, func(_ int, p *peer) {
			p.silent(5)
			p.read()
			cancel()
			p.wait()
		}, nil)
		if _, err := c.Chat(ctx, client.Message{Text: "Hello!"}); !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestRefusedMessage: an answer that says no leaves the socket as it was.
func TestRefusedMessage(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		if n > 1 {
			t.Errorf("there is a socket %d", n)
		}
		p.silent(5)
		f := p.read()
		p.send(frame{"type": "error", "id": f["id"], "code": "agent_not_running", "detail": "it is stopped", "requestId": "req_1"})
		p.heard(run)
		p.turn(6, 5, "chat:failed", run, frame{"reason": "brain_error", "error": "it hurts"})
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
		p.silent(5)
		p.heard(run)
		p.turn(6, 5, "chat:reply", run, reply("yes"))
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

// TestTurnBehindAGap: when the log has lost the end of a turn, its conversation has it.
func TestTurnBehindAGap(t *testing.T) {
	for name, x := range map[string]struct {
		role schema.Role
		want string
	}{
		"reply":    {schema.RoleAgent, "kept"},
		"failed":   {schema.RoleSystem, "the turn of nyx is failed: kept"},
		"not over": {schema.RoleUser, "late"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			mux := http.NewServeMux()
			mux.HandleFunc("GET /api/chat/conversations/c", func(w http.ResponseWriter, _ *http.Request) {
				if asked++; asked == 1 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				_ = json.NewEncoder(w).Encode(schema.Conversation{Messages: []schema.Message{{RunID: run, Role: x.role, Content: "kept"}}})
			})
			c := scripted(t, func(n int, p *peer) {
				if n == 1 {
					p.silent(5)
					p.heard(run)
					return
				}
				p.subscribed(0, false)
				p.send(frame{"type": "gap", "id": place(50), "seq": 50, "requested": place(5), "firstAvailable": place(51), "head": place(50)})
				if x.role == schema.RoleUser {
					p.turn(51, 50, "chat:reply", run, reply("late"))
				}
				p.wait()
			}, mux)
			turn := hello(t, c)
			if e := next(t, turn); e.Type != schema.EventGap {
				t.Errorf("got %s, want the gap", e.Type)
			}
			r, err := turn.Reply(t.Context())
			if got := r.Content; got != x.want && (err == nil || err.Error() != x.want) {
				t.Errorf("got %q, %v; want %q", got, err, x.want)
			}
		})
	}
}

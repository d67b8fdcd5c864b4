package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// repeated reads a message, which must be the one that was sent before: all but its id.
func (p *peer) repeated(first *atomic.Value) frame {
	f := p.message()
	if f != nil {
		for name, value := range first.Load().(frame) {
			if name != "id" && fmt.Sprint(f[name]) != fmt.Sprint(value) {
				p.t.Errorf("said again, %s is %v and not %v", name, f[name], value)
			}
		}
	}
	return f
}

// again sends an event of a turn that lies behind the place of the socket.
func (p *peer) again(seq int, kind, id string, payload frame) {
	e := frame{"type": kind, "id": place(seq), "seq": seq, "agentId": "nyx", "runId": id, "conversationId": "c"}
	for k, v := range payload {
		e[k] = v
	}
	p.send(e)
}

// TestSaidUntilAccepted: whatever comes in the place of the answer, the message is said again with the same key, and has one turn.
func TestSaidUntilAccepted(t *testing.T) {
	refuse := func(code string, more frame) func(*peer, any) bool {
		return func(p *peer, id any) bool {
			f := frame{"type": "error", "id": id, "code": code, "detail": "x", "retryable": true}
			for k, v := range more {
				f[k] = v
			}
			p.send(f)
			return more["runId"] == nil // the socket is as good as before
		}
	}
	for name, answer := range map[string]func(p *peer, id any) (stays bool){
		"cut off": func(*peer, any) bool { return false },
		"drained": func(p *peer, _ any) bool {
			p.send(frame{"type": "server:draining", "retryAfterMs": 1})
			p.close(1012)
			return false
		},
		"nonsense":                 func(p *peer, id any) bool { p.send(frame{"type": "ack", "id": id}); p.wait(); return false },
		"rate limited":             refuse("rate_limited", frame{"retryAfterMs": 2}),
		"busy":                     refuse("busy", nil),
		"the server does not know": refuse("unavailable", frame{"runId": "run_of_the_first_try"}),
		"the server is wrong":      refuse("internal", frame{"runId": "run_of_the_first_try", "retryable": false}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first atomic.Value
			c := scripted(t, func(n int, p *peer) {
				p.greet()
				switch n {
				case 1:
					f := p.message()
					first.Store(f)
					if !answer(p, f["id"]) {
						return
					}
				case 2:
				default:
					t.Errorf("there is a socket %d", n)
				}
				p.ack(p.repeated(&first), run, true)
				p.turn(6, 0, "chat:queued", run, nil)
				p.turn(7, 6, "chat:reply", run, reply("yes"))
				p.wait()
			}, nil)
			turn := hello(t, c)
			if turn.RunID != run {
				t.Errorf("the run is %s", turn.RunID)
			}
			if got := kinds(t, turn); got != "chat:queued chat:reply" {
				t.Errorf("the turn has %s", got)
			}
		})
	}
}

// kinds reads a turn to its end.
func kinds(t *testing.T, turn *client.Turn) string {
	t.Helper()
	var kinds []string
	for e, err := range turn.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, string(e.Type))
	}
	return strings.Join(kinds, " ")
}

// TestTurnOverLostSockets: the turn comes again from its beginning on every socket, and what has been handed over is left out.
func TestTurnOverLostSockets(t *testing.T) {
	var first atomic.Value
	c := scripted(t, func(n int, p *peer) {
		p.greet()
		if n == 1 {
			first.Store(p.heard(run))
			p.turn(8, 0, "chat:queued", run, nil)
			p.turn(9, 8, "chat:delta", run, delta("a"))
			return
		}
		if n == 5 {
			t.Error("another socket for the next message")
		}
		p.ack(p.repeated(&first), run, true)
		switch n {
		case 2: // cut off before it is where the client was
			p.turn(8, 0, "chat:queued", run, nil)
		case 3:
			p.turn(8, 0, "chat:queued", run, nil)
			p.turn(9, 8, "chat:delta", run, delta("a"))
			p.turn(10, 9, "chat:delta", run, delta("b"))
			p.turn(14, 11, "chat:delta", run, delta("d")) // 11 was lost on the way
			p.wait()
		case 4: // behind the place of the socket, as on one that has told of another turn
			p.turn(20, 0, "chat:started", "run_of_another", nil)
			p.again(8, "chat:queued", run, nil)
			p.again(9, "chat:delta", run, delta("a"))
			p.again(10, "chat:delta", run, delta("b"))
			p.again(11, "chat:delta", run, delta("c"))
			p.turn(21, 20, "chat:reply", run, reply("abc"))
			if f := p.heard("run_2"); f["message"] != "Hello!" || f["idempotencyKey"] == first.Load().(frame)["idempotencyKey"] {
				t.Errorf("the next message, on the same socket, is %v", f)
			}
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
	if r, err := turn.Reply(t.Context()); err != nil || r.Content != "abc" || text != "abc" {
		t.Errorf("got %q and %+v, %v", text, r, err)
	}
	hello(t, c)
}

// TestTurnThatIsGone: what the log does not have any more is told by a gap, and the end comes nevertheless.
func TestTurnThatIsGone(t *testing.T) {
	for name, x := range map[string]struct {
		tell func(p *peer)
		want string
		err  schema.ErrorCode
	}{
		"all but the end":    {func(p *peer) { p.turn(50, 0, "chat:reply", run, reply("yes")) }, "chat:queued gap chat:reply", ""},
		"the end, too":       {func(p *peer) { p.send(frame{"type": "chat:reply", "runId": run, "reply": frame{"content": "yes"}}) }, "chat:queued gap chat:reply", ""},
		"the end had come":   {func(p *peer) { p.turn(6, 0, "chat:queued", run, nil); p.turn(7, 6, "chat:reply", run, reply("yes")) }, "chat:queued chat:reply", ""},
		"its conversation":   {func(p *peer) { p.send(frame{"type": "error", "code": "not_found", "detail": "x", "runId": run}) }, "chat:queued", schema.CodeNotFound},
		"a gap in its midst": {nil, "chat:queued gap chat:reply", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := scripted(t, func(n int, p *peer) {
				p.greet()
				if n == 1 {
					p.heard(run)
					p.turn(6, 0, "chat:queued", run, nil)
					if x.tell == nil {
						p.send(frame{"type": "gap", "id": place(40), "seq": 40, "requested": place(6), "firstAvailable": place(41), "head": place(60)})
						p.wait()
					}
					return
				}
				p.ack(p.message(), run, true)
				if x.tell == nil {
					p.again(6, "chat:queued", run, nil)
					p.turn(50, 0, "chat:reply", run, reply("yes"))
				} else {
					x.tell(p)
				}
				p.wait()
			}, nil)
			turn := hello(t, c)
			var got []string
			var last error
			for e, err := range turn.All(t.Context()) {
				if last = err; err == nil {
					got = append(got, string(e.Type))
				}
			}
			if strings.Join(got, " ") != x.want || schema.CodeOf(last) != x.err || errors.Is(last, client.ErrUnknownOutcome) {
				t.Errorf("got %v, %v; want %s", got, last, x.want)
			}
		})
	}
}

// TestAnotherRun: a server that takes the message for a new one has lost the turn.
func TestAnotherRun(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		p.greet()
		p.heard(fmt.Sprint("run_", n))
		if n > 1 {
			p.wait()
		}
	}, nil)
	if _, err := hello(t, c).Reply(t.Context()); err == nil || !strings.Contains(err.Error(), "has begun run run_2") {
		t.Errorf("got %v", err)
	}
}

// TestRefusedForGood: an answer that would be the same again is told, and says what is known.
func TestRefusedForGood(t *testing.T) {
	for name, x := range map[string]struct {
		cut     bool // the first try
		code    string
		tries   int64 // that the server has answered
		unknown bool
	}{
		"key reused":             {false, "idempotency_key_reused", 1, false},
		"no agent fits":          {false, "no_agent_fits", 1, false},
		"refused when looked at": {true, "agent_not_running", 1, false},
		"not permitted":          {false, "permission_denied", 1, false},
		"no more permitted":      {true, "permission_denied", 1, true},
		"busy all the time":      {false, "busy", 8, false},
		"busy, and so never":     {true, "busy", 8, false},
		"limited all the time":   {true, "rate_limited", 8, true},
		"wrong all the time":     {false, "internal", 3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var answered atomic.Int64
			c := scripted(t, func(n int, p *peer) {
				p.greet()
				f := p.read()
				if x.cut && n == 1 {
					return
				}
				for ; f != nil; f = p.read() {
					answered.Add(1)
					p.send(frame{"type": "error", "id": f["id"], "code": x.code, "detail": "as the test wants", "details": frame{"threshold": 0.5, "candidates": []frame{{"agentId": "nyx"}}}})
				}
			}, nil)
			_, err := c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!", IdempotencyKey: "mine"})
			var e *client.Error
			if !errors.As(err, &e) || string(e.Code) != x.code || errors.Is(err, client.ErrUnknownOutcome) != x.unknown || answered.Load() != x.tries {
				t.Errorf("after %d answers: %v", answered.Load(), err)
			}
			if e != nil && (e.Threshold != 0.5 || len(e.Candidates) != 1 || e.Candidates[0].AgentID != "nyx" || fmt.Sprint(e.Details["threshold"]) != "0.5") {
				t.Errorf("the details are %v, %v, %v", e.Threshold, e.Candidates, e.Details)
			}
		})
	}
}

// TestUnknownOutcome: who gives up before the answer does not know, and is told so; who gives up a server that is not there does.
func TestUnknownOutcome(t *testing.T) {
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := scripted(t, func(_ int, p *peer) { p.greet(); p.read(); cancel(); p.wait() }, nil)
		if _, err := c.Chat(ctx, client.Message{Text: "Hello!"}); !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the client is closed", func(t *testing.T) {
		asked := make(chan struct{})
		c := scripted(t, func(_ int, p *peer) { p.greet(); p.read(); close(asked); p.wait() }, nil)
		go func() { <-asked; c.Close() }()
		if _, err := c.Chat(t.Context(), client.Message{Text: "Hello!"}); !errors.Is(err, client.ErrUnknownOutcome) || !errors.Is(err, client.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the token is refused", func(t *testing.T) {
		c := scripted(t, func(n int, p *peer) {
			p.greet()
			p.read()
			if n > 1 {
				p.close(4401)
			}
		}, nil)
		if _, err := c.Chat(t.Context(), client.Message{Text: "Hello!"}); !errors.Is(err, client.ErrUnknownOutcome) || schema.CodeOf(err) != schema.CodeUnauthenticated {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without retries", func(t *testing.T) {
		c := scripted(t, func(n int, p *peer) {
			if n > 1 {
				t.Error("the client comes again")
			}
			p.greet()
			p.read()
		}, nil, client.WithoutRetry())
		if _, err := c.Chat(t.Context(), client.Message{Text: "Hello!"}); !errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c := newClient(t, "http://127.0.0.1:1", client.WithOpenTimeout(50*time.Millisecond))
		if _, err := c.Chat(t.Context(), client.Message{Text: "Hello!"}); err == nil || errors.Is(err, client.ErrUnknownOutcome) {
			t.Errorf("got %v", err)
		}
	})
}

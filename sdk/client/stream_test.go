package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// TestEveryEventOnce: whatever the first socket does after event 3, the second one is asked for what follows it, and the
// stream has the events 1 to 5, once and in order.
func TestEveryEventOnce(t *testing.T) {
	for name, fault := range map[string]func(p *peer){
		"cut off":             func(*peer) {},
		"restart":             func(p *peer) { p.close(1012) },
		"shutdown":            func(p *peer) { p.close(1001) },
		"slow":                func(p *peer) { p.close(1013) },
		"closed for no cause": func(p *peer) { p.close(1000) },
		"an event is lost":    func(p *peer) { p.event(5, 4); p.wait() },
		"not what was held":   func(p *peer) { p.event(4, 2); p.wait() },
		"another epoch":       func(p *peer) { e := event(4, 3); e["id"] = "e2-4"; p.send(e); p.wait() },
		"an event without id": func(p *peer) { e := event(4, 3); delete(e, "id"); p.send(e); p.wait() },
		"an id that is none":  func(p *peer) { e := event(4, 3); e["id"] = "4"; p.send(e); p.wait() },
		"not JSON":            func(p *peer) { p.send([]byte(`{"type":`)); p.wait() },
		"not an object":       func(p *peer) { p.send([]byte(`[]`)); p.wait() },
		"no type":             func(p *peer) { p.send([]byte(`{}`)); p.wait() },
		"binary": func(p *peer) {
			_ = p.conn.Write(context.Background(), websocket.MessageBinary, []byte(`{"type":"pong"}`))
			p.wait()
		},
		"drained": func(p *peer) {
			p.send(frame{"type": "server:draining", "resume": place(3), "retryAfterMs": 1})
			p.close(1012)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := scripted(t, func(n int, p *peer) {
				sub := p.subscribed(0, true)
				if n == 1 {
					p.event(1, 0)
					p.event(2, 1)
					p.event(2, 1) // twice
					p.event(1, 0)
					p.send(frame{"type": "from:the:future", "seq": 9})
					p.event(3, 2)
					fault(p)
					return
				}
				if sub["since"] != place(3) {
					t.Errorf("socket %d resumes at %v, want %s", n, sub["since"], place(3))
				}
				p.event(3, 2) // which the client has
				p.event(4, 3)
				p.event(5, 4)
				p.wait()
			}, nil)
			s := follow(t, c)
			if got := s.Place().String(); got != place(0) {
				t.Errorf("the stream begins at %s", got)
			}
			for want := uint64(1); want <= 5; want++ {
				e := next(t, s)
				var p map[string]any
				if err := json.Unmarshal(e.Payload, &p); err != nil || len(p) != 1 {
					t.Errorf("the payload is %s (%v)", e.Payload, err)
				}
				if e.Cursor.Seq != want || s.Place() != e.Cursor {
					t.Fatalf("got event %s, want %d", e.Cursor, want)
				}
			}
		})
	}
}

// TestSubscription: what is asked for is the same on every socket.
func TestSubscription(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		sub := p.subscribed(7, true)
		b, _ := json.Marshal([]any{sub["agents"], sub["events"], sub["since"]})
		if want := `[["nyx"],["chat:*"],"e1-7"]`; string(b) != want {
			t.Errorf("socket %d subscribes to %s, want %s", n, b, want)
		}
		if n == 3 {
			p.event(8, 7)
			p.wait()
		}
	}, nil)
	s, err := c.Events(t.Context(), client.Filter{
		Agents: []string{"nyx"}, Events: []schema.EventType{"chat:*"}, Since: schema.Cursor{Epoch: epoch, Seq: 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if e := next(t, s); e.Cursor.Seq != 8 {
		t.Errorf("got %s", e.Cursor)
	}
}

// TestGap: what is gone is told, and a server that does not tell it is not believed.
func TestGap(t *testing.T) {
	gap := func(seq int) frame {
		return frame{"type": "gap", "id": place(seq), "seq": seq, "requested": place(1), "firstAvailable": place(seq + 1), "head": place(90)}
	}
	c := scripted(t, func(n int, p *peer) {
		sub := p.subscribed(0, false)
		switch n {
		case 1:
			p.event(1, 0)
		case 2: // says that something is gone, and not what
			p.event(51, 50)
			p.wait()
		case 3:
			if sub["since"] != place(1) {
				t.Errorf("it resumes at %v", sub["since"])
			}
			p.send(gap(50))
			p.event(51, 50)
			p.send(gap(50)) // before where the client is
			p.send(gap(70))
			p.event(71, 70)
			p.wait()
		}
	}, nil)
	s := follow(t, c)
	for _, want := range []string{"agent:thought e1-1", "gap e1-50", "agent:thought e1-51", "gap e1-70", "agent:thought e1-71"} {
		e := next(t, s)
		if got := string(e.Type) + " " + e.Cursor.String(); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		var g schema.Gap
		if err := json.Unmarshal(e.Payload, &g); err != nil || e.Type == schema.EventGap && g.Requested != place(1) {
			t.Errorf("the gap is %s (%v)", e.Payload, err)
		}
	}
}

// TestHalfOpen: a connection that is dead and does not know it is given up, also while a command waits for its answer.
func TestHalfOpen(t *testing.T) {
	hang := make(chan struct{})
	c := scripted(t, func(n int, p *peer) {
		switch n {
		case 1: // which neither answers nor reads, so that no pong comes either
			p.greet()
			<-hang
		case 2:
			p.subscribed(0, true)
			<-hang
		default:
			p.subscribed(0, true)
			p.event(1, 0)
			p.wait()
		}
	}, nil, client.WithHeartbeat(20*time.Millisecond))
	defer close(hang)
	next(t, follow(t, c))
}

// TestNextAndContexts: a Next that is given up loses nothing, and what ends the stream is said.
func TestNextAndContexts(t *testing.T) {
	more := make(chan struct{})
	c := scripted(t, func(_ int, p *peer) {
		p.subscribed(0, true)
		<-more
		p.event(1, 0)
		p.wait()
	}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := c.Events(ctx, client.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	short, done := context.WithTimeout(t.Context(), time.Millisecond)
	defer done()
	if _, err := s.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up: %v", err)
	}
	close(more)
	next(t, s)
	why := errors.New("enough")
	cancel(why)
	if _, err := s.Next(t.Context()); !errors.Is(err, why) {
		t.Errorf("after its context: %v", err)
	}
	s.Close()
	s.Close()
	closed := follow(t, c)
	closed.Close()
	if _, err := closed.Next(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	other := follow(t, c)
	c.Close()
	if _, err := other.Next(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("after Close of the client: %v", err)
	}
	if _, err := c.Events(t.Context(), client.Filter{}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Events of a closed client: %v", err)
	}
	if _, err := c.Agents(t.Context(), schema.AgentQuery{}); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Agents of a closed client: %v", err)
	}
}

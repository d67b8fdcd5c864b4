package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
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

// TestRefusals: what would be refused again ends a stream, at its beginning and later, with what the server has said.
func TestRefusals(t *testing.T) {
	refuse := func(kind, code string) func(*peer) {
		return func(p *peer) {
			p.greet()
			f := p.read()
			p.send(frame{"type": kind, "id": f["id"], "code": code, "detail": "as the test wants", "requestId": "req_1"})
			p.wait()
		}
	}
	for name, x := range map[string]struct {
		script func(*peer)
		code   schema.ErrorCode // "" = not one of the server
	}{
		"bad token": {func(p *peer) {
			p.greet()
			p.read()
			p.send(frame{"type": "auth:error", "code": "unauthenticated", "detail": "as the test wants"})
			p.close(4401)
		}, schema.CodeUnauthenticated},
		"4401 without a word": {func(p *peer) { p.greet(); p.read(); p.close(4401) }, schema.CodeUnauthenticated},
		"foreign origin":      {func(p *peer) { p.close(4403) }, schema.CodePermissionDenied},
		"bad frame":           {func(p *peer) { p.greet(); p.read(); p.close(4400) }, schema.CodeInternal},
		"no such agent":       {refuse("error", "not_found"), schema.CodeNotFound},
		"not permitted":       {refuse("error", "permission_denied"), schema.CodePermissionDenied},
		"another protocol":    {func(p *peer) { p.send(frame{"type": "welcome", "protocol": 2}); p.wait() }, schema.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := scripted(t, func(_ int, p *peer) { x.script(p) }, nil)
			if _, err := c.Events(t.Context(), client.Filter{}); schema.CodeOf(err) != x.code {
				t.Errorf("at the beginning: %v, want code %s", err, x.code)
			}
			c = scripted(t, func(n int, p *peer) {
				if n > 1 {
					x.script(p)
					return
				}
				p.subscribed(0, true)
			}, nil)
			s := follow(t, c)
			if e, err := s.Next(t.Context()); schema.CodeOf(err) != x.code {
				t.Errorf("later: %v %v, want code %s", e, err, x.code)
			}
		})
	}
}

// TestNotAServer: what answers, and is none, is named; and so is what does not answer.
func TestNotAServer(t *testing.T) {
	wantsToken := func(_ int, p *peer) { p.send(frame{"type": "welcome", "protocol": 1, "authRequired": true}); p.wait() }
	for name, x := range map[string]struct {
		url, want string
		opts      []client.Option
	}{
		"a page":           {answering(t, 200, "text/html", "<p>"), "is the URL right", nil},
		"nothing":          {"http://127.0.0.1:1", "could not be reached for 50ms", []client.Option{client.WithOpenTimeout(50 * time.Millisecond)}},
		"without a token":  {scriptedURL(t, wantsToken, nil), "WithToken", []client.Option{client.WithToken("")}},
		"an unknown token": {answering(t, 401, "application/problem+json", `{"code":"unauthenticated","detail":"x"}`), "unauthenticated", nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, x.url, x.opts...).Events(t.Context(), client.Filter{})
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want something about %q", err, x.want)
			}
		})
	}
}

// TestPauses: a server that says how long to stay away is left alone for so long.
func TestPauses(t *testing.T) {
	const wait = 150 * time.Millisecond
	for name, say := range map[string]func(*peer){
		"draining": func(p *peer) {
			p.send(frame{"type": "server:draining", "retryAfterMs": wait.Milliseconds()})
			p.close(1012)
		},
		"rate limit": func(p *peer) {
			p.send(frame{"type": "error", "code": "rate_limited", "detail": "x", "retryAfterMs": wait.Milliseconds()})
			p.close(4429)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan time.Time, 1)
			c := scripted(t, func(n int, p *peer) {
				p.subscribed(0, true)
				if n == 1 {
					told <- time.Now()
					say(p)
					return
				}
				if pause := p.came.Sub(<-told); pause < wait {
					t.Errorf("the client came again after %v, want %v", pause, wait)
				}
				p.event(1, 0)
				p.wait()
			}, nil)
			next(t, follow(t, c))
		})
	}
}

// TestRateLimitedSubscription is asked for again on the same socket, when it is time.
func TestRateLimitedSubscription(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		if n > 1 {
			t.Error("the client came again")
		}
		p.greet()
		f := p.read()
		p.send(frame{"type": "error", "id": f["id"], "code": "rate_limited", "detail": "x", "retryAfterMs": 5})
		f = p.read()
		p.send(frame{"type": "subscribed", "id": f["id"], "head": place(0)})
		p.event(1, 0)
		p.wait()
	}, nil)
	next(t, follow(t, c))
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

// answering returns the URL of a server that answers everything alike.
func answering(t *testing.T, status int, kind, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

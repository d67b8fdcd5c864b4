package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

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
			p.send(frame{"type": "welcome", "protocol": 1, "authRequired": true})
			f := p.read()
			p.send(frame{"type": "auth:error", "id": f["id"], "code": "unauthenticated", "detail": "as the test wants"})
			p.close(4401)
		}, schema.CodeUnauthenticated},
		"revoked": {func(p *peer) {
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

// TestLateAuth: a token that was shown too late, or could not be looked at, or only after a while, is shown again on another socket.
func TestLateAuth(t *testing.T) {
	c := scripted(t, func(n int, p *peer) {
		if n > 3 {
			p.subscribed(0, true)
			p.event(1, 0)
			p.wait()
			return
		}
		p.send(frame{"type": "welcome", "protocol": 1, "authRequired": true})
		f := p.read()
		switch n {
		case 1:
			p.send(frame{"type": "auth:error", "code": "unauthenticated", "detail": "not in time"})
			p.close(4401)
		case 2:
			p.send(frame{"type": "auth:error", "id": f["id"], "code": "unavailable", "detail": "the host does not answer"})
			p.wait()
		case 3:
			p.send(frame{"type": "error", "id": f["id"], "code": "rate_limited", "detail": "x", "retryAfterMs": 5})
			p.wait()
		}
	}, nil)
	next(t, follow(t, c))
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

// handled returns the URL of a server of that handler.
func handled(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// answering returns the URL of a server that answers everything alike.
func answering(t *testing.T, status int, kind, body string) string {
	t.Helper()
	return handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// countingIdentity knows the tokens that begin with "good" until they are revoked.
type countingIdentity struct {
	asked   int
	revoked bool
	err     error
}

func (i *countingIdentity) Authenticate(_ context.Context, token string) (schema.Caller, error) {
	i.asked++
	switch {
	case i.err != nil:
		return schema.Caller{}, i.err
	case i.revoked || !strings.HasPrefix(token, "good"):
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "no")
	}
	return schema.Caller{Principal: token}, nil
}

func TestAuthenticatorRemembersForASecond(t *testing.T) {
	c, host := newClock(), &countingIdentity{}
	a := newAuthenticator(host, c.now)
	for range 10 {
		if caller, err := a.authenticate(t.Context(), "good"); err != nil || caller.Principal != "good" {
			t.Fatalf("%v %v", caller, err)
		}
		c.advance(99 * time.Millisecond)
	}
	if host.asked != 1 {
		t.Errorf("the host was asked %d times within a second", host.asked)
	}
	host.revoked = true
	c.advance(10 * time.Millisecond)
	if _, err := a.authenticate(t.Context(), "good"); schema.CodeOf(err) != schema.CodeUnauthenticated {
		t.Errorf("a revoked token works after a second: %v", err)
	}
}

func TestAuthenticatorForgetsBadTokensAndFailures(t *testing.T) {
	host := &countingIdentity{}
	a := newAuthenticator(host, newClock().now)
	for range 3 {
		if _, err := a.authenticate(t.Context(), "bad"); schema.CodeOf(err) != schema.CodeUnauthenticated {
			t.Errorf("got %v", err)
		}
	}
	host.err = errors.New("broken")
	if _, err := a.authenticate(t.Context(), "good"); schema.CodeOf(err) != schema.CodeInternal {
		t.Errorf("got %v", err)
	}
	if host.asked != 4 || len(a.known) != 0 {
		t.Errorf("asked %d times, %d remembered", host.asked, len(a.known))
	}
	for _, token := range []string{"", strings.Repeat("x", maxTokenBytes+1)} {
		if _, err := a.authenticate(t.Context(), token); schema.CodeOf(err) != schema.CodeUnauthenticated || host.asked != 4 {
			t.Errorf("a token of %d bytes: %v, asked %d times", len(token), err, host.asked)
		}
	}
}

func TestAuthenticatorIsBounded(t *testing.T) {
	c := newClock()
	a := newAuthenticator(&countingIdentity{}, c.now)
	for i := range 2 * authCacheSize {
		_, _ = a.authenticate(t.Context(), fmt.Sprint("good", i))
	}
	if len(a.known) != authCacheSize {
		t.Errorf("%d remembered", len(a.known))
	}
	c.advance(authCacheTime)
	_, _ = a.authenticate(t.Context(), "good")
	if len(a.known) != 1 {
		t.Errorf("%d remembered, all but one of them useless", len(a.known))
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{"": "", "Bearer abc": "abc", "bearer  abc ": "abc"} {
		if token, ok := bearer(header); !ok || token != want {
			t.Errorf("bearer(%q) = %q, %v", header, token, ok)
		}
	}
	for _, header := range []string{"Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer a,b"} {
		if token, ok := bearer(header); ok {
			t.Errorf("bearer(%q) = %q", header, token)
		}
	}
}

func TestClientAddress(t *testing.T) {
	s := New()
	s.TrustedProxies = []string{"10.0.0.0/8", "::1", "192.0.2.1"}
	if p := s.Validate(); p != nil {
		t.Fatal(p)
	}
	for _, text := range s.TrustedProxies {
		p, _ := parseRange(text)
		s.proxies = append(s.proxies, p)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9", "", "203.0.113.9"},
		{"203.0.113.9", "1.2.3.4", "203.0.113.9"}, // not a proxy of ours: what it says about others is nothing to us
		{"10.1.2.3", "1.2.3.4", "1.2.3.4"},
		{"10.1.2.3", "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"},
		{"10.1.2.3", "6.6.6.6, nonsense", "10.1.2.3"},
		{"10.1.2.3", "", "10.1.2.3"},
		{"10.1.2.3", "6.6.6.6|1.2.3.4", "1.2.3.4"}, // two lines: the client's own comes first
		{"10.1.2.3", "10.4.4.4", "10.4.4.4"},
		{"::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"::ffff:192.0.2.1", "::ffff:1.2.3.4", "1.2.3.4"},
	} {
		rc := &fasthttp.RequestCtx{}
		rc.Init(&fasthttp.Request{}, tcpAddr(c.peer), nil)
		if c.forwarded != "" {
			for line := range strings.SplitSeq(c.forwarded, "|") {
				rc.Request.Header.Add("X-Forwarded-For", line)
			}
		}
		if got := s.clientAddress(rc); got != c.want {
			t.Errorf("peer %s, forwarded %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

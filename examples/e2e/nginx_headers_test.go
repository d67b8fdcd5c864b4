//go:build linux

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"testing"
)

// TestNginxTellsWhoAsks: each client has a limit of its own, and cannot pass for another one.
func TestNginxTellsWhoAsks(t *testing.T) {
	needsNginx(t)
	const most = 3
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0", "--set", `extensions.api.trustedProxies=["127.0.0.1"]`,
		"--set", fmt.Sprintf(`extensions.api.rateLimit={"windowMs":60000,"max":%d}`, most))
	n := s.behindNginx(documented(t))
	from := func(address string) *http.Client {
		c := newForeignClient(t)
		c.Transport.(*http.Transport).DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext
		return c
	}
	for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
		c := from(address)
		for i := range most {
			if a := n.without(c, http.MethodGet, "/api/agents"); a.StatusCode != http.StatusUnauthorized {
				t.Fatalf("request %d of %s = %d %s", i, address, a.StatusCode, a.raw)
			}
		}
		for _, pretended := range []string{"", "127.0.0.9", "127.0.0.1"} {
			if a := n.without(c, http.MethodGet, "/api/agents", "X-Forwarded-For", pretended); a.StatusCode != http.StatusTooManyRequests {
				t.Errorf("%s as %q, once too often = %d %s", address, pretended, a.StatusCode, a.raw)
			}
		}
	}
}

// without makes one request without a token, with headers, given as name and value.
func (s *server) without(c *http.Client, method, path string, header ...string) answer {
	s.t.Helper()
	next := c.Transport
	a, err := s.try(&http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return next.RoundTrip(r)
	})}, "", method, path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// TestNginxTellsWhichHostIsAskedFor: a page that comes from where the API is may use it.
func TestNginxTellsWhichHostIsAskedFor(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	for conf, want := range map[string]int{documented(t): http.StatusOK, untold: http.StatusForbidden} {
		n := s.behindNginx(conf)
		n.with(newForeignClient(t), want, http.MethodPost, "/api/agents/nyx/start", nil, "Origin", n.base)
		n.with(newForeignClient(t), http.StatusForbidden, http.MethodPost, "/api/agents/nyx/start", nil, "Origin", "http://elsewhere.example")
	}
}

// TestETagsThroughNginx, which makes those of what it compresses weak.
func TestETagsThroughNginx(t *testing.T) {
	needsNginx(t)
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	n := s.behindNginx(documented(t))
	c := newForeignClient(t)
	a := n.do(c, http.StatusOK, http.MethodGet, "/api/agents/nyx", nil)
	strong := fmt.Sprintf(`"%v"`, a.json["revision"])
	weak := a.Header.Get("ETag")
	if !a.Uncompressed || weak != "W/"+strong {
		t.Fatalf("the ETag of revision %s is %s; compressed: %t", strong, weak, a.Uncompressed)
	}
	for _, tag := range []string{strong, weak} {
		n.with(c, http.StatusNotModified, http.MethodGet, "/api/agents/nyx", nil, "If-None-Match", tag)
	}
	change := map[string]any{"persona": "calm"}
	n.with(c, http.StatusPreconditionFailed, http.MethodPatch, "/api/agents/nyx", change, "If-Match", weak)
	n.with(c, http.StatusOK, http.MethodPatch, "/api/agents/nyx", change, "If-Match", strong)
}

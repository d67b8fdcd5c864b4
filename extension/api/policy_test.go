package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/schema"
)

func TestCORS(t *testing.T) {
	const page, other = "https://app.example", "https://evil.example"
	for name, c := range map[string]struct {
		block, origin      string
		allow, credentials string
		vary               bool
	}{
		"absent":                  {``, page, "", "", false},
		"any":                     {`"cors":{"origin":"*"}`, page, "*", "", false},
		"any with credentials":    {`"cors":{"origin":"*","credentials":true}`, page, "*", "", false},
		"listed":                  {`"cors":{"origin":["https://x.example","https://app.example"]}`, page, page, "", true},
		"listed with credentials": {`"cors":{"origin":"HTTPS://App.example:443","credentials":true}`, page, page, "true", true},
		"not listed":              {`"cors":{"origin":"https://app.example","credentials":true}`, other, "", "", true},
		"almost listed":           {`"cors":{"origin":"https://app.example","credentials":true}`, page + ".evil.example", "", "", true},
		"other case":              {`"cors":{"origin":"https://app.example"}`, "https://APP.example", "", "", true},
		"null":                    {`"cors":{"origin":"https://app.example","credentials":true}`, "null", "", "", true},
		"no origin":               {`"cors":{"origin":"https://app.example"}`, "", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, c.block, newFakeHost().services())
			for _, a := range []answer{
				w.do("GET", "/api/agents", "", append(as("admin"), "Origin", c.origin)...),
				w.do("GET", "/api/agents", "", "Origin", c.origin), // a page must be able to read an error, too
				w.do("GET", "/nowhere", "", "Origin", c.origin),
				w.do("BREW", "/api/agents", "", "Origin", c.origin),
				w.do("POST", "/api/chat/send", strings.Repeat(" ", 2<<20), "Origin", c.origin), // fasthttp finds that it is too large
			} {
				h := a.header
				if h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Access-Control-Allow-Credentials") != c.credentials {
					t.Errorf("%d: allow %q, credentials %q", a.status, h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"))
				}
				if strings.Contains(h.Get("Vary"), "Origin") != c.vary {
					t.Errorf("%d: Vary %q", a.status, h.Get("Vary"))
				}
				if c.allow != "" && !strings.Contains(h.Get("Access-Control-Expose-Headers"), "RateLimit-Policy, Retry-After") {
					t.Errorf("exposed: %q", h.Get("Access-Control-Expose-Headers"))
				}
			}
			if c.origin == "" {
				return
			}
			p := w.do("OPTIONS", "/api/agents/nyx", "", "Origin", c.origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,if-match")
			if p.status != 204 || p.header.Get("Access-Control-Allow-Origin") != c.allow {
				t.Errorf("preflight: %d %v", p.status, p.header)
			}
			if asked := p.header.Get("Access-Control-Allow-Methods"); strings.Contains(asked, "PUT") != (c.allow != "") {
				t.Errorf("preflight allows the methods %q", asked)
			}
		})
	}
}

// TestForeignPages keeps pages of other origins from what CORS does not protect: sockets, and acts without a body.
func TestForeignPages(t *testing.T) {
	const page, other = "https://app.example", "https://evil.example"
	upgrade := func(w *world, origin string) int {
		s, err := w.tryDial("Origin", origin)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = s.conn.Read(t.Context()); err != nil {
			return int(websocket.CloseStatus(err))
		}
		return 101
	}
	for name, c := range map[string]struct {
		block, origin string
		socket, act   int
	}{
		"absent, foreign":     {``, other, 4403, 403},
		"absent, same origin": {``, "http://SELF", 101, 200},
		"absent, null":        {``, "null", 4403, 403},
		"listed":              {`,"cors":{"origin":"https://app.example"}`, page, 101, 200},
		"listed, foreign":     {`,"cors":{"origin":"https://app.example"}`, other, 4403, 403},
		"any":                 {`,"cors":{"origin":"*","credentials":true}`, other, 101, 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, `"auth":{"mode":"none"}`+c.block, newFakeHost().services())
			origin := strings.ReplaceAll(c.origin, "SELF", w.address)
			if got := upgrade(w, origin); got != c.socket {
				t.Errorf("upgrade: %d, want %d", got, c.socket)
			}
			if got := w.do("POST", "/api/agents/nyx/stop", "", "Origin", origin).status; got != c.act {
				t.Errorf("POST: %d, want %d", got, c.act)
			}
		})
	}
}

// TestRebinding keeps out a page whose own name points to this machine.
func TestRebinding(t *testing.T) {
	for _, c := range []struct {
		block, host string
		status      int
	}{
		{`"auth":{"mode":"none"}`, "evil.example:3001", 403},
		{`"auth":{"mode":"none"}`, "localhost:3001", 200},
		{`"auth":{"mode":"none"}`, "127.0.0.1", 200},
		{`"auth":{"mode":"none"}`, "[::1]:3001", 200},
		{`"auth":{"mode":"none"},"trustedProxies":["127.0.0.1"]`, "api.example", 200},
		{`"auth":{"mode":"token"}`, "api.example", 200},
	} {
		w := start(t, c.block, newFakeHost().services())
		if a := w.do("GET", "/api/agents", "", append(as("admin"), "Host", c.host)...); a.status != c.status {
			t.Errorf("%s, Host %s: %d %s", c.block, c.host, a.status, a.body)
		}
	}
}

// TestFullServerSaysSo keeps a socket that finds no room apart from a host that cannot be reached.
func TestFullServerSaysSo(t *testing.T) {
	w := start(t, `"limits":{"sockets":1}`, newFakeHost().services())
	w.dial(as("alice")...)
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	a := w.do("GET", "/ws", "", append(as("bob"), upgrade...)...)
	if p := a.problem(t, 503, schema.CodeUnavailable); !strings.Contains(p.Detail, "sockets are taken") || a.header.Get("Retry-After") == "" {
		t.Errorf("503 says %q, Retry-After %q", p.Detail, a.header.Get("Retry-After"))
	}
}

func TestRateLimit(t *testing.T) {
	w := start(t, `"rateLimit":{"windowMs":60000,"max":5}`, newFakeHost().services())
	for i := range 5 {
		a := w.do("GET", "/api/agents", "", as("alice")...)
		if want := fmt.Sprintf(`"default";r=%d;t=60`, 4-i); a.status != 200 || a.header.Get("RateLimit") != want || a.header.Get("RateLimit-Policy") != `"default";q=5;w=60` {
			t.Fatalf("request %d: %d, RateLimit %s, RateLimit-Policy %s", i, a.status, a.header.Get("RateLimit"), a.header.Get("RateLimit-Policy"))
		}
	}
	a := w.do("GET", "/api/agents", "", as("alice")...)
	p := a.problem(t, 429, schema.CodeRateLimited)
	if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 || !p.Retryable || a.header.Get("RateLimit") == "" {
		t.Errorf("429 with headers %v", a.header)
	}
	if a := w.do("GET", "/api/agents", "", as("bob")...); a.status != 200 {
		t.Errorf("bob pays for alice: %d", a.status)
	}
	for range 10 { // what does not count, for anybody
		for _, path := range []string{"/healthz", "/readyz"} {
			if a := w.do("GET", path, "", as("alice")...); a.status != 200 || a.header.Get("RateLimit") != "" {
				t.Fatalf("%s = %d %v", path, a.status, a.header)
			}
		}
		if a := w.do("OPTIONS", "/api/agents", "", "Origin", "https://a.example", "Access-Control-Request-Method", "GET"); a.status != 204 {
			t.Fatalf("preflight = %d", a.status)
		}
	}
	for range 5 { // failed authentication counts by address
		w.do("GET", "/api/agents", "", as("mallory")...).problem(t, 401, schema.CodeUnauthenticated)
	}
	w.do("GET", "/api/agents", "", as("mallory")...).problem(t, 429, schema.CodeRateLimited)
	w.do("GET", "/nowhere", "").problem(t, 429, schema.CodeRateLimited)
	if a := w.do("GET", "/api/agents", "", as("bob")...); a.status != 200 {
		t.Errorf("bob pays for his neighbour: %d", a.status)
	}
}

func TestRateLimitOfSockets(t *testing.T) {
	w := start(t, `"rateLimit":{"windowMs":60000,"max":6}`, newFakeHost().services())
	s := w.dial(as("alice")...) // the first
	s.want("auth:ok")
	for range 4 {
		s.ask(`{"type":"ping"}`, "pong")
	}
	if a := w.do("GET", "/api/agents", "", as("alice")...); a.status != 200 { // the sixth, of the same key
		t.Fatalf("REST = %d", a.status)
	}
	f := s.wantError(`{"type":"subscribe","id":"x"}`, schema.CodeRateLimited)
	if f["id"] != "x" || f["retryable"] != true || f["retryAfterMs"].(float64) <= 0 {
		t.Errorf("error %v", f)
	}
	w.do("GET", "/api/agents", "", as("alice")...).problem(t, 429, schema.CodeRateLimited)
	for range 60 {
		s.send(`{"type":"subscribe"}`)
	}
	s.wantClose(4429)
}

// TestALittleTooEarlyWaits acts in bursts as large as they may be, each a little before its time, over REST and over a
// socket.
func TestALittleTooEarlyWaits(t *testing.T) {
	const window, burst = 300 * time.Millisecond, 3
	w := start(t, `"rateLimit":{"windowMs":300,"max":3}`, newFakeHost().services())
	s := w.dial(as("bob")...)
	s.want("auth:ok")
	bursts := map[string]func(){
		"REST": func() {
			if a := w.do("GET", "/api/agents", "", as("alice")...); a.status != 200 {
				t.Errorf("REST: %d %s", a.status, a.body)
			}
		},
		"socket": func() { s.ask(`{"type":"ping"}`, "pong") },
	}
	for name, act := range bursts {
		<-time.After(window) // the upgrade counted, too
		begin := time.Now()
		for range 3 {
			next := time.After(window - 20*time.Millisecond)
			for range burst {
				act()
			}
			<-next
		}
		act()
		if took := time.Since(begin); took < 3*window {
			t.Errorf("%s: ten acts in %v, at most three are allowed in any %v", name, took, window)
		}
	}
}

// TestSlowloris opens connections and does not go on, before, in and behind a request.
func TestSlowloris(t *testing.T) {
	w := start(t, `"limits":{"readTimeoutMs":200,"idleTimeoutMs":1000}`, newFakeHost().services())
	for name, text := range map[string]string{
		"nothing":     "",
		"half a head": "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
		"half a body": "POST /api/chat/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"a request":   "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(text))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		begin, buf := time.Now(), make([]byte, 4096)
		for err == nil {
			_, err = c.Read(buf)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: still connected after %v", name, time.Since(begin))
		}
		if took := time.Since(begin); name == "a request" && took < 700*time.Millisecond {
			t.Errorf("after %s it is cut off within %v", name, took) // an idle connection may stay longer than a request may take
		}
		_ = c.Close()
	}
}

// TestNotHTTP sends what no HTTP client does.
func TestNotHTTP(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for _, text := range []string{"hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01", "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "POST /api/chat/send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"} {
		c, err := net.Dial("tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(text))
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		buf := make([]byte, 8192)
		n, _ := c.Read(buf)
		head, body, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		if n > 0 && (!strings.Contains(head, "application/problem+json") || !strings.Contains(head, "X-Request-Id") || !json.Valid([]byte(body))) {
			t.Errorf("%q was answered by %q", text, buf[:n])
		}
		_ = c.Close()
	}
	if a := w.do("GET", "/healthz", ""); a.status != http.StatusOK {
		t.Errorf("healthz = %d", a.status)
	}
}

func TestOpenAPI(t *testing.T) {
	w := start(t, `"limits":{"bodyBytes":4096}`, newFakeHost().services())
	served := w.do("GET", "/openapi.json", "")
	committed := api.OpenAPI()
	if string(served.body) != string(committed) || string(committed) != string(api.OpenAPI()) {
		t.Error("the document is not the same every time")
	}
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(committed, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || doc.Components.Schemas["Problem"] == nil || doc.Components.Schemas["ErrorModel"] != nil {
		t.Errorf("openapi %q, schemas %v", doc.OpenAPI, len(doc.Components.Schemas))
	}
	for path, methods := range map[string]string{
		"/api/agents": "get", "/api/agents/{agentId}": "get put", "/api/agents/{agentId}/start": "post", "/api/agents/{agentId}/stop": "post",
		"/api/chat/send": "post", "/api/chat/conversations": "get", "/api/chat/conversations/{conversationId}": "get",
		"/api/memory/store": "post", "/api/memory/search": "get", "/healthz": "get", "/readyz": "get", "/openapi.json": "get",
	} {
		for _, m := range strings.Fields(methods) {
			if doc.Paths[path][m] == nil {
				t.Errorf("%s %s is not in the document", m, path)
			}
		}
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(string(committed), "#/components/schemas/"+name+`"`) {
			t.Errorf("schema %s is used nowhere", name)
		}
	}
}

func TestReadiness(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	eventually(t, "ready", func() bool { return w.do("GET", "/readyz", "").status == 200 })
}

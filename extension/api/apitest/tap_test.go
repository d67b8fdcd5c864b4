package apitest_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// tapped is a server behind a tap.
type tapped struct {
	url, address string
	tap          *apitest.Tap
	judged       *judged
}

func tap(t *testing.T, server http.Handler) *tapped {
	t.Helper()
	s := httptest.NewServer(server)
	t.Cleanup(s.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &tapped{address: listener.Addr().String(), judged: &judged{}}
	k.url = "http://" + k.address
	k.tap = apitest.Listen(k.judged, listener, s.Listener.Addr().String(), published(), newFrames(t))
	t.Cleanup(func() { k.end() })
	return k
}

// end returns what was found, all of it.
func (k *tapped) end() string {
	for _, f := range k.judged.over {
		f()
	}
	return strings.Join(k.judged.found, "\n")
}

// raw sends bytes and the end, and returns what comes until the end.
func (k *tapped) raw(t *testing.T, sent string) string {
	t.Helper()
	conn, err := net.Dial("tcp", k.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// TestTapPassesOn: requests on one connection, each with its answer, byte by byte as both sides sent them.
func TestTapPassesOn(t *testing.T) {
	k := tap(t, scripted{http.StatusOK, map[string]string{"Content-Type": "application/json", "ETag": `"7"`}, agent})
	const request = "GET /api/agents/nyx HTTP/1.1\r\nhOsT:   x\r\n\r\n"
	got := k.raw(t, request+strings.Replace(request, "GET", "HEAD", 1)+request)
	if strings.Count(got, agent) != 2 || strings.Count(got, "HTTP/1.1 200 OK\r\n") != 3 {
		t.Errorf("the answers are %q", got)
	}
	if found := k.end(); found != "" {
		t.Error(found)
	}
	if answers, messages := k.tap.Judged(); answers != 3 || messages != 0 {
		t.Errorf("%d answers and %d messages were judged", answers, messages)
	}
}

// TestTapFinds what a client of any kind was answered against the document.
func TestTapFinds(t *testing.T) {
	json := map[string]string{"Content-Type": "application/json"}
	for name, c := range map[string]struct {
		server http.Handler
		sent   string
		want   string // "" = nothing
	}{
		"a header":     {scripted{http.StatusOK, map[string]string{"Content-Type": "application/json", "X-New": "1"}, agent}, "GET /api/agents/nyx HTTP/1.1\r\nHost: x\r\n\r\n", "header X-New"},
		"a body":       {scripted{http.StatusOK, json, `{"id":7}`}, "GET /api/agents/nyx HTTP/1.1\r\nHost: x\r\n\r\n", "at /id"},
		"the second":   {scripted{http.StatusTeapot, json, "{}"}, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /api/agents HTTP/1.1\r\nHost: x\r\n\r\n", "GET /api/agents = 418"},
		"what is sent": {scripted{http.StatusOK, json, agent}, "PUT /api/agents/nyx HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"name\":7}", "at /name"},
		"compressed": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("X-Request-Id", "req_1")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, `{"id":7}`)
			_ = z.Close()
		}), "GET /api/agents/nyx HTTP/1.1\r\nHost: x\r\n\r\n", "at /id"},
		"a stream": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Request-Id", "req_1")
			_, _ = io.WriteString(w, ": hello\n\nid: e-7\ndata: {\"type\":\"pong\"}\n\ndata: {\"type\":\"agent:dream\"}\n\n")
		}), "GET /api/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", "agent:dream"},
		"a turn that is told": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("X-Request-Id", "req_1")
			_, _ = io.WriteString(w, "event: ack\ndata: {\"type\":\"ack\",\"runId\":7}\n\n")
		}), "POST /api/chat/send HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"message\":\"x\"}", "at /runId: got number"},
		"a page":  {scripted{http.StatusOK, map[string]string{"Content-Type": "text/html"}, "hello"}, "GET /docs HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"no HTTP": {scripted{http.StatusTeapot, json, "{}"}, "hello?\r\n\r\n", ""},
		"cut off": {scripted{http.StatusTeapot, json, "{}"}, "GET /api/agents HTTP/1.1\r\nHos", ""},
		"a body that is cut off": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}), "GET /api/agents/nyx HTTP/1.1\r\nHost: x\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := tap(t, c.server)
			got := k.raw(t, c.sent)
			switch found := k.end(); {
			case c.want == "" && found != "":
				t.Errorf("found %s\nin %q", found, got)
			case !strings.Contains(found, c.want):
				t.Errorf("found %q\nin %q, want %s", found, got, c.want)
			}
		})
	}
}

// TestTapReadsSockets: frames in pieces too, and what answers what.
func TestTapReadsSockets(t *testing.T) {
	for name, c := range map[string]struct {
		sends, answers string
		want           string // "" = nothing
	}{
		"right":                  {`{"type":"ping","id":1}`, `{"type":"pong","id":1}`, ""},
		"no such frame":          {`{"type":"ping","id":1}`, `{"type":"dream","id":1}`, `type "dream"`},
		"no answer to a ping":    {`{"type":"ping","id":1}`, `{"type":"subscribed","id":1,"events":[],"agents":[],"head":"e-1"}`, "a ping is answered by"},
		"wrong, and refused":     {`{"type":"ping","id":1,"x":1}`, `{"type":"error","id":1,"code":"invalid_argument","title":"t","detail":"d","retryable":false,"requestId":"r"}`, ""},
		"wrong, and not refused": {`{"type":"ping","id":1,"x":1}`, `{"type":"pong","id":1}`, "accepted what the document does not allow"},
	} {
		t.Run(name, func(t *testing.T) {
			k := tap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer conn.CloseNow()
				if _, _, err := conn.Read(r.Context()); err != nil {
					return
				}
				answer, err := conn.Writer(r.Context(), websocket.MessageText)
				if err != nil {
					return
				}
				for _, part := range []string{c.answers[:5], c.answers[5:]} {
					_, _ = io.WriteString(answer, part)
				}
				_ = answer.Close()
				_ = conn.Close(websocket.StatusNormalClosure, "")
			}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			conn, resp, err := websocket.Dial(ctx, k.url+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			if resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatal(resp.Status)
			}
			if err := conn.Write(ctx, websocket.MessageText, []byte(c.sends)); err != nil {
				t.Fatal(err)
			}
			_, got, err := conn.Read(ctx)
			if err != nil || string(got) != c.answers {
				t.Fatalf("read %s, %v", got, err)
			}
			_, _, _ = conn.Read(ctx) // the end
			found := k.end()
			if (c.want == "") != (found == "") || !strings.Contains(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
			if answers, messages := k.tap.Judged(); answers != 1 || messages != 1 {
				t.Errorf("%d answers and %d messages were judged", answers, messages)
			}
		})
	}
}

// TestTapHoldsNobodyUp: what goes on is passed on as it comes, and a server that is not there is a connection that breaks.
func TestTapHoldsNobodyUp(t *testing.T) {
	read := make(chan struct{})
	k := tap(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for n := range 2 {
			_, _ = fmt.Fprintf(w, "%d\n", n)
			_ = http.NewResponseController(w).Flush()
			<-read
		}
	}))
	resp, err := http.Get(k.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	for n := range 2 {
		if line, err := in.ReadString('\n'); err != nil || line != fmt.Sprintln(n) {
			t.Fatalf("read %q, %v", line, err)
		}
		read <- struct{}{}
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	apitest.Listen(k.judged, listener, nobody.Addr().String(), published(), newFrames(t))
	if resp, err := http.Get("http://" + listener.Addr().String()); err == nil {
		resp.Body.Close()
		t.Errorf("without a server: %s", resp.Status)
	}
}

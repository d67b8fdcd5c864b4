package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The clock of the Date header, one for the whole process, and the sweeper of idle workers, which sees only every
		// ten seconds that its server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// patience bounds every wait of a test.
const patience = 10 * time.Second

// world is an API server that runs, and how a test reaches it.
type world struct {
	t       testing.TB
	address string
	running *sdktest.Running
	wire    *http.Transport
	client  *http.Client
}

// exchanges is what every exchange of these tests is held against.
var exchanges = sync.OnceValue(func() *apitest.Exchanges {
	e, err := apitest.NewExchanges(api.OpenAPI())
	if err != nil {
		panic(err)
	}
	return e
})

// start runs the API server on a free port; block is what its config block has beside the port.
func start(t testing.TB, block string, services schema.Services) *world {
	t.Helper()
	return startOf(t, api.Definition(), block, services)
}

// startOf is start for a definition of the test's own.
func startOf(t testing.TB, d sdk.Definition, block string, services schema.Services) *world {
	t.Helper()
	config := `{"port":0` + strings.TrimSuffix(","+block, ",") + `}`
	running := sdktest.Start(t, d, config, services)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return (&world{address: running.Listeners()[0], running: running, wire: transport}).of(t)
}

// of returns the same server for another test, which is the one to fail.
func (w *world) of(t testing.TB) *world {
	other := w.unjudged()
	other.t = t
	if _, measured := t.(*testing.B); !measured {
		other.client.Transport = exchanges().Transport(t, w.wire)
	}
	return other
}

// unjudged returns the same server for requests whose answers no operation has in its contract.
func (w *world) unjudged() *world {
	other := *w
	other.client = &http.Client{Transport: w.wire, Timeout: patience}
	return &other
}

// answer is what a request came back with.
type answer struct {
	status int
	header http.Header
	body   []byte
	closes bool // whether the server closes the connection behind it
}

// decode reads the body into v.
func (a answer) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("decode %s: %v", a.body, err)
	}
}

// problem is a problem document as a client reads it.
type problem struct {
	Type, Title, Detail, Instance, Code, RequestID, RunID, ConversationID string
	Status                                                                int
	Retryable                                                             bool
	Errors                                                                []schema.FieldError
}

// problem checks that the answer is a whole problem document with that status and code, and returns it.
func (a answer) problem(t testing.TB, status int, code schema.ErrorCode) problem {
	t.Helper()
	var p problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type = %q with status %d and body %s", got, a.status, a.body)
	}
	a.decode(t, &p)
	switch {
	case a.status != status || p.Status != status || p.Code != string(code):
		t.Fatalf("got status %d and %s; want %d %s", a.status, a.body, status, code)
	case p.Type != "urn:stagehouse:problem:"+string(code), p.Title == "", p.Detail == "", p.Retryable != code.Retryable():
		t.Fatalf("incomplete problem %s", a.body)
	case p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id"):
		t.Fatalf("requestId %q, header %q", p.RequestID, a.header.Get("X-Request-Id"))
	}
	return p
}

// do sends a request; headers are pairs. A body is JSON unless the headers say otherwise.
func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (w *world) try(method, path, body string, headers ...string) (answer, error) {
	var r io.Reader
	if body != "" {
		r = bytes.NewReader([]byte(body))
	}
	req, err := http.NewRequest(method, "http://"+w.address+path, r)
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b, resp.Close}, err
}

// as is an Authorization header.
func as(token string) []string { return []string{"Authorization", "Bearer " + token} }

// socket is a WebSocket as a client has it.
type socket struct {
	t        testing.TB
	conn     *websocket.Conn
	exchange *apitest.Exchange
}

// frame is a frame as a client reads it.
type frame map[string]any

func (f frame) kind() string { s, _ := f["type"].(string); return s }
func (f frame) text(member string) string {
	s, _ := f[member].(string)
	return s
}

// contract is what is published about the frames.
var contract = sync.OnceValues(func() (*apitest.Frames, error) { return apitest.NewFrames(api.AsyncAPI()) })

// published returns the contract, once it is known to be one.
func published(t testing.TB) *apitest.Frames {
	t.Helper()
	frames, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return frames
}

// checkFrame holds a frame of the server, or an event that came otherwise, against the contract.
func checkFrame(t testing.TB, frame []byte) {
	t.Helper()
	if err := published(t).Check(apitest.FromServer, frame); err != nil {
		t.Error(err)
	}
}

// dial opens a socket and reads its welcome.
func (w *world) dial(headers ...string) *socket {
	w.t.Helper()
	s, err := w.tryDial(headers...)
	if err != nil {
		w.t.Fatalf("open a WebSocket: %v", err)
	}
	if f := s.read(); f.kind() != "welcome" {
		w.t.Fatalf("first frame is %v, want a welcome", f)
	}
	return s
}

func (w *world) tryDial(headers ...string) (*socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	conn, _, err := websocket.Dial(ctx, "ws://"+w.address+"/ws", &websocket.DialOptions{HTTPHeader: h, HTTPClient: w.client})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(16 << 20)
	w.t.Cleanup(func() { _ = conn.CloseNow() })
	return &socket{w.t, conn, published(w.t).NewExchange()}, nil
}

// login opens a socket and authenticates it by a frame.
func (w *world) login(token string) *socket {
	w.t.Helper()
	s := w.dial()
	s.send(`{"type":"auth","token":"` + token + `"}`)
	s.want("auth:ok")
	return s
}

// send sends a frame that is as the document says.
func (s *socket) send(text string) {
	s.t.Helper()
	if err := s.exchange.Sent([]byte(text)); err != nil {
		s.t.Error(err)
	}
	s.sendAnything(text)
}

// sendAnything is send for what the server is to refuse.
func (s *socket) sendAnything(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatalf("send %.80s: %v", text, err)
	}
}

// read returns the next frame.
func (s *socket) read() frame {
	s.t.Helper()
	f, err := s.next()
	if err != nil {
		s.t.Fatalf("read a frame: %v", err)
	}
	return f
}

func (s *socket) next() (frame, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := s.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.exchange.Got(b); err != nil {
		s.t.Error(err)
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	return f, nil
}

// want reads the next frame, which must be of that type.
func (s *socket) want(kind string) frame {
	s.t.Helper()
	f := s.read()
	if f.kind() != kind {
		s.t.Fatalf("got frame %v, want a %s", f, kind)
	}
	return f
}

// ask sends a command and reads the next frame, which must be of that type.
func (s *socket) ask(text, kind string) frame {
	s.t.Helper()
	s.send(text)
	return s.want(kind)
}

// wantError sends a command that must be answered by an error frame of that code.
func (s *socket) wantError(text string, code schema.ErrorCode) frame {
	s.t.Helper()
	s.sendAnything(text)
	f := s.want("error")
	if f.text("code") != string(code) || f.text("title") == "" || f.text("detail") == "" || !strings.HasPrefix(f.text("requestId"), "req_") {
		s.t.Fatalf("%.80s was answered by %v, want code %s", text, f, code)
	}
	return f
}

// wantClose reads until the server closes, which must be with that code, and returns the frames before it.
func (s *socket) wantClose(code int) []frame {
	s.t.Helper()
	var before []frame
	for {
		f, err := s.next()
		if err == nil {
			before = append(before, f)
			continue
		}
		var c websocket.CloseError
		if !errors.As(err, &c) || int(c.Code) != code {
			s.t.Fatalf("the socket ended with %v, want close code %d; before that %v", err, code, before)
		}
		return before
	}
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %v", what, patience)
		}
		<-time.After(2 * time.Millisecond)
	}
}

package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// epoch is that of the log of the scripted server.
const epoch = "e1"

// peer is one socket of a server that does what a test tells it, right or wrong.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	came time.Time
}

type frame map[string]any

// scripted returns a client of a scripted server.
func scripted(t *testing.T, script func(n int, p *peer), mux http.Handler, opts ...client.Option) *client.Client {
	t.Helper()
	return newClient(t, scriptedURL(t, script, mux), opts...)
}

// scriptedURL runs a server whose sockets are served by script, which is told the number of each, from 1, and returns its URL.
// A socket whose script returns is cut off. mux answers everything else; nil = with 404.
func scriptedURL(t *testing.T, script func(n int, p *peer), mux http.Handler) string {
	t.Helper()
	var count atomic.Int64
	var scripts sync.WaitGroup
	if mux == nil {
		mux = http.NotFoundHandler()
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			mux.ServeHTTP(w, r)
			return
		}
		came := time.Now()
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		scripts.Add(1)
		defer scripts.Done()
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(1 << 20)
		script(int(count.Add(1)), &peer{t: t, conn: conn, came: came})
	}))
	t.Cleanup(func() {
		server.Close() // which does not wait for sockets
		scripts.Wait()
	})
	return server.URL
}

// newClient returns a client that is in a hurry.
func newClient(t *testing.T, url string, opts ...client.Option) *client.Client {
	t.Helper()
	hurry := []client.Option{client.WithToken("token"), client.WithBackoff(time.Millisecond, 20*time.Millisecond), client.WithOpenTimeout(patience)}
	c, err := client.New(url, append(hurry, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// contract is what is published about the frames.
var contract = sync.OnceValues(func() (*apitest.Frames, error) { return apitest.NewFrames(api.AsyncAPI()) })

// checkCommand holds what the client has sent against the contract.
func checkCommand(frame []byte) error {
	frames, err := contract()
	if err != nil {
		return err
	}
	return frames.Check(apitest.FromClient, frame)
}

func (p *peer) send(v any) {
	b, ok := v.([]byte)
	if !ok {
		b, _ = json.Marshal(v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = p.conn.Write(ctx, websocket.MessageText, b) // a client that has gone is noticed by what it does not do
}

// read returns the next command, or nil when the client has gone.
func (p *peer) read() frame {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := p.conn.Read(ctx)
	if err != nil {
		return nil
	}
	if err := checkCommand(b); err != nil {
		p.t.Error(err)
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		p.t.Errorf("the client sent %q", b)
	}
	return f
}

// greet welcomes a client and lets it in.
func (p *peer) greet() {
	p.send(frame{"type": "welcome", "protocol": 1, "authRequired": true, "epoch": epoch, "limits": frame{"frameBytes": 262144}})
	f := p.read()
	if f != nil && (f["type"] != "auth" || f["token"] != "token") {
		p.t.Errorf("the client said %v and not who it is", f)
	}
	p.send(frame{"type": "auth:ok", "id": f["id"], "principal": "p", "scopes": []string{"chat"}})
}

// subscribed greets and answers a subscription, which it returns: with a place, or, if the client names one, by recovered.
func (p *peer) subscribed(head int, recovered bool) frame {
	p.greet()
	f := p.read()
	if f != nil && f["type"] != "subscribe" {
		p.t.Errorf("the client said %v and did not subscribe", f)
	}
	p.send(frame{"type": "subscribed", "id": f["id"], "head": place(head), "recovered": recovered && f["since"] != nil})
	return f
}

// event sends an event.
func (p *peer) event(seq, prev int) { p.send(event(seq, prev)) }

// close says goodbye.
func (p *peer) close(code int) { _ = p.conn.Close(websocket.StatusCode(code), "as the test wants") }

// wait returns when the client has gone.
func (p *peer) wait() {
	for p.read() != nil {
	}
}

func place(seq int) string { return fmt.Sprintf("%s-%d", epoch, seq) }

func event(seq, prev int) frame {
	return frame{"type": "agent:thought", "id": place(seq), "seq": seq, "prevSeq": prev, "agentId": "nyx", "thought": fmt.Sprint(seq)}
}

// follow opens a stream of everything.
func follow(t *testing.T, c *client.Client) *client.Stream {
	t.Helper()
	s, err := c.Events(t.Context(), client.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// next returns the next event of a stream or a turn.
func next(t *testing.T, s interface {
	Next(context.Context) (schema.Event, error)
},
) schema.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("no next event: %v", err)
	}
	return e
}

package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// socket is a WebSocket client that is not ours: it sends text and reads frames as JSON objects.
type socket struct {
	t        *testing.T
	ws       *websocket.Conn
	exchange *apitest.Exchange
}

type frame map[string]any

func (f frame) str(key string) string {
	s, _ := f[key].(string)
	return s
}

// dial opens a socket and reads the welcome.
func (s *server) dial() *socket {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.base, "http")+"/ws", &websocket.DialOptions{HTTPClient: newClient(s.t)})
	if err != nil {
		s.t.Fatalf("dial: %v", err)
	}
	ws.SetReadLimit(16 << 20)
	s.t.Cleanup(func() { _ = ws.CloseNow() })
	k := &socket{s.t, ws, published(s.t).NewExchange()}
	if f := k.read(); f.str("type") != "welcome" {
		s.t.Fatalf("the first frame is %v, want welcome", f)
	}
	return k
}

// authenticated opens a socket and authenticates it.
func (s *server) authenticated(token string) *socket {
	s.t.Helper()
	k := s.dial()
	k.send(frame{"type": "auth", "token": token})
	if f := k.until("auth:ok", "auth:error"); f.str("type") != "auth:ok" {
		s.t.Fatalf("auth = %v", f)
	}
	return k
}

// send sends a frame that is as the document says.
func (k *socket) send(v any) {
	k.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.exchange.Sent(b); err != nil {
		k.t.Error(err)
	}
	k.sendRaw(websocket.MessageText, b)
}

// sendWrong is send for what the server is to refuse.
func (k *socket) sendWrong(v any) {
	k.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		k.t.Fatal(err)
	}
	k.sendRaw(websocket.MessageText, b)
}

func (k *socket) sendRaw(kind websocket.MessageType, b []byte) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	if err := k.ws.Write(ctx, kind, b); err != nil {
		k.t.Fatalf("send %.200s: %v", b, err)
	}
}

func (k *socket) next() (frame, error) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	_, b, err := k.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.exchange.Got(b); err != nil {
		k.t.Error(err)
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		k.t.Fatalf("a frame is not a JSON object: %v\n%.500s", err, b)
	}
	return f, nil
}

func (k *socket) read() frame {
	k.t.Helper()
	f, err := k.next()
	if err != nil {
		k.t.Fatalf("read: %v", err)
	}
	return f
}

// until reads up to the first frame of one of the types and returns it.
func (k *socket) until(types ...string) frame {
	k.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		f := k.read()
		for _, t := range types {
			if f.str("type") == t {
				return f
			}
		}
	}
	k.t.Fatalf("no frame of type %v", types)
	return nil
}

// closed reads until the server closes and returns the close code.
func (k *socket) closed() websocket.StatusCode {
	k.t.Helper()
	for {
		if _, err := k.next(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

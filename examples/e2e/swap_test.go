//go:build linux

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// managed runs the API server as a process of a manager in this one, and returns how it is run. A brain may take the place of the
// one that is built in.
func managed(t testing.TB, brains ...brain.Factory) (*plugin.Manager, schema.Services, plugin.Spec) {
	t.Helper()
	m, services, api, _ := managedLog(t, brains...)
	return m, services, api
}

// managedLog is managed, with the log of the host.
func managedLog(t testing.TB, brains ...brain.Factory) (*plugin.Manager, schema.Services, plugin.Spec, *syncBuffer) {
	t.Helper()
	options := local.Options{Dir: t.TempDir(), Brains: map[string]brain.Factory{}}
	for _, b := range brains {
		options.Brains[local.BuiltinBrain] = b
	}
	runtime, err := local.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	log := &syncBuffer{}
	services := guard.New(runtime.Services())
	m := plugin.New(services, plugin.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := runtime.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of the host:\n%.20000s", log.String())
		}
	})
	api := plugin.Spec{
		Name: "api", Path: binary, Args: []string{"extension", "api"},
		Config: json.RawMessage(`{"port":0,"auth":{"mode":"none"},"limits":{"sockets":10000}}`),
	}
	if err := m.Start(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	return m, services, api, log
}

// anybody opens a socket where authentication is off.
func (s *server) anybody() *socket {
	s.t.Helper()
	k := s.dial()
	k.until("auth:ok")
	return k
}

// swap replaces the API server and waits until the old one is gone.
func swap(t testing.TB, m *plugin.Manager, api plugin.Spec) {
	t.Helper()
	old := m.Status()[0].PID
	if err := m.Reload(t.Context(), api); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old generation to be gone", func() error { return gone(old) })
}

// TestSocketsSurviveSwaps replaces the API server again and again: no socket closes, and each is sent every event of its
// filter once and in order, in the middle of replies too.
func TestSocketsSurviveSwaps(t *testing.T) {
	const swaps = 10
	m, services, api := managed(t)
	s := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}
	var stop atomic.Bool
	var busy sync.WaitGroup
	defer busy.Wait()
	defer stop.Store(true)
	admin := schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
	busy.Go(func() { // events of which some clients want every one, and others none
		for n := 0; !stop.Load(); n++ {
			if _, err := services.Agents.Update(admin, "nyx", schema.AgentPatch{Metadata: schema.Set(schema.Object{"n": n})}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var seen, turns atomic.Int64
	for i := range 8 {
		k := s.anybody()
		k.send(frame{"type": "subscribe", "agents": []string{[]string{"nyx", "aria"}[i%2]}})
		_, head, _ := strings.Cut(k.until("subscribed").str("head"), "-")
		busy.Go(func() {
			var at float64
			_, _ = fmt.Sscan(head, &at)
			for !stop.Load() {
				f, err := k.next()
				if err != nil {
					t.Errorf("client %d behind event %v: %v", i, at, err)
					return
				}
				if f["prevSeq"] == nil {
					continue
				}
				if f["prevSeq"] != at {
					t.Errorf("client %d: behind event %v came %v", i, at, f)
					return
				}
				at = f["seq"].(float64)
				seen.Add(1)
			}
		})
		busy.Go(func() { _ = keepAlive(t, k, &stop) })
	}
	for i := range 2 { // whose replies are in the middle of being streamed
		k := s.anybody()
		busy.Go(func() {
			for n := 0; !stop.Load(); n++ {
				text := fmt.Sprintf("message %d of client %d", n, i)
				b, _ := json.Marshal(frame{"type": "chat:message", "id": n, "agentId": "aria", "message": text, "conversationId": fmt.Sprintf("c%d", i)})
				if err := k.ws.Write(t.Context(), websocket.MessageText, b); err != nil {
					t.Errorf("chat client %d: %v", i, err)
					return
				}
				if err := oneTurn(k, float64(n)); err != nil {
					t.Errorf("chat client %d, turn %d: %v", i, n, err)
					return
				}
				turns.Add(1)
			}
		})
	}
	for range swaps {
		before, spoken := seen.Load(), turns.Load()
		swap(t, m, api)
		eventually(t, "events and turns after the swap", func() error {
			if !t.Failed() && (seen.Load() < before+50 || turns.Load() < spoken+2) {
				return fmt.Errorf("%d events, %d turns", seen.Load()-before, turns.Load()-spoken)
			}
			return nil
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d events and %d turns over %d swaps", seen.Load(), turns.Load(), swaps)
}

// keepAlive sends a ping now and then, so that a client that is sent nothing still notices when it should stop.
func keepAlive(t *testing.T, k *socket, stop *atomic.Bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last := stop.Load()
		if err := k.ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`)); err != nil || last {
			return err
		}
		<-tick.C
	}
}

// oneTurn reads the frames of a turn: the ack first, one reply last, and in between what streams into just that reply.
func oneTurn(k *socket, id float64) error {
	var streamed strings.Builder
	acked := false
	for {
		f, err := k.next()
		switch {
		case err != nil:
			return err
		case f.str("type") == "ack" && f["id"] == id && !acked:
			acked = true
		case !acked:
			return fmt.Errorf("before the ack came %v", f)
		case f.str("type") == "chat:delta":
			streamed.WriteString(f.str("delta"))
		case f.str("type") == "chat:reply":
			reply, _ := f["reply"].(map[string]any)
			if reply["content"] != streamed.String() {
				return fmt.Errorf("streamed %q for the reply %q", streamed.String(), reply["content"])
			}
			return nil
		}
	}
}

// TestHalfAFrameMoves: what a client has sent of a message before the swap is the beginning of what it sends after it.
func TestHalfAFrameMoves(t *testing.T) {
	m, _, api := managed(t)
	conn, in := rawSocket(t, m.Status()[0].Listeners[0])
	text := `{"type":"ping","id":"` + strings.Repeat("x", 100) + `"}`
	whole := append([]byte{0x81, 0x80 | 126, 0, byte(len(text)), 1, 2, 3, 4}, text...)
	for i := range text {
		whole[8+i] ^= whole[4+i%4]
	}
	for _, cut := range []int{1, 3, 5, 8, 60} {
		if _, err := conn.Write(whole[:cut]); err != nil {
			t.Fatal(err)
		}
		swap(t, m, api)
		if _, err := conn.Write(whole[cut:]); err != nil {
			t.Fatal(err)
		}
		if f := rawFrame(t, in); !strings.Contains(f, `"type":"pong","id":"xxx`) {
			t.Fatalf("cut at %d, the answer is %q", cut, f)
		}
	}
}

// TestUnreadFramesMove: a client that does not read during several swaps reads everything afterwards, in order.
func TestUnreadFramesMove(t *testing.T) {
	m, services, api := managed(t)
	conn, in := rawSocket(t, m.Status()[0].Listeners[0])
	if _, err := conn.Write(clientFrame(`{"type":"subscribe","events":["updated"]}`)); err != nil {
		t.Fatal(err)
	}
	if f := rawFrame(t, in); !strings.Contains(f, "subscribed") {
		t.Fatal(f)
	}
	const swaps, each = 3, 300
	admin := schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
	first, err := services.Agents.Get(admin, "nyx")
	if err != nil {
		t.Fatal(err)
	}
	for range swaps {
		for n := range each {
			if _, err := services.Agents.Update(admin, "nyx", schema.AgentPatch{Metadata: schema.Set(schema.Object{"n": n, "m": first.Revision})}); err != nil {
				t.Fatal(err)
			}
		}
		swap(t, m, api)
	}
	for n := range swaps * each {
		var f struct{ Revision int64 }
		if text := rawFrame(t, in); json.Unmarshal([]byte(text), &f) != nil || f.Revision != first.Revision+int64(n)+1 {
			t.Fatalf("frame %d is %s", n, text)
		}
	}
}

// rawSocket opens a WebSocket that reads only when told to, and through small buffers. ahead is what the client sends before
// its handshake is answered.
func rawSocket(t testing.TB, address string, ahead ...byte) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+string(ahead)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(conn, 4<<10)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	for _, kind := range []string{"welcome", "auth:ok"} {
		if f := rawFrame(t, in); !strings.Contains(f, kind) {
			t.Fatal(f)
		}
	}
	return conn, in
}

// rawFrame reads the next text frame.
func rawFrame(t testing.TB, in *bufio.Reader) string {
	t.Helper()
	for {
		opcode, payload := anyFrame(t, in)
		if opcode == 1 {
			checkFrame(t, []byte(payload))
			return payload
		}
		if opcode == 8 {
			t.Fatalf("the socket is closed: %q", payload)
		}
	}
}

// anyFrame reads the next frame of the server.
func anyFrame(t testing.TB, in *bufio.Reader) (opcode byte, payload string) {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		t.Fatal(err)
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(in, head[2:]); err != nil {
			t.Fatal(err)
		}
		n = int(head[2])<<8 | int(head[3])
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		t.Fatal(err)
	}
	return head[0] & 0x0f, string(b)
}

// clientFrame is a short text frame of a client.
func clientFrame(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

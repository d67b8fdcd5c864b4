//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// TestASocketThatCannotMoveResumes: a client that sent a frame before its handshake was answered is told to come again, by
// the close code 1012 and with its place, and misses nothing if it does.
func TestASocketThatCannotMoveResumes(t *testing.T) {
	m, services, api := managed(t)
	address := m.Status()[0].Listeners[0]
	admin := schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
	conn, in := rawSocket(t, address, clientFrame(`{"type":"subscribe","events":["updated"]}`)...)
	if f := rawFrame(t, in); !strings.Contains(f, "subscribed") {
		t.Fatal(f)
	}
	agent, err := services.Agents.Get(admin, "nyx")
	if err != nil {
		t.Fatal(err)
	}
	held := agent.Revision // of the last event that the client has seen
	var stop atomic.Bool
	var busy sync.WaitGroup
	var made atomic.Int64
	defer busy.Wait()
	defer stop.Store(true)
	busy.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond) // so that a client which reads only now and then is not too slow
		defer tick.Stop()
		for n := 0; !stop.Load(); n++ {
			<-tick.C
			agent, err := services.Agents.Update(admin, "nyx", schema.AgentPatch{Metadata: schema.Set(schema.Object{"n": n})})
			if err != nil {
				t.Error(err)
				return
			}
			made.Store(agent.Revision)
		}
	})
	for range 3 {
		old := m.Status()[0].PID
		if err := m.Reload(t.Context(), api); err != nil {
			t.Fatal(err)
		}
		var f struct {
			Type, Resume           string
			Revision, RetryAfterMs int64
		}
		for f.Type == "" || f.Revision != 0 {
			f.Revision = 0
			text := rawFrame(t, in)
			if err := json.Unmarshal([]byte(text), &f); err != nil || f.Revision != 0 && f.Revision != held+1 {
				t.Fatalf("behind revision %d came %s, %v", held, text, err)
			}
			held = max(held, f.Revision)
		}
		if f.Type != "server:draining" || f.Resume == "" || f.RetryAfterMs <= 0 {
			t.Fatalf("got %+v", f)
		}
		if opcode, payload := anyFrame(t, in); opcode != 8 || !strings.HasPrefix(payload, "\x03\xf4") {
			t.Fatalf("then came a frame %d %q", opcode, payload)
		}
		_ = conn.Close()
		eventually(t, "the old generation to be gone", func() error { return gone(old) })
		conn, in = rawSocket(t, address, clientFrame(fmt.Sprintf(`{"type":"subscribe","events":["updated"],"since":%q}`, f.Resume))...)
		if f := rawFrame(t, in); !strings.Contains(f, `"recovered":true`) {
			t.Fatal(f)
		}
	}
	for last := made.Load(); held < last; held++ {
		var f struct{ Revision int64 }
		if text := rawFrame(t, in); json.Unmarshal([]byte(text), &f) != nil || f.Revision != held+1 {
			t.Fatalf("behind revision %d came %s", held, text)
		}
	}
}

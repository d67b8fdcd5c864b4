package sdktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func as(scopes ...schema.Scope) context.Context {
	return schema.WithCaller(context.Background(), schema.Caller{Principal: "ann", Scopes: scopes})
}

func TestHostAnswers(t *testing.T) {
	host := sdktest.NewHost(sdk.Agent{ID: "nyx"}, sdk.Agent{ID: "aria", Status: schema.AgentStopped})
	chat := host.Services().Chat
	var kinds []schema.EventType
	var accepted *schema.Accepted
	for e, err := range chat.Send(as(schema.ScopeChat), schema.SendRequest{Message: "Hello"}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Accepted != nil:
			accepted = e.Accepted
		default:
			kinds = append(kinds, e.Event.Type)
			var p schema.Reply
			if e.Event.Type == schema.EventReply && (json.Unmarshal(e.Event.Payload, &p) != nil || p.Reply.Content != "You said: Hello") {
				t.Errorf("reply %s", e.Event.Payload)
			}
		}
	}
	if want := []schema.EventType{schema.EventQueued, schema.EventStarted, schema.EventReply}; accepted == nil || accepted.AgentID != "nyx" || !slices.Equal(kinds, want) {
		t.Errorf("accepted %+v, events %v, want %v", accepted, kinds, want)
	}
	for _, c := range []struct {
		ctx  context.Context
		to   string
		want schema.ErrorCode
	}{
		{as(schema.ScopeChat), "aria", schema.CodeAgentNotRunning},
		{as(schema.ScopeChat), "vera", schema.CodeNotFound},
		{as(schema.ScopeRead), "nyx", schema.CodePermissionDenied},
		{context.Background(), "nyx", schema.CodeUnauthenticated},
	} {
		for _, err := range chat.Send(c.ctx, schema.SendRequest{AgentID: c.to, Message: "Hello"}) {
			if schema.CodeOf(err) != c.want {
				t.Errorf("to %s: %v, want %s", c.to, err, c.want)
			}
		}
	}
	if calls := host.Calls("Chat.Send"); len(calls) != 5 || calls[0].Caller.Principal != "ann" || calls[0].Input.(schema.SendRequest).Message != "Hello" {
		t.Errorf("calls %+v", calls)
	}
}

// TestHostReplies: the test decides what an agent says, and may ask the host for something meanwhile.
func TestHostReplies(t *testing.T) {
	host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
	host.Reply = func(r sdk.SendRequest) (string, error) {
		a, err := host.Services().Agents.Get(as(schema.ScopeRead), r.AgentID)
		return "", errors.Join(err, fmt.Errorf("%s is out of words", a.ID))
	}
	var last schema.Event
	for e, err := range host.Services().Chat.Send(as(schema.ScopeChat), schema.SendRequest{AgentID: "nyx", Message: "Hello"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event != nil {
			last = *e.Event
		}
	}
	var p schema.Failed
	if json.Unmarshal(last.Payload, &p) != nil || last.Type != schema.EventFailed || p.Error != "nyx is out of words" {
		t.Errorf("last event %s %s", last.Type, last.Payload)
	}
}

func TestHostRemembers(t *testing.T) {
	memory := sdktest.NewHost(sdk.Agent{ID: "nyx"}).Services().Memory
	for _, text := range []string{"Whales sing", "Cats purr", "whales dive"} {
		if _, err := memory.Store(as(schema.ScopeChat), schema.NewMemory{AgentID: "nyx", Content: text}); err != nil {
			t.Fatal(err)
		}
	}
	hits, err := memory.Search(as(schema.ScopeRead), schema.MemoryQuery{Text: "WHALES"})
	if err != nil || len(hits) != 2 || hits[0].Memory.Content != "whales dive" {
		t.Errorf("found %+v, %v", hits, err)
	}
	other := schema.WithCaller(context.Background(), schema.Caller{Principal: "bob", Scopes: []schema.Scope{schema.ScopeChat}})
	if hits, err := memory.Search(other, schema.MemoryQuery{}); err != nil || len(hits) != 0 {
		t.Errorf("somebody else finds %+v, %v", hits, err)
	}
	if _, err := memory.Get(as(schema.ScopeRead), "nyx", "mem_1"); schema.CodeOf(err) != schema.CodeUnimplemented {
		t.Errorf("Get: %v", err)
	}
}

// TestHostEvents: what has happened comes first, then what happens, once each and in order, to whoever may see it.
func TestHostEvents(t *testing.T) {
	host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
	first := host.Publish(schema.Event{Type: schema.EventThought, AgentID: "nyx"})
	host.Publish(schema.Event{Type: schema.EventThought, AgentID: "nyx", Principal: "bob"})
	ctx, cancel := context.WithTimeout(as(schema.ScopeRead), sdktest.DefaultStartTimeout)
	defer cancel()
	var seen []uint64
	var publishing sync.WaitGroup
	for e, err := range host.Services().Events.Subscribe(ctx, schema.EventQuery{Since: schema.Cursor{Epoch: first.Cursor.Epoch}}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, e.Cursor.Seq); len(seen) == 1 {
			publishing.Go(func() {
				for range 3 {
					host.Publish(schema.Event{Type: schema.EventThought, AgentID: "nyx"})
				}
			})
		}
		if len(seen) == 4 {
			break
		}
	}
	publishing.Wait()
	if want := []uint64{1, 3, 4, 5}; !slices.Equal(seen, want) {
		t.Errorf("seen %v, want %v", seen, want)
	}
}

func TestHostMovesAgents(t *testing.T) {
	host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
	agents, events := host.Services().Agents, host.Services().Events
	for range 2 {
		if a, err := agents.Stop(as(schema.ScopeAdmin), "nyx"); err != nil || a.Status != schema.AgentStopped || a.Revision != 2 {
			t.Errorf("stopped: %+v, %v", a, err)
		}
	}
	if page, err := agents.List(as(schema.ScopeRead), schema.AgentQuery{Status: schema.AgentRunning}); err != nil || len(page.Agents) != 0 {
		t.Errorf("running: %+v, %v", page, err)
	}
	if head, err := events.Head(as(schema.ScopeRead)); err != nil || head.Seq != 1 {
		t.Errorf("head %v, %v", head, err)
	}
}

// BenchmarkStart is the first test of an extension: an author waits for it again and again.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		t := &oneTest{TB: b}
		host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
		x := sdktest.Start(t, sdk.Definition{Name: "pong", Version: "1.0.0", New: func() sdk.Extension { return &pong{} }}, `{}`, host.Services())
		resp, err := http.Get("http://" + x.Listeners()[0])
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		t.end()
	}
}

// oneTest is a test that ends when the benchmark says so.
type oneTest struct {
	testing.TB
	cleanups []func()
}

func (t *oneTest) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *oneTest) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

type pong struct{}

func (*pong) Start(ctx context.Context, h *sdk.Host) error {
	return h.ListenAndServe(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("pong")) // the test sees it if it fails
	}))
}

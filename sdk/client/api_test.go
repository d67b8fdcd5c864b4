package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

// served returns a client of the API server in front of the reference runtime; block is what the server's config block has
// beside the port.
func served(t *testing.T, block string, opts ...client.Option) *client.Client {
	t.Helper()
	return thinking(t, nil, block, opts...)
}

// thinking is served with a brain in the place of the one that is built in, if it is not nil.
func thinking(t *testing.T, b brain.Brain, block string, opts ...client.Option) *client.Client {
	t.Helper()
	return newClient(t, "http://"+serve(t, b, block), opts...)
}

// serve runs the API server and returns its address.
func serve(t *testing.T, b brain.Brain, block string) string {
	t.Helper()
	brains := map[string]brain.Factory{}
	if b != nil {
		brains[local.BuiltinBrain] = func(context.Context, string, schema.Object) (brain.Brain, error) { return b, nil }
	}
	return serveLocal(t, local.Options{Brains: brains}, block)
}

// serveLocal is serve with the reference runtime as it is given.
func serveLocal(t *testing.T, o local.Options, block string) string {
	t.Helper()
	o.Dir = t.TempDir()
	r, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	config := `{"port":0,"auth":{"mode":"none"}` + strings.TrimSuffix(","+block, ",") + `}`
	return sdktest.Start(t, api.Definition(), config, guard.New(r.Services())).Listeners()[0]
}

// must fails the test if there is an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestAgents(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	first := must[schema.AgentPage](t)(c.Agents(ctx, schema.AgentQuery{Limit: 1}))
	rest := must[schema.AgentPage](t)(c.Agents(ctx, schema.AgentQuery{Cursor: first.NextCursor}))
	if len(first.Agents) != 1 || len(rest.Agents) != 1 || first.Agents[0].ID != "aria" || rest.Agents[0].ID != "nyx" || rest.NextCursor != "" {
		t.Errorf("the pages are %+v and %+v", first, rest)
	}
	found := must[schema.AgentPage](t)(c.Agents(ctx, schema.AgentQuery{Skill: "Security", Status: schema.AgentRunning}))
	if len(found.Agents) != 1 || found.Agents[0].ID != "nyx" {
		t.Errorf("who knows security: %+v", found)
	}
	nyx := must[schema.Agent](t)(c.Agent(ctx, "nyx"))
	patch := schema.AgentPatch{Description: schema.Set("changed"), Persona: schema.Clear[string](), IfRevision: nyx.Revision}
	changed := must[schema.Agent](t)(c.UpdateAgent(ctx, "nyx", patch))
	if changed.Description != "changed" || changed.Persona != "" || changed.Name != nyx.Name {
		t.Errorf("changed to %+v", changed)
	}
	_, err := c.UpdateAgent(ctx, "nyx", patch)
	if schema.CodeOf(err) != schema.CodeRevisionMismatch || !errors.Is(err, &schema.Error{Code: schema.CodeRevisionMismatch}) {
		t.Errorf("with an old revision: %v", err)
	}
	if a := must[schema.Agent](t)(c.StopAgent(ctx, "nyx")); a.Status != schema.AgentStopped {
		t.Errorf("stopped: %+v", a)
	}
	if _, err := c.Send(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}); schema.CodeOf(err) != schema.CodeAgentNotRunning || errors.Is(err, client.ErrUnknownOutcome) {
		t.Errorf("to a stopped agent: %v", err)
	}
	if a := must[schema.Agent](t)(c.StartAgent(ctx, "nyx")); a.Status != schema.AgentRunning {
		t.Errorf("started: %+v", a)
	}
	var e *client.Error
	if _, err := c.Agent(ctx, "nobody"); !errors.As(err, &e) || e.Code != schema.CodeNotFound || e.RequestID == "" {
		t.Errorf("nobody: %v", err)
	}
	for _, id := range []string{"", "..", "a/b"} {
		if _, err := c.Agent(ctx, id); schema.CodeOf(err) != schema.CodeInvalidArgument {
			t.Errorf("agent %q: %v", id, err)
		}
	}
}

func TestSendAndConversations(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	a := must[client.Answer](t)(c.Send(ctx, client.Message{Text: "Please review the security of my code.", ConversationID: "mine"}))
	if a.AgentID != "nyx" || a.Route == nil || a.Reply.Content == "" || a.RunID == "" || a.ConversationID != "mine" || a.Message.Role != schema.RoleUser {
		t.Errorf("answered with %+v", a)
	}
	again := must[client.Answer](t)(c.Send(ctx, client.Message{Text: "Thank you!", ConversationID: "mine"}))
	if again.AgentID != "nyx" || again.Route != nil {
		t.Errorf("the conversation goes on with %+v", again)
	}
	turn := must[*client.Turn](t)(c.Chat(ctx, client.Message{Text: "Write me a story.", ConversationID: "mine"}))
	reply := must[schema.Message](t)(turn.Reply(ctx))
	if turn.AgentID != "aria" || turn.Route == nil || reply.Content == "" {
		t.Errorf("routed anew to %+v, which says %+v", turn.Route, reply)
	}
	got := must[schema.Conversation](t)(c.Conversation(ctx, schema.ConversationQuery{ID: "mine", Limit: 2}))
	if len(got.Messages) != 2 || got.Messages[1].ID != reply.ID || got.NextCursor == "" || got.MessageCount != 6 {
		t.Errorf("the conversation is %+v", got)
	}
	older := must[schema.Conversation](t)(c.Conversation(ctx, schema.ConversationQuery{ID: "mine", Cursor: got.NextCursor}))
	if len(older.Messages) != 4 || older.Messages[0].ID != a.Message.ID {
		t.Errorf("what was before is %+v", older)
	}
	all := must[schema.ConversationPage](t)(c.Conversations(ctx, schema.ConversationsQuery{AgentID: "aria"}))
	if len(all.Conversations) != 1 || all.Conversations[0].ID != "mine" {
		t.Errorf("the conversations are %+v", all)
	}
}

func TestMemory(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	importance, end := 0.9, time.Now().Add(time.Hour)
	m := schema.NewMemory{
		AgentID: "nyx", Content: "the cat is called Miro", Metadata: schema.Object{"a": "b"}, Shared: true,
		Tags: []string{"pet", "name"}, Importance: &importance, ExpiresAt: &end,
	}
	item := must[schema.MemoryItem](t)(c.StoreMemory(ctx, m))
	if !item.Shared || item.Metadata["a"] != "b" || len(item.Tags) != 2 || item.Importance != importance || item.ExpiresAt == nil {
		t.Errorf("stored %+v", item)
	}
	for _, agent := range []string{"nyx", ""} {
		if same := must[schema.MemoryItem](t)(c.Memory(ctx, agent, item.ID)); same.Content != m.Content {
			t.Errorf("read %+v", same)
		}
	}
	hits := must[[]schema.MemoryHit](t)(c.SearchMemory(ctx, schema.MemoryQuery{AgentID: "nyx", Text: "cat?", Limit: 3}))
	if len(hits) != 1 || hits[0].Memory.ID != item.ID || hits[0].Score <= 0 {
		t.Errorf("found %+v", hits)
	}
	filter := schema.MemoryQuery{Tags: []string{"pet", "name"}, Metadata: []schema.MetadataEquals{{Key: "a", Value: "b"}}, MinImportance: 0.8}
	if hits = must[[]schema.MemoryHit](t)(c.SearchMemory(ctx, filter)); len(hits) != 1 {
		t.Errorf("with the filter: %+v", hits)
	}
	filter.MinImportance = 0.95
	if hits = must[[]schema.MemoryHit](t)(c.SearchMemory(ctx, filter)); len(hits) != 0 {
		t.Errorf("more important: %+v", hits)
	}
	if err := c.DeleteMemory(ctx, "", item.ID); err != nil {
		t.Error(err)
	}
	if err := c.DeleteMemory(ctx, "nyx", item.ID); schema.CodeOf(err) != schema.CodeNotFound {
		t.Errorf("deleted twice: %v", err)
	}
}

// TestSince: a stream goes on where another one was, and says so if it cannot.
func TestSince(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	first := must[*client.Stream](t)(c.Events(ctx, client.Filter{}))
	defer first.Close()
	must[client.Answer](t)(c.Send(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}))
	next(t, first)
	second := must[*client.Stream](t)(c.Events(ctx, client.Filter{Since: first.Place()}))
	defer second.Close()
	for range 3 {
		if a, b := next(t, first), next(t, second); a.Cursor != b.Cursor || string(a.Payload) != string(b.Payload) {
			t.Errorf("the one has %+v and the other %+v", a, b)
		}
	}
	other := must[*client.Stream](t)(c.Events(ctx, client.Filter{Since: schema.Cursor{Epoch: "other", Seq: 1}}))
	defer other.Close()
	if e := next(t, other); e.Type != schema.EventGap {
		t.Errorf("from a place in another log: %s %s", e.Type, e.Cursor)
	}
	if e := next(t, other); e.Cursor.Seq != 1 {
		t.Errorf("behind the gap: %s %s", e.Type, e.Cursor)
	}
}

// TestBehindAProxy: with TLS, under a path of its own, through the caller's HTTP client.
func TestBehindAProxy(t *testing.T) {
	target := &url.URL{Scheme: "http", Host: serve(t, nil, "")}
	proxy := httptest.NewTLSServer(http.StripPrefix("/agents", httputil.NewSingleHostReverseProxy(target)))
	t.Cleanup(proxy.Close)
	c := newClient(t, proxy.URL+"/agents/", client.WithHTTPClient(proxy.Client()))
	must[schema.Agent](t)(c.Agent(t.Context(), "nyx"))
	turn := must[*client.Turn](t)(c.Chat(t.Context(), client.Message{AgentID: "nyx", Text: "Hello!"}))
	must[schema.Message](t)(turn.Reply(t.Context()))
}

// TestNew refuses what could not work.
func TestNew(t *testing.T) {
	const good = "http://127.0.0.1:3001"
	for name, x := range map[string]struct {
		url string
		opt client.Option
	}{
		"no scheme":      {"127.0.0.1:3001", nil},
		"a socket's":     {"ws://127.0.0.1:3001", nil},
		"no host":        {"http:///x", nil},
		"a query":        {good + "?a=b", nil},
		"a line end":     {good, client.WithToken("token\n")},
		"no logger":      {good, client.WithLogger(nil)},
		"no delay":       {good, client.WithBackoff(0, time.Second)},
		"most < first":   {good, client.WithBackoff(time.Second, time.Millisecond)},
		"no heartbeat":   {good, client.WithHeartbeat(0)},
		"no time at all": {good, client.WithOpenTimeout(-1)},
	} {
		opts := []client.Option{client.WithToken("token")}
		if x.opt != nil {
			opts = append(opts, x.opt)
		}
		if c, err := client.New(x.url, opts...); err == nil {
			c.Close()
			t.Errorf("%s: New takes it", name)
		}
	}
}

// TestRateLimit: an error says when to try again, and what tries again by itself waits for so long.
func TestRateLimit(t *testing.T) {
	address, ctx := "http://"+serve(t, nil, `"rateLimit":{"windowMs":300,"max":2}`), t.Context()
	c := newClient(t, address, client.WithoutRetry())
	var e *client.Error
	for !errors.As(err(c.Agents(ctx, schema.AgentQuery{})), &e) {
	}
	if e.Code != schema.CodeRateLimited || e.RetryAfter <= 0 {
		t.Errorf("got %+v", e)
	}
	must[*client.Stream](t)(c.Events(ctx, client.Filter{})).Close()
	patient := newClient(t, address)
	for range 4 {
		must[schema.AgentPage](t)(patient.Agents(ctx, schema.AgentQuery{}))
	}
}

func err[T any](_ T, err error) error { return err }

// TestTurnsAtTheSameTime do not hold each other up, also when some are not read.
func TestTurnsAtTheSameTime(t *testing.T) {
	c, ctx := served(t, ""), t.Context()
	var talking sync.WaitGroup
	for i := range 8 {
		unread := must[*client.Turn](t)(c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Hello!"}))
		defer unread.Close()
		talking.Go(func() {
			for n := range 5 {
				turn, err := c.Chat(ctx, client.Message{AgentID: "aria", Text: fmt.Sprint("Hello ", n), ConversationID: fmt.Sprint("c", i)})
				if err != nil {
					t.Error(err)
					return
				}
				if r, err := turn.Reply(ctx); err != nil || r.RunID != turn.RunID {
					t.Errorf("%+v, %v", r, err)
				}
			}
		})
	}
	talking.Wait()
}

// losses returns a logger that reports that a connection was lost.
func losses(lost chan<- struct{}) *slog.Logger {
	return slog.New(slog.NewTextHandler(writer(func(line []byte) {
		if strings.Contains(string(line), "is lost") {
			select {
			case lost <- struct{}{}:
			default:
			}
		}
	}), nil))
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// talkative is a brain that thinks more than the buffers of a connection hold.
type talkative struct{}

// thoughts are of 32 KiB each.
const thoughts = 400

func (talkative) Respond(context.Context, brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		thought := strings.Repeat("x", 32<<10)
		for range thoughts {
			if !yield(brain.Step{Thought: thought}, nil) {
				return
			}
		}
		yield(brain.Step{Reply: "enough"}, nil)
	}
}

// TestSlowReader: who does not read is cut off by the server, which keeps no more than its queue, and has every event in the
// end nevertheless.
func TestSlowReader(t *testing.T) {
	lost := make(chan struct{}, 1)
	c, ctx := thinking(t, talkative{}, `"limits":{"queueFrames":8}`, client.WithLogger(losses(lost))), t.Context()
	s := must[*client.Stream](t)(c.Events(ctx, client.Filter{Events: []schema.EventType{"thought", "chat:reply"}}))
	defer s.Close()
	turn := must[*client.Turn](t)(c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Think!"}))
	must[schema.Message](t)(turn.Reply(ctx))
	at := s.Place()
	for n := range thoughts + 1 {
		e := next(t, s)
		if e.Cursor.Seq <= at.Seq || (e.Type == schema.EventReply) != (n == thoughts) {
			t.Fatalf("event %d, after %s, is %s %s", n, at, e.Type, e.Cursor)
		}
		at = e.Cursor
	}
	select {
	case <-lost:
	default:
		t.Error("the server has never cut the reader off")
	}
}

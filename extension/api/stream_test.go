package api_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// TestStreamOpens looks at what everybody on the way sees of a stream before anything has happened.
func TestStreamOpens(t *testing.T) {
	h := newEventHost()
	h.publish(thought("before"))
	w := start(t, `"cors":{"origin":"https://app.example"}`, h.services())
	retries := map[string]bool{}
	for range 8 {
		s := w.follow("/api/events", append(as("alice"), "Origin", "https://app.example")...)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no",
			"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "https://app.example",
		} {
			if got := s.resp.Header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if s.resp.Header.Get("X-Request-Id") == "" || s.resp.ContentLength != -1 || !s.resp.Close {
			t.Errorf("header %v", s.resp.Header)
		}
		b := s.opened()
		f := b.json(t)
		if b.id != "fake-1" || f.text("head") != "fake-1" || fmt.Sprint(f["agents"]) != "[*]" || len(f["events"].([]any)) != len(schema.EventTypes()) {
			t.Errorf("the stream begins with %+v", b)
		}
		if ms, err := strconv.Atoi(b.retry); err != nil || ms < 1000 || ms > 3000 {
			t.Errorf("retry: %s", b.retry)
		}
		retries[b.retry] = true
	}
	if len(retries) == 1 {
		t.Errorf("every client is to come again after %v", retries)
	}
}

// TestStreamIsTheSocketInAnotherForm compares every type of event, byte for byte. A page has no event before its first.
func TestStreamIsTheSocketInAnotherForm(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	sock := w.login("alice")
	sock.ask(`{"type":"subscribe"}`, "subscribed")
	s := w.follow("/api/events", as("alice")...)
	begin := s.opened().id
	var want []string
	for _, kind := range schema.EventTypes() {
		h.publish(schema.Event{Type: kind, AgentID: "nyx", RunID: "run_1", ConversationID: "c", Payload: []byte(`{"x": "<a>\r\n\u2028\\", "y": [1, 2]}`)})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, frame, err := sock.conn.Read(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if b := s.read(); b.data != string(frame) || b.event != "" {
			t.Errorf("stream %+v\nsocket %s", b, frame)
		}
		want = append(want, regexp.MustCompile(`,"prevSeq":\d+}$`).ReplaceAllString(string(frame), "}"))
	}
	page := w.unjudged().do("GET", "/api/events?since="+begin, "", as("alice")...)
	if all := "[" + strings.Join(want, ",") + "]"; !strings.Contains(string(page.body), all) {
		t.Errorf("page   %s\nsocket %s", page.body, all)
	}
}

// TestStreamResumes cuts streams off again and again while events are published: by Last-Event-ID every one comes once, in
// order.
func TestStreamResumes(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	const events = 600
	lead := make(chan struct{}, 40) // the publisher is ahead by so many at the most, and so busy to the end
	var publishing sync.WaitGroup
	defer publishing.Wait()
	begin := w.follow("/api/events", as("alice")...).opened().id
	publishing.Go(func() {
		for i := range events {
			select {
			case lead <- struct{}{}:
			case <-t.Context().Done():
				return
			}
			h.publish(thought(strconv.Itoa(i)), schema.Event{Type: schema.EventQueued, Principal: "bob"})
		}
	})
	next, last := 0, begin
	for connection := 0; next < events; connection++ {
		s := w.follow("/api/events?since=nonsense", append(as("alice"), "Last-Event-ID", last)...)
		if b := s.opened(); b.id != last {
			t.Fatalf("connection %d goes on from %s, want %s", connection, b.id, last)
		}
		for range 1 + connection*7%50 {
			if next == events {
				break
			}
			f := s.want("agent:thought")
			if f.text("thought") != strconv.Itoa(next) {
				t.Fatalf("connection %d: got thought %s behind %s, want %d", connection, f.text("thought"), last, next)
			}
			next, last = next+1, f.text("id")
			<-lead
		}
		s.cancel()
	}
}

// TestStreamThatIsCutOffBeforeTheFirstEvent goes on from where it was opened.
func TestStreamThatIsCutOffBeforeTheFirstEvent(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	s := w.follow("/api/events", as("alice")...)
	id := s.opened().id
	s.cancel()
	h.publish(thought("missed"))
	s = w.follow("/api/events", append(as("alice"), "Last-Event-ID", id)...)
	s.opened()
	if f := s.want("agent:thought"); f.text("thought") != "missed" {
		t.Errorf("got %v", f)
	}
}

func TestStreamTellsOfAGap(t *testing.T) {
	h := newEventHost()
	for i := range 100 {
		h.publish(thought(strconv.Itoa(i)))
	}
	h.evict(51)
	w := start(t, "", h.services())
	for _, since := range []string{"fake-3", "another-99", "fake-1000"} {
		s := w.follow("/api/events?events=thought&since="+since, as("alice")...)
		if b := s.opened(); b.id != since {
			t.Errorf("the stream goes on from %s", b.id)
		}
		if f := s.want("gap"); f.text("requested") != since || f.text("firstAvailable") != "fake-51" || f.text("head") != "fake-100" || f.text("id") != "fake-50" {
			t.Errorf("gap: %v", f)
		}
		if f := s.want("agent:thought"); f.text("id") != "fake-51" {
			t.Errorf("behind the gap: %v", f)
		}
		s.cancel()
	}
}

func TestStreamFilters(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	for query, want := range map[string]string{
		"":                                     "thought nyx, thought aria, delta nyx, reply nyx, reloaded ",
		"?agents=nyx":                          "thought nyx, delta nyx, reply nyx",
		"?agents=aria,nyx&agents=nyx":          "thought nyx, thought aria, delta nyx, reply nyx",
		"?agents=*":                            "thought nyx, thought aria, delta nyx, reply nyx, reloaded ",
		"?agents=nyx,*":                        "thought nyx, thought aria, delta nyx, reply nyx, reloaded ",
		"?events=*":                            "thought nyx, thought aria, delta nyx, reply nyx, reloaded ",
		"?events=chat:*":                       "delta nyx, reply nyx",
		"?events=chat%3A%2a,reloaded":          "delta nyx, reply nyx, reloaded ",
		"?events=thought&events=chat:reply":    "thought nyx, thought aria, reply nyx",
		"?agents=aria&events=thought,chat:*":   "thought aria",
		"?events=agent:*&agents=nyx&since=":    "thought nyx",
		"?events=agent:thought&agents=aria":    "thought aria",
		"?events=thought,thought,thought":      "thought nyx, thought aria",
		"?events=cancelled&events=chat:failed": "",
	} {
		s := w.follow("/api/events"+query, as("alice")...)
		begin := s.opened().id
		h.publish(thought("x"),
			schema.Event{Type: schema.EventThought, AgentID: "aria"}, schema.Event{Type: schema.EventDelta, AgentID: "nyx"},
			schema.Event{Type: schema.EventReply, AgentID: "nyx"}, schema.Event{Type: schema.EventReloaded})
		text := func(f frame) string {
			_, short, _ := strings.Cut(f.kind(), ":")
			return short + " " + f.text("agentId")
		}
		var got, page []string
		for range strings.Count(want, ",") + min(len(want), 1) {
			got = append(got, text(s.read().json(t)))
		}
		s.cancel()
		query = strings.TrimSuffix(query, "&since=")
		if query == "" {
			query = "?"
		}
		for _, f := range w.page(t, query+"&since="+begin, "alice").Events {
			page = append(page, text(f))
		}
		if strings.Join(got, ", ") != want || strings.Join(page, ", ") != want {
			t.Errorf("%s: stream %q, page %q, want %q", query, got, page, want)
		}
	}
}

// TestStreamIsolation shows nobody what belongs to another principal, and an admin everything.
func TestStreamIsolation(t *testing.T) {
	h := newEventHost()
	authenticate := h.authenticate
	h.authenticate = func(token string) (schema.Caller, error) {
		c, err := authenticate(token)
		switch token {
		case "admin":
			c.Scopes = []schema.Scope{schema.ScopeAdmin}
		case "nothing":
			c.Scopes = []schema.Scope{}
		}
		return c, err
	}
	w := start(t, "", h.services())
	streams := map[string]*stream{}
	for _, who := range []string{"alice", "bob", "admin"} {
		streams[who] = w.follow("/api/events", as(who)...)
		streams[who].opened()
	}
	for _, owner := range []string{"alice", "bob", "admin", "somebody", ""} {
		e := thought("of " + owner)
		e.Principal = owner
		h.publish(e)
	}
	for who, want := range map[string]string{"alice": "of alice, of ", "bob": "of bob, of ", "admin": "of alice, of bob, of admin, of somebody, of "} {
		var got, page []string
		for range strings.Split(want, ", ") {
			got = append(got, streams[who].want("agent:thought").text("thought"))
		}
		for _, f := range w.page(t, "?since=fake-0", who).Events {
			page = append(page, f.text("thought"))
		}
		if strings.Join(got, ", ") != want || strings.Join(page, ", ") != want {
			t.Errorf("%s sees %q in the stream and %q in the page", who, got, page)
		}
	}
	for _, accept := range []string{"text/event-stream", "application/json"} {
		w.do("GET", "/api/events", "", append(as("nothing"), "Accept", accept)...).problem(t, 403, schema.CodePermissionDenied)
		w.do("GET", "/api/events", "", "Accept", accept).problem(t, 401, schema.CodeUnauthenticated)
	}
}

// TestStreamComments keeps an idle stream alive.
func TestStreamComments(t *testing.T) {
	w := start(t, `"limits":{"heartbeatMs":10}`, newEventHost().services())
	s := w.follow("/api/events", as("alice")...)
	s.opened()
	for range 3 {
		if b, err := s.next(); err != nil || b.comment == "" || b.data+b.id+b.event != "" {
			t.Fatalf("got %+v, %v", b, err)
		}
	}
}

// TestRevokedTokenEndsItsStreams, within two seconds, and no others: not even where the host cannot answer.
func TestRevokedTokenEndsItsStreams(t *testing.T) {
	h := newEventHost()
	authenticate := h.authenticate
	var changed atomic.Bool
	h.authenticate = func(token string) (schema.Caller, error) {
		c, err := authenticate(token)
		if token == "changed" && changed.Load() {
			c.Scopes = []schema.Scope{schema.ScopeRead}
		}
		return c, err
	}
	w := start(t, "", h.services())
	streams := map[string]*stream{}
	for _, token := range []string{"good", "revoked", "unsure", "changed"} {
		streams[token] = w.follow("/api/events", as(token)...)
		streams[token].opened()
	}
	h.tokens.fail("unsure", schema.Errorf(schema.CodeUnavailable, "the directory is down"))
	h.tokens.fail("revoked", schema.Errorf(schema.CodeUnauthenticated, "no such token"))
	changed.Store(true)
	begin := time.Now()
	for token, want := range map[string]string{"revoked": "valid no longer", "changed": "something else"} {
		if why := streams[token].wantEnd(); !strings.Contains(why, want) {
			t.Errorf("the stream of %s ended with %q", token, why)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stream ended after %v", took)
	}
	if _, err := w.tryFollow("/api/events", as("revoked")...); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a revoked token opens a stream: %v", err)
	}
	h.publish(thought("x"))
	streams["good"].want("agent:thought")
	streams["unsure"].want("agent:thought")
}

// TestDrainEndsStreams at once, whole and with a word, although they wait for nothing.
func TestDrainEndsStreams(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	var streams []*stream
	for i := range 20 {
		s := w.follow("/api/events", as("user"+strconv.Itoa(i))...)
		s.opened()
		streams = append(streams, s)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- w.running.Drain(ctx) }()
	for _, s := range streams {
		if why := s.wantEnd(); !strings.Contains(why, "connect again") {
			t.Errorf("the stream ended with %q", why)
		}
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

// TestStreamsEndBeforeConnectionsMove, and one that comes too late ends as soon as it has begun: a client goes on where it
// was, and not with an error, which a browser takes for the end.
func TestStreamsEndBeforeConnectionsMove(t *testing.T) {
	h := newEventHost()
	server := api.New()
	d := api.Definition()
	d.New = func() sdk.Extension { return server }
	w := startOf(t, d, "", h.services())
	s := w.follow("/api/events", as("alice")...)
	s.opened()
	server.Move(t.Context())
	if why := s.wantEnd(); !strings.Contains(why, "connect again") {
		t.Errorf("the stream ended with %q", why)
	}
	h.publish(thought("x"))
	late := w.follow("/api/events?since=fake-0", as("alice")...)
	if b := late.opened(); b.id != "fake-0" {
		t.Errorf("the late stream goes on from %s", b.id)
	}
	late.wantEnd()
	if p := w.page(t, "?since=fake-0", "alice"); len(p.Events) != 1 {
		t.Errorf("page: %+v", p)
	}
}

// TestDrainDoesNotWaitForAStuckReader of a stream.
func TestDrainDoesNotWaitForAStuckReader(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	stuck(t, w, h)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.running.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

// stuck opens a stream that is not read, and publishes more than the kernel takes for it; another one has all of that when
// it returns.
func stuck(t *testing.T, w *world, h *eventHost) {
	t.Helper()
	c, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(16 << 10)
	fmt.Fprintf(c, "GET /api/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer stuck\r\n\r\n")
	if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	other := w.follow("/api/events", as("other")...)
	defer other.cancel()
	other.opened()
	for range 24 {
		h.publish(thought(strings.Repeat("x", 32<<10)))
		other.want("agent:thought")
	}
}

// TestSlowReaderIsCutOff, which gives its place back, and holds up nobody.
func TestSlowReaderIsCutOff(t *testing.T) {
	h := newEventHost()
	w := start(t, `"limits":{"sockets":2}`, h.services())
	stuck(t, w, h)
	var good *stream
	eventually(t, "the place of a client that has gone", func() (ok bool) {
		var err error
		good, err = w.tryFollow("/api/events", as("good")...)
		return err == nil
	})
	good.opened()
	if _, err := w.tryFollow("/api/events", as("other")...); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatalf("a third stream: %v", err)
	}
	eventually(t, "the place of the slow reader", func() bool {
		_, err := w.tryFollow("/api/events", as("other")...)
		return err == nil
	})
	h.publish(thought("x"))
	good.want("agent:thought")
}

// TestStreamsTakeThePlacesOfSockets, and give them back as soon as their client has gone.
func TestStreamsTakeThePlacesOfSockets(t *testing.T) {
	w := start(t, `"limits":{"sockets":2}`, newEventHost().services())
	s := w.follow("/api/events", as("alice")...)
	s.opened()
	w.login("bob")
	accept := append(as("carol"), "Accept", "text/event-stream")
	a := w.do("GET", "/api/events", "", accept...)
	if p := a.problem(t, 503, schema.CodeUnavailable); !strings.Contains(p.Detail, "are taken") || a.header.Get("Retry-After") == "" || a.header.Get("X-Accel-Buffering") != "" {
		t.Errorf("503 says %q with %v", p.Detail, a.header)
	}
	if a := w.do("HEAD", "/api/events", "", accept...); a.status != 200 {
		t.Errorf("HEAD takes a place: %d", a.status)
	}
	begin := time.Now()
	s.cancel()
	eventually(t, "the place of the stream", func() bool {
		_, err := w.tryFollow("/api/events", as("carol")...)
		return err == nil
	})
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("that the client has gone was noticed after %v", took)
	}
}

// TestStreamEndsWithTheLog, so that the client connects again.
func TestStreamEndsWithTheLog(t *testing.T) {
	h := newEventHost()
	w := start(t, "", h.services())
	s := w.follow("/api/events", as("alice")...)
	s.opened()
	h.publish(thought("last"))
	s.want("agent:thought")
	h.events.Close()
	if why := s.wantEnd(); !strings.Contains(why, "connect again") {
		t.Errorf("the stream ended with %q", why)
	}
}

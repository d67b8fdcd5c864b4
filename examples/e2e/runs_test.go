//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// slowly is a host whose agents stop in the middle of every reply until resume is sent to.
func slowly(t *testing.T) (s *server, resume chan struct{}) {
	t.Helper()
	h := halting{make(chan struct{})}
	m, _, _ := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return h, nil })
	return &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}, h.resume
}

// with makes one request with headers, given as name and value.
func (s *server) with(c *http.Client, want int, method, path string, body any, header ...string) answer {
	s.t.Helper()
	return s.do(headed(c, header...), want, method, path, body)
}

// headed returns a client like c that sends headers with every request.
func headed(c *http.Client, header ...string) *http.Client {
	next := c.Transport
	return &http.Client{Timeout: c.Timeout, Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return next.RoundTrip(r)
	})}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (a answer) str(name string) string {
	text, _ := a.json[name].(string)
	return text
}

// awaitRun reads a run until it has the status.
func (s *server) awaitRun(c *http.Client, path, status string) answer {
	s.t.Helper()
	var run answer
	eventually(s.t, "the run is "+status, func() error {
		if run = s.do(c, http.StatusOK, http.MethodGet, path, nil); run.str("status") != status {
			return fmt.Errorf("it is %s", run.raw)
		}
		return nil
	})
	return run
}

// TestATurnThatIsNotWaitedFor: a 202 at once or after a while, and the run has the reply.
func TestATurnThatIsNotWaitedFor(t *testing.T) {
	s, resume := slowly(t)
	c := newClient(t)
	send := func(prefer string) answer {
		t.Helper()
		a := s.with(c, http.StatusAccepted, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"}, "Prefer", prefer)
		if a.json["reply"] != nil || a.json["message"] == nil || a.Header.Get("Location") != "/api/runs/"+a.str("runId") {
			t.Fatalf("Prefer: %s: %v %s", prefer, a.Header, a.raw)
		}
		return a
	}
	for prefer, applied := range map[string]string{"respond-async": "respond-async", "wait=1": "wait=1", "WAIT=0, respond-async;x=y": "respond-async, wait=0"} {
		a := send(prefer)
		if got := a.Header.Get("Preference-Applied"); got != applied {
			t.Errorf("Prefer: %s: %q was applied", prefer, got)
		}
		resume <- struct{}{}
		run := s.awaitRun(c, a.Header.Get("Location"), "completed")
		if reply, _ := run.json["reply"].(map[string]any); reply["content"] != "half a reply" {
			t.Errorf("the run is %s", run.raw)
		}
	}
	done := make(chan answer)
	go func() {
		done <- s.with(c, http.StatusOK, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"}, "Prefer", "wait=60")
	}()
	resume <- struct{}{}
	if a := <-done; a.Header.Get("Preference-Applied") != "wait=60" || a.json["reply"] == nil {
		t.Errorf("with time to wait: %v %s", a.Header, a.raw)
	}
	if list := s.do(c, http.StatusOK, http.MethodGet, "/api/runs?status=completed&agentId=nyx&limit=3", nil); len(list.json["runs"].([]any)) != 3 || list.str("nextCursor") == "" {
		t.Errorf("the runs are %s", list.raw)
	}
}

// TestABusyConversation: who does not want to wait is told who is in the way; who interrupts keeps what was said.
func TestABusyConversation(t *testing.T) {
	s, resume := slowly(t)
	c := newClient(t)
	send := func(want int, onBusy string) answer {
		t.Helper()
		return s.with(c, want, http.MethodPost, "/api/chat/send",
			map[string]any{"agentId": "nyx", "conversationId": "c", "message": "Hello!", "onBusy": onBusy}, "Prefer", "respond-async")
	}
	holder := send(http.StatusAccepted, "enqueue")
	s.awaitPiece(c, holder.str("runId"))
	refused := send(http.StatusConflict, "reject")
	if refused.code() != "conversation_busy" || refused.str("runId") != holder.str("runId") {
		t.Errorf("a busy conversation answers %s", refused.raw)
	}
	next := send(http.StatusAccepted, "interrupt")
	run := s.awaitRun(c, holder.Header.Get("Location"), "cancelled")
	partial, _ := run.json["reply"].(map[string]any)
	if run.str("reason") != "interrupted" || partial["content"] != "half " || partial["partial"] != true {
		t.Errorf("the interrupted run is %s", run.raw)
	}
	resume <- struct{}{}
	s.awaitRun(c, next.Header.Get("Location"), "completed")
	for range 2 {
		if a := s.do(c, http.StatusOK, http.MethodPost, holder.Header.Get("Location")+"/cancel", nil); a.str("status") != "cancelled" || a.str("reason") != "interrupted" {
			t.Errorf("to cancel it again: %s", a.raw)
		}
	}
	if a := s.do(c, http.StatusUnprocessableEntity, http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "x", "onBusy": "panic"}); a.code() != "invalid_argument" {
		t.Errorf("another onBusy: %s", a.raw)
	}
}

// awaitPiece waits until a run has said something.
func (s *server) awaitPiece(c *http.Client, run string) {
	s.t.Helper()
	eventually(s.t, "the first piece of a reply", func() error {
		a := s.do(c, http.StatusOK, http.MethodGet, "/api/events?events=delta&runId="+run, nil)
		if len(a.json["events"].([]any)) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
}

// awaitTurn waits for the first turn of a conversation, and returns the id of its run.
func (s *server) awaitTurn(c *http.Client, conversation string) (run string) {
	s.t.Helper()
	eventually(s.t, "the turn", func() error {
		runs := s.do(c, http.StatusOK, http.MethodGet, "/api/runs?conversationId="+conversation, nil).json["runs"].([]any)
		if len(runs) == 0 {
			return errors.New("there is none")
		}
		run = runs[0].(map[string]any)["id"].(string)
		return nil
	})
	return run
}

// TestAClientThatGoesAway: its turn goes on, unless it has said otherwise.
func TestAClientThatGoesAway(t *testing.T) {
	s, resume := slowly(t)
	c := newClient(t)
	for _, accept := range []string{"application/json", "text/event-stream"} {
		for onDisconnect, status := range map[string]string{"": "completed", "continue": "completed", "cancel": "cancelled"} {
			conversation := "gone-" + onDisconnect + accept[:4]
			body, _ := json.Marshal(map[string]any{"agentId": "nyx", "conversationId": conversation, "message": "Hello!", "onDisconnect": onDisconnect})
			if onDisconnect == "" {
				body = bytes.Replace(body, []byte(`,"onDisconnect":""`), nil, 1)
			}
			ctx, leave := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/api/chat/send", bytes.NewReader(body))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", accept)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				if resp, err := newClient(t).Do(req); err == nil {
					<-ctx.Done()
					_ = resp.Body.Close()
				}
			}()
			run := s.awaitTurn(c, conversation)
			s.awaitPiece(c, run)
			leave()
			<-gone
			if status == "completed" {
				resume <- struct{}{}
			}
			s.awaitRun(c, "/api/runs/"+run, status)
		}
	}
}

// events reads a stream of events to its end, and returns the types and the last id.
func (s *server) events(method, path string, body any, header ...string) (types []string, lastID string) {
	s.t.Helper()
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.base+path, content)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := newClient(s.t).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		s.t.Fatalf("%s %s = %s", method, path, resp.Status)
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			lastID = id
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var e struct{ Type string }
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				s.t.Fatal(err)
			}
			if e.Type != "ack" { // which is that of a request, and not of a command
				checkFrame(s.t, []byte(data))
			}
			types = append(types, e.Type)
		}
	}
	return types, lastID
}

// TestATurnAsItHappens: from the acceptance to the end, again from the beginning, and from where somebody was.
func TestATurnAsItHappens(t *testing.T) {
	s, resume := slowly(t)
	go func() { resume <- struct{}{} }()
	send := map[string]any{"agentId": "nyx", "message": "Hello!"}
	types, last := s.events(http.MethodPost, "/api/chat/send", send, "Idempotency-Key", "a turn")
	if want := "[ack chat:queued chat:started chat:delta chat:delta chat:reply]"; fmt.Sprint(types) != want {
		t.Fatalf("the stream has %v", types)
	}
	again, _ := s.events(http.MethodPost, "/api/chat/send", send, "Idempotency-Key", "a turn")
	if fmt.Sprint(again) != fmt.Sprint(types) {
		t.Errorf("the stream of the request that repeats it has %v", again)
	}
	rest, _ := s.events(http.MethodPost, "/api/chat/send", send, "Idempotency-Key", "a turn", "Last-Event-ID", last)
	if fmt.Sprint(rest) != "[ack]" {
		t.Errorf("behind its last event it has %v", rest)
	}
	run := s.do(newClient(t), http.StatusOK, http.MethodGet, "/api/runs", nil).json["runs"].([]any)[0].(map[string]any)["id"].(string)
	if all, _ := s.events(http.MethodGet, "/api/events?runId="+run, nil); fmt.Sprint(all[1:]) != fmt.Sprint(types[1:]) {
		t.Errorf("GET /api/events has %v", all)
	}
	if some, _ := s.events(http.MethodGet, "/api/events?events=started,delta&runId="+run, nil); fmt.Sprint(some[1:]) != "[chat:started chat:delta chat:delta]" {
		t.Errorf("GET /api/events has %v of what was asked for", some)
	}
	s.do(newClient(t), http.StatusNotFound, http.MethodGet, "/api/events?runId=run_none", nil)
}

// TestWhoWouldAnswer asks, and sends nothing.
func TestWhoWouldAnswer(t *testing.T) {
	s := start(t, t.TempDir(), "--set", "extensions.api.port=0")
	c := newClient(t)
	a := s.do(c, http.StatusOK, http.MethodPost, "/api/chat/route", map[string]any{"message": "help", "context": map[string]any{"skill": "programming"}})
	if a.str("agentId") != "nyx" || a.str("reason") == "" || len(a.json["candidates"].([]any)) != 2 {
		t.Errorf("the answer is %s", a.raw)
	}
	nobody := s.do(c, http.StatusConflict, http.MethodPost, "/api/chat/route", map[string]any{"message": "help", "context": map[string]any{"skill": "juggling"}})
	if nobody.code() != "no_agent_fits" || nobody.json["threshold"] == nil || len(nobody.json["candidates"].([]any)) != 2 {
		t.Errorf("where nobody fits the answer is %s", nobody.raw)
	}
	if list := s.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations", nil); len(list.json["conversations"].([]any)) != 0 {
		t.Errorf("there are conversations: %s", list.raw)
	}
}

// TestOnceOverREST repeats requests, before and after kill -9 of the API process and of the host.
func TestOnceOverREST(t *testing.T) {
	data := t.TempDir()
	s := start(t, data, "--set", "extensions.api.port=0")
	requests := []struct {
		method, path string
		body         any
		status       int
	}{
		{http.MethodPost, "/api/chat/send", map[string]any{"agentId": "nyx", "message": "Hello!"}, http.StatusOK},
		{http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": "only once"}, http.StatusCreated},
		{http.MethodPut, "/api/agents/aria", map[string]any{"persona": "calm"}, http.StatusOK},
		{http.MethodPost, "/api/agents/aria/stop", nil, http.StatusOK},
		{http.MethodPost, "/api/agents/aria/start", nil, http.StatusOK},
		{http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nobody", "content": "x"}, http.StatusNotFound},
	}
	first := make([]answer, len(requests))
	try := func(round string) {
		t.Helper()
		c := newClient(t)
		for i, r := range requests {
			a := s.with(c, r.status, r.method, r.path, r.body, "Idempotency-Key", fmt.Sprint("key ", i))
			if round == "first" {
				first[i] = a
			}
			if replayed := a.Header.Get("Idempotency-Replayed"); (replayed == "true") != (round != "first") {
				t.Errorf("%s: %s %s: Idempotency-Replayed: %q", round, r.method, r.path, replayed)
			}
			delete(a.json, "requestId")
			if got, want := fmt.Sprint(a.json), fmt.Sprint(first[i].json); got != want || a.Header.Get("ETag") != first[i].Header.Get("ETag") || a.Header.Get("Location") != first[i].Header.Get("Location") {
				t.Errorf("%s: %s %s\n got %s\nwant %s", round, r.method, r.path, got, want)
			}
		}
	}
	try("first")
	try("again")
	kill(t, s.children()[0])
	try("after the end of the API process")
	s.kill9()
	s = start(t, data, "--set", "extensions.api.port=0")
	try("after the end of the host")
	c := newClient(t)
	if a := s.with(c, http.StatusUnprocessableEntity, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": "other"}, "Idempotency-Key", "key 1"); a.code() != "idempotency_key_reused" {
		t.Errorf("another request with the same key: %s", a.raw)
	}
	for _, key := range []string{"", "tab\there", strings.Repeat("x", 256)} {
		if a := s.with(c, http.StatusUnprocessableEntity, http.MethodPost, "/api/memory/store", map[string]any{"agentId": "nyx", "content": "other"}, "Idempotency-Key", key); a.code() != "invalid_argument" {
			t.Errorf("the key %.20q: %s", key, a.raw)
		}
	}
	found := s.do(c, http.StatusOK, http.MethodGet, "/api/memory/search?q=only+once&agentId=nyx", nil)
	if n := len(found.json["results"].([]any)); n != 1 {
		t.Errorf("it is remembered %d times", n)
	}
}

// failing is a brain that cannot answer, and for the message "wait" does not even say so.
type failing struct{}

func (failing) Respond(ctx context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		if t.Message.Content == "wait" {
			<-ctx.Done()
		}
		yield(brain.Step{}, errors.New("the model is away"))
	}
}

// TestARetryOfATurnWithoutAReply hears what became of that turn, and begins no other one. The contract has such answers, too.
func TestARetryOfATurnWithoutAReply(t *testing.T) {
	m, _, _ := managed(t, func(context.Context, string, schema.Object) (brain.Brain, error) { return failing{}, nil })
	s, c := &server{t: t, base: "http://" + m.Status()[0].Listeners[0]}, newClient(t)
	for text, status := range map[string]int{"fail": http.StatusInternalServerError, "wait": 499} {
		body := map[string]any{"agentId": "nyx", "message": text}
		begun := s.with(c, http.StatusAccepted, http.MethodPost, "/api/chat/send", body, "Idempotency-Key", text, "Prefer", "respond-async")
		if text == "wait" {
			s.do(c, http.StatusOK, http.MethodPost, "/api/runs/"+begun.str("runId")+"/cancel", nil)
		}
		for range 2 {
			a := s.with(c, status, http.MethodPost, "/api/chat/send", body, "Idempotency-Key", text)
			if a.str("runId") != begun.str("runId") || a.Header.Get("Idempotency-Replayed") != "true" {
				t.Errorf("the retry of %s: %v %s", begun.raw, a.Header, a.raw)
			}
		}
	}
}

// TestARetryWhileTheFirstIsRunning attaches to it.
func TestARetryWhileTheFirstIsRunning(t *testing.T) {
	s, resume := slowly(t)
	c := newClient(t)
	answers := make(chan answer, 3)
	for range cap(answers) {
		go func() {
			answers <- s.with(newClient(t), http.StatusOK, http.MethodPost, "/api/chat/send",
				map[string]any{"agentId": "nyx", "conversationId": "c", "message": "Hello!"}, "Idempotency-Key", "k")
		}()
	}
	select {
	case resume <- struct{}{}:
	case <-time.After(patience):
		t.Fatal("no turn began")
	}
	fresh, ids := 0, map[string]bool{}
	for range cap(answers) {
		a := <-answers
		ids[a.str("runId")] = true
		if a.Header.Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	if fresh != 1 || len(ids) != 1 {
		t.Errorf("%d were the first, and there were the runs %v", fresh, ids)
	}
	if a := s.do(c, http.StatusOK, http.MethodGet, "/api/chat/conversations/c", nil); a.json["messageCount"] != 2.0 {
		t.Errorf("the conversation is %s", a.raw)
	}
}

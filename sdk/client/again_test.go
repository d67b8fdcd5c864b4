package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/client"
)

// faults are what may come in the place of an answer that makes it worth to ask again.
var faults = map[string]http.HandlerFunc{
	"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	"cut off in the middle": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"id":"`))
	},
	"a proxy's answer": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	"too late":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGatewayTimeout) },
	"unavailable":      problem(503, `{"code":"unavailable","retryable":true}`),
	"wrong":            problem(500, `{"code":"internal"}`),
	"limited":          problem(429, `{"code":"rate_limited","retryable":true}`),
}

func problem(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TestAskedAgain: what was not answered is asked for again, as it was, and what changes something has the same key each time.
func TestAskedAgain(t *testing.T) {
	calls := map[string]func(context.Context, *client.Client) error{
		http.MethodGet:    func(ctx context.Context, c *client.Client) error { return err(c.Agent(ctx, "nyx")) },
		http.MethodDelete: func(ctx context.Context, c *client.Client) error { return c.DeleteAgent(ctx, "nyx", 7) },
		http.MethodPost:   func(ctx context.Context, c *client.Client) error { return err(c.StoreMemory(ctx, schema.NewMemory{})) },
		http.MethodPatch: func(ctx context.Context, c *client.Client) error {
			return err(c.UpdateAgent(ctx, "nyx", schema.AgentPatch{IfRevision: 7}))
		},
	}
	for name, fault := range faults {
		for method, call := range calls {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				var asked atomic.Int64
				keys := make(chan string, 8)
				url := handled(t, func(w http.ResponseWriter, r *http.Request) {
					keys <- r.Header.Get("Idempotency-Key") + r.Header.Get("If-Match")
					if r.Method != method {
						t.Errorf("asked with %s", r.Method)
					}
					if asked.Add(1) <= 2 {
						fault(w, r)
						return
					}
					_, _ = w.Write([]byte(`{}`))
				})
				if err := call(t.Context(), newClient(t, url)); err != nil || asked.Load() != 3 {
					t.Errorf("asked %d times: %v", asked.Load(), err)
				}
				key := <-keys
				if second, third := <-keys, <-keys; key != second || key != third {
					t.Errorf("the keys are %s, %s and %s", key, second, third)
				}
				if hasKey := len(key) > 20; hasKey != (method == http.MethodPost || method == http.MethodPatch) {
					t.Errorf("the key is %q", key)
				}
			})
		}
	}
}

// TestLostAnswer: whether something may have been done is told apart by what was asked, and by how far it came.
func TestLostAnswer(t *testing.T) {
	nobody := "http://127.0.0.1:1"
	for name, x := range map[string]struct {
		url     string
		unknown bool
	}{
		"cut off":          {handled(t, faults["cut off"]), true},
		"a proxy's answer": {handled(t, faults["a proxy's answer"]), true},
		"unavailable":      {handled(t, faults["unavailable"]), true},
		"no JSON":          {answering(t, 200, "text/html", "<p>"), true},
		"limited":          {handled(t, faults["limited"]), false},
		"refused":          {answering(t, 409, "application/problem+json", `{"code":"agent_not_running"}`), false},
		"nobody there":     {nobody, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, opts := range [][]client.Option{nil, {client.WithoutRetry()}} {
				c := newClient(t, x.url, opts...)
				if _, err := c.Send(t.Context(), client.Message{Text: "Hello!"}); err == nil || errors.Is(err, client.ErrUnknownOutcome) != x.unknown {
					t.Errorf("Send: %v", err)
				}
				_, read := c.Agents(t.Context(), schema.AgentQuery{})
				_, asked := c.Route(t.Context(), schema.RouteRequest{Message: "Hello!"})
				for _, err := range []error{read, asked} {
					if err == nil || errors.Is(err, client.ErrUnknownOutcome) {
						t.Errorf("what changes nothing: %v", err)
					}
				}
			}
		})
	}
}

// TestTriesAreBounded by their number, by the context, and by WithoutRetry.
func TestTriesAreBounded(t *testing.T) {
	var asked atomic.Int64
	count := func(h http.HandlerFunc) string {
		return handled(t, func(w http.ResponseWriter, r *http.Request) { asked.Add(1); h(w, r) })
	}
	later := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "3600")
		faults["limited"](w, r)
	}
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for name, x := range map[string]struct {
		handler http.HandlerFunc
		ctx     context.Context
		want    int64
		opts    []client.Option
	}{
		"not now":               {faults["unavailable"], t.Context(), 8, nil},
		"no answer":             {faults["cut off"], t.Context(), 8, nil},
		"wrong":                 {faults["wrong"], t.Context(), 3, nil},
		"without retries":       {faults["unavailable"], t.Context(), 1, []client.Option{client.WithoutRetry()}},
		"longer than ctx lives": {later, deadline, 1, nil},
	} {
		asked.Store(0)
		began := time.Now()
		_, err := newClient(t, count(x.handler), x.opts...).Agent(x.ctx, "nyx")
		if got := asked.Load(); err == nil || got < x.want || x.want == 1 && got != 1 || got > 2*x.want { // net/http asks again by itself, too
			t.Errorf("%s: asked %d times, want %d: %v", name, got, x.want, err)
		}
		if time.Since(began) > patience/2 {
			t.Errorf("%s: it took %v", name, time.Since(began))
		}
	}
}

// TestDeletedBefore: a deletion whose answer was lost finds nothing any more, which is what was asked for.
func TestDeletedBefore(t *testing.T) {
	var asked atomic.Int64
	gone := problem(404, `{"code":"not_found"}`)
	url := handled(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			faults["cut off"](w, r)
		}
		gone(w, r)
	})
	c := newClient(t, url)
	if err := c.DeleteMemory(t.Context(), "", "mem_1"); err != nil {
		t.Errorf("the answer was lost: %v", err)
	}
	if err := c.DeleteMemory(t.Context(), "", "mem_1"); schema.CodeOf(err) != schema.CodeNotFound {
		t.Errorf("it was never there: %v", err)
	}
}

// TestSendWaits: for a turn that goes on, whatever the answer to the first request is, and not for one that is over.
func TestSendWaits(t *testing.T) {
	const accepted = `{"conversationId":"c","runId":"run_1","agentId":"nyx","message":{"content":"Hello!"}}`
	unseen := problem(503, `{"code":"unavailable","retryable":true,"runId":"run_1"}`)
	for name, x := range map[string]struct {
		first  http.HandlerFunc
		status schema.RunStatus
		want   int64
		code   schema.ErrorCode
	}{
		"accepted": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write([]byte(accepted))
		}, "", 2, ""},
		"not seen":      {unseen, schema.RunRunning, 2, ""},
		"replied":       {unseen, schema.RunCompleted, 2, ""}, // while it could not be seen
		"failed":        {unseen, schema.RunFailed, 1, schema.CodeUnavailable},
		"cancelled":     {problem(499, `{"code":"cancelled","retryable":true,"runId":"run_1"}`), schema.RunCancelled, 1, schema.CodeCancelled},
		"another's run": {problem(409, `{"code":"conversation_busy","runId":"run_0"}`), schema.RunRunning, 1, schema.CodeConversationBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			var key atomic.Value
			mux := http.NewServeMux()
			mux.HandleFunc("POST /api/chat/send", func(w http.ResponseWriter, r *http.Request) {
				if !key.CompareAndSwap(nil, r.Header.Get("Idempotency-Key")) && key.Load() != r.Header.Get("Idempotency-Key") {
					t.Error("another key")
				}
				if asked.Add(1) == 1 {
					x.first(w, r)
					return
				}
				_, _ = w.Write([]byte(accepted[:len(accepted)-1] + `,"reply":{"content":"yes"}}`))
			})
			mux.HandleFunc("GET /api/runs/run_1", func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(schema.Run{ID: "run_1", Status: x.status})
			})
			a, err := newClient(t, handled(t, mux.ServeHTTP)).Send(t.Context(), client.Message{Text: "Hello!"})
			if schema.CodeOf(err) != x.code || asked.Load() != x.want || errors.Is(err, client.ErrUnknownOutcome) || err == nil && a.Reply.Content != "yes" {
				t.Errorf("asked %d times: %+v, %v", asked.Load(), a, err)
			}
		})
	}
}

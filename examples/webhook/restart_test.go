package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

const patience = 60 * time.Second

// receiver is the endpoint: a real server that knows what came, in order.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	down  bool
	heard []heard
	grown chan struct{} // of capacity 1
}

type heard struct{ id, agent, text string }

func receive(t *testing.T) *receiver {
	key, err := parseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{grown: make(chan struct{}, 1)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var e struct {
			AgentID string `json:"agentId"`
			Message schema.Message
		}
		if err != nil || json.Unmarshal(body, &e) != nil {
			return // cut off by a kill
		}
		var at int64
		_, err = fmt.Sscan(req.Header.Get("webhook-timestamp"), &at)
		again := http.Header{}
		sign(again, key, req.Header.Get("webhook-id"), time.Unix(at, 0), body)
		if err != nil || again.Get("webhook-signature") != req.Header.Get("webhook-signature") {
			t.Errorf("the signature of %s does not fit: %v", body, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.heard = append(r.heard, heard{req.Header.Get("webhook-id"), e.AgentID, e.Message.Content})
		select {
		case r.grown <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// distinct returns what came, without the doubles, and how many of those there were.
func (r *receiver) distinct() (all []heard, doubles int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.heard {
		if slices.Contains(all, h) {
			doubles++
			continue
		}
		all = append(all, h)
	}
	return all, doubles
}

// house is a host: a runtime and a manager, on directories that outlive it.
type house struct {
	t       *testing.T
	data    string
	spec    plugin.Spec
	runtime *local.Runtime
	manager *plugin.Manager
}

func (h *house) open() {
	h.t.Helper()
	var err error
	if h.runtime, err = local.Open(context.Background(), local.Options{Dir: h.data}); err != nil {
		h.t.Fatal(err)
	}
	supervision := plugin.DefaultSupervision()
	supervision.RestartMin = 10 * time.Millisecond
	h.manager = plugin.New(guard.New(h.runtime.Services()), plugin.WithStateDir(filepath.Join(h.data, "extensions")),
		plugin.WithRunDir(filepath.Join(h.data, "run")), plugin.WithSupervision(supervision),
		plugin.WithLogger(slog.New(slog.NewTextHandler(h.t.Output(), nil))))
	if err := h.manager.Start(context.Background(), h.spec); err != nil {
		h.t.Fatal(errors.Join(err, h.close()))
	}
}

func (h *house) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(h.manager.Close(ctx), h.runtime.Close(ctx))
}

func (h *house) say(agent, text string) {
	h.t.Helper()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "ann", Scopes: []schema.Scope{schema.ScopeChat}})
	for _, err := range h.runtime.Services().Chat.Send(ctx, schema.SendRequest{AgentID: agent, Message: text}) {
		if err != nil {
			h.t.Fatal(err)
		}
		break
	}
}

func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagehouse-webhook")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// TestNothingIsLost: messages go on being said while the extension is replaced, killed, and started anew with its host, and while
// the endpoint is down; each of them reaches the endpoint, in the order of its agent. Where nothing was killed there are no doubles.
func TestNothingIsLost(t *testing.T) {
	r := receive(t)
	h := &house{t: t, data: t.TempDir(), spec: plugin.Spec{Name: "webhook", Path: build(t), Private: true,
		Config: json.RawMessage(`{"url":"` + r.URL + `","secret":"` + secret + `","types":["chat:queued"],"retryMinMs":5,"retryMaxMs":20,"maxAttempts":1000}`)}}
	h.open()
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	said := map[string][]string{}
	agents := []string{"aria", "nyx"}
	talk := func(n int) {
		for range n {
			for _, agent := range agents {
				text := fmt.Sprintf("%s hears number %d", agent, len(said[agent]))
				said[agent] = append(said[agent], text)
				h.say(agent, text)
			}
		}
	}
	expect := func(what string, doublesAllowed bool) {
		t.Helper()
		deadline := time.After(patience)
		for {
			all, doubles := r.distinct()
			got := map[string][]string{}
			for _, e := range all {
				got[e.agent] = append(got[e.agent], e.text)
			}
			if len(got["nyx"]) == len(said["nyx"]) && len(got["aria"]) == len(said["aria"]) {
				if !slices.Equal(got["nyx"], said["nyx"]) || !slices.Equal(got["aria"], said["aria"]) {
					t.Errorf("%s: out of order: %v", what, got)
				}
				if doubles > 0 && !doublesAllowed {
					t.Errorf("%s: %d were delivered twice", what, doubles)
				}
				return
			}
			select {
			case <-r.grown:
			case <-deadline:
				t.Fatalf("%s: delivered %d and %d of %d", what, len(got["nyx"]), len(got["aria"]), len(said["nyx"]))
			}
		}
	}
	talk(20)
	expect("as it is", false)
	for range 3 {
		talk(10)
		if err := h.manager.Reload(context.Background(), h.spec); err != nil {
			t.Fatal(err)
		}
		talk(10)
	}
	expect("over swaps", false)
	r.setDown(true)
	talk(10)
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	h.open()
	talk(10)
	r.setDown(false)
	expect("over a restart of the host while the endpoint is down", false)
	for range 3 {
		talk(10)
		h.kill()
		talk(10)
	}
	expect("over kills", true)
}

// kill kills the process and waits until there is another one.
func (h *house) kill() {
	h.t.Helper()
	pid := h.manager.Status()[0].PID
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for s := h.manager.Status()[0]; s.State != plugin.StateRunning || s.PID == pid; s = h.manager.Status()[0] {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatal("it is not started anew")
		}
	}
}

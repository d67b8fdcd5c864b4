package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// echo is a brain that says what it hears.
type echo struct{}

func (echo) Respond(_ context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		yield(brain.Step{Reply: "You said: " + t.Message.Content}, nil)
	}
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
	h.runtime, err = local.Open(context.Background(), local.Options{
		Dir: h.data, Agents: []local.AgentSpec{{ID: "nyx", Brain: schema.Brain{Provider: "echo"}}},
		Brains: map[string]brain.Factory{"echo": func(context.Context, string, schema.Object) (brain.Brain, error) { return echo{}, nil }},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	supervision := plugin.DefaultSupervision()
	supervision.RestartMin = 10 * time.Millisecond
	h.manager = plugin.New(guard.New(h.runtime.Services()), plugin.WithStateDir(filepath.Join(h.data, "extensions")),
		plugin.WithSupervision(supervision), plugin.WithLogger(slog.New(slog.NewTextHandler(h.t.Output(), nil))))
	if err := h.manager.Start(context.Background(), h.spec); err != nil {
		h.t.Fatal(errors.Join(err, h.close()))
	}
}

func (h *house) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(h.manager.Close(ctx), h.runtime.Close(ctx))
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

// heard returns what was said to the agent in a conversation.
func (h *house) heard(conversation string) (texts []string) {
	h.t.Helper()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "extension:bridge", Scopes: []schema.Scope{schema.ScopeRead}})
	c, err := h.runtime.Services().Chat.Conversation(ctx, schema.ConversationQuery{ID: conversation, Limit: schema.MaxPageSize})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, m := range c.Messages {
		if m.Role == schema.RoleUser {
			texts = append(texts, m.Content)
		}
	}
	return texts
}

// TestNothingIsLost: people go on writing while the bridge is replaced, killed, and started anew with its host. Each message reaches the
// agent once, and its answer the chat, in order; twice only where a kill has come between the saying and the keeping.
func TestNothingIsLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stagehouse-bridge")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s := startService(t)
	h := &house{t: t, data: t.TempDir(), spec: plugin.Spec{Name: "bridge", Path: path, Private: true, Config: json.RawMessage(s.block(""))}}
	h.open()
	defer func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	}()
	chats := []int64{7, -42}
	var said []string
	write := func(n int) {
		for range n {
			text := fmt.Sprintf("number %d", len(said))
			said = append(said, text)
			for _, chat := range chats {
				s.write(chat, text)
			}
		}
	}
	kills := 0
	expect := func(what string) {
		t.Helper()
		doubles := 0
		for _, chat := range chats {
			var got []string
			s.await(t, what, func() bool {
				all := s.read(chat)
				got = slices.Compact(slices.Clone(all))
				doubles = len(all) - len(got)
				return len(got) >= len(said)
			})
			for i, text := range said {
				if got[i] != "You said: "+text {
					t.Errorf("%s: chat %d reads %q after %d answers", what, chat, got[i], i)
				}
			}
			if doubles > kills {
				t.Errorf("%s: %d answers were said twice, and there were %d kills", what, doubles, kills)
			}
			if heard := h.heard(conversation(chat)); !slices.Equal(heard, said) {
				t.Errorf("%s: the agent heard %d messages of chat %d, of %d", what, len(heard), chat, len(said))
			}
		}
	}
	write(5)
	expect("as it is")
	for range 2 {
		write(4)
		if err := h.manager.Reload(context.Background(), h.spec); err != nil {
			t.Fatal(err)
		}
		write(4)
	}
	expect("over swaps")
	write(4)
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	write(4)
	h.open()
	expect("over a restart of the host")
	for range 3 {
		write(4)
		kills++
		h.kill()
		write(4)
	}
	expect("over kills")
}

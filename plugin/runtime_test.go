//go:build unix

package plugin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/hosttest"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

const (
	envRuntime = "STAGEHOUSE_TEST_RUNTIME"
	few        = "few" // of the services
)

// runtimeMain makes this process a runtime, if a test has started it as that.
func runtimeMain() {
	d := sdk.RuntimeDefinition{
		Name: "kept", Version: "1", Offers: []string{sdk.ServiceAgents, sdk.ServiceChat, sdk.ServiceMemory, sdk.ServiceEvents, sdk.ServiceUsage},
	}
	which := os.Getenv(envRuntime)
	switch which {
	case "":
		return
	case few:
		d.Offers = []string{sdk.ServiceAgents, sdk.ServiceChat}
	}
	d.New = func() sdk.Runtime { return &kept{few: which == few} }
	sdk.ServeRuntime(d)
}

// kept is the reference runtime, with what can go wrong with one. It makes sure that it is the only one that is open.
type kept struct {
	Refuses  string `json:"refuses"`  // it cannot be opened
	Waits    string `json:"waits"`    // a file: a turn that is told to wait does, as long as there is none
	Dies     string `json:"dies"`     // a file: if there is one, the process removes it and dies when it is opened
	Swallows string `json:"swallows"` // a file: if there is one, the process removes it and dies before it says that it has accepted
	DiesIn   string `json:"diesIn"`   // a file: if there is one, the process removes it and dies when it has stored a memory
	Forgets  bool   `json:"forgets"`  // it knows nothing of what there was before

	few  bool
	rt   *local.Runtime
	lock *os.File
}

func (k *kept) Open(ctx context.Context, h *sdk.RuntimeHost) (rt sdk.Services, err error) {
	if k.Refuses != "" {
		return rt, errors.New(k.Refuses)
	}
	if k.Dies != "" && os.Remove(k.Dies) == nil {
		os.Exit(7)
	}
	if k.lock, err = os.Create(filepath.Join(h.Dir, "lock")); err != nil {
		return rt, err
	}
	if err := syscall.Flock(int(k.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return rt, errors.Join(fmt.Errorf("another one has it open: %w", err), k.lock.Close())
	}
	dir := h.Dir
	if k.Forgets {
		if dir, err = os.MkdirTemp(dir, ""); err != nil {
			return rt, err
		}
	}
	k.rt, err = local.Open(ctx, local.Options{
		Dir: dir, Logger: h.Log, UseBrains: true, Brains: map[string]brain.Factory{local.BuiltinBrain: k.brain},
	})
	if err != nil {
		return rt, errors.Join(err, k.lock.Close())
	}
	k.rt.UseCommands(h.Commands)
	k.rt.UseBrains(h.Brains)
	rt = k.rt.Services()
	rt.Chat = swallowing{rt.Chat, k.Swallows}
	rt.Memory = dying{rt.Memory, k.DiesIn}
	if k.few {
		rt.Memory, rt.Events, rt.Usage = nil, nil, nil
	}
	return rt, nil
}

// swallowing dies before it says that it has accepted.
type swallowing struct {
	schema.Chat
	file string
}

func (c swallowing) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		for e, err := range c.Chat.Send(ctx, r) {
			if e.Accepted != nil && c.file != "" && os.Remove(c.file) == nil {
				os.Exit(9)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// dying dies when it has stored a memory, and before it says so.
type dying struct {
	schema.Memory
	file string
}

func (m dying) Store(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
	item, err := m.Memory.Store(ctx, n)
	if m.file != "" && os.Remove(m.file) == nil {
		os.Exit(9)
	}
	return item, err
}

func (k *kept) Close(ctx context.Context) error { return errors.Join(k.rt.Close(ctx), k.lock.Close()) }

func (k *kept) Publish(ctx context.Context, e sdk.Event) error { return k.rt.Publish(ctx, e) }

// brain makes the builtin brain, which waits when it is told to.
func (k *kept) brain(ctx context.Context, agent string, o schema.Object) (brain.Brain, error) {
	b, err := builtin.New(ctx, agent, o)
	return waiting{b, k.Waits}, err
}

type waiting struct {
	brain.Brain
	until string
}

func (w waiting) Respond(ctx context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		if t.Message.Content == "wait" {
			if !yield(brain.Step{Thought: "waiting"}, nil) {
				return
			}
			for ctx.Err() == nil && !there(w.until) {
				time.Sleep(time.Millisecond)
			}
		}
		for s, err := range w.Brain.Respond(ctx, t) {
			if !yield(s, err) {
				return
			}
		}
	}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// runtimeSpec returns how to run the runtime with that block.
func runtimeSpec(tb testing.TB, block map[string]any) plugin.Spec {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	if block == nil {
		block = map[string]any{}
	}
	b, err := json.Marshal(block)
	if err != nil {
		tb.Fatal(err)
	}
	return plugin.Spec{
		Path: path, Config: b, StartTimeout: patience, DrainTimeout: patience,
		Env: map[string]string{envRuntime: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"},
	}
}

// stagedRuntime is a runtime that is a process, in a test.
type stagedRuntime struct {
	*plugin.Runtime
	t   testing.TB
	dir string
	log *logBuffer
}

func openProcess(t testing.TB, s plugin.Spec, opts ...plugin.Option) *stagedRuntime {
	t.Helper()
	r := &stagedRuntime{t: t, dir: t.TempDir(), log: &logBuffer{}}
	runDir := t.TempDir()
	rt, err := plugin.OpenRuntime(context.Background(), s, r.dir, append([]plugin.Option{
		plugin.WithLogger(slog.New(slog.NewTextHandler(r.log, nil))), plugin.WithRunDir(runDir), plugin.WithSupervision(quick()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	r.Runtime = rt
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if entries, err := os.ReadDir(runDir); err != nil || len(entries) > 0 {
			t.Errorf("the run directory still has %v, %v", entries, err)
		}
		if t.Failed() {
			t.Logf("log of the host:\n%.20000s", r.log)
		}
	})
	return r
}

// TestServicesThroughARuntimeProcess holds the reference runtime to the contract through a process of its own.
func TestServicesThroughARuntimeProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole kit through a process takes long")
	}
	hosttest.TestServices(t, func(t *testing.T) schema.Services {
		return guard.New(openProcess(t, runtimeSpec(t, nil)).Services())
	})
}

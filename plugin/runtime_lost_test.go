//go:build unix

package plugin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// TestMessageIsAcceptedAndNotSaidToBe: the process dies between the commit of a message and the answer. The message is not
// sent twice; its sender is told what the next process knows of it.
func TestMessageIsAcceptedAndNotSaidToBe(t *testing.T) {
	for name, once := range map[string]*schema.Once{"without a key": nil, "with a key": {Key: "k", Scope: "s", Digest: "d"}} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "swallow")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := openProcess(t, runtimeSpec(t, map[string]any{"swallows": file}))
			ctx := as(t, "user")
			if once != nil {
				ctx = schema.WithOnce(ctx, once)
			}
			end, err := say(ctx, r.Services().Chat, "c", "hello")
			if err != nil || end != schema.EventFailed && end != schema.EventReply {
				t.Errorf("the turn ended with %q, %v", end, err)
			}
			if there(file) {
				t.Error("the process did not die")
			}
			if once != nil && once.Replayed() {
				t.Error("its sender, who has asked once, is told that it is a repetition")
			}
			p, err := r.Services().Chat.Runs(as(t, "user"), schema.RunsQuery{})
			if err != nil || len(p.Runs) != 1 {
				t.Errorf("runs %+v, %v", p.Runs, err)
			}
		})
	}
}

// TestRuntimeForgets: of a runtime that keeps nothing, subscriptions hear a gap and go on, and who waits for a turn is told that
// nobody knows it any more.
func TestRuntimeForgets(t *testing.T) {
	r := openProcess(t, runtimeSpec(t, map[string]any{"forgets": true, "waits": "never"}))
	ctx, cancel := context.WithCancel(as(t, "root"))
	defer cancel()
	services := r.Services()
	began, err := services.Events.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() {
		gap := false
		for e, err := range services.Events.Subscribe(ctx, schema.EventQuery{Since: began}) {
			switch {
			case err != nil:
				heard <- err
				return
			case e.Type == schema.EventGap && !gap:
				gap = true
			case gap == (e.Cursor.Epoch == began.Epoch):
				heard <- fmt.Errorf("%+v, a gap before it: %v", e, gap)
				return
			case gap && e.Type == schema.EventReply:
				heard <- nil
				return
			}
		}
	}()
	thinks, ends := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := say(ctx, thinking{services.Chat, sync.OnceFunc(func() { close(thinks) })}, "c", "wait")
		ends <- err
	}()
	<-thinks
	kill(t, r.Status().PID, syscall.SIGKILL)
	if err := <-ends; schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "does not know the turn") {
		t.Errorf("the turn: %v", err)
	}
	if end, err := say(ctx, services.Chat, "c", "hello"); err != nil || end != schema.EventReply {
		t.Error(end, err)
	}
	if err := <-heard; err != nil {
		t.Error(err)
	}
}

// TestChangeIsLostWithItsProcess: a call that may have changed something, and cannot be told from another one, is not made
// twice: its caller is told. One with a key is made again.
func TestChangeIsLostWithItsProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "die")
	r := openProcess(t, runtimeSpec(t, map[string]any{"diesIn": file}))
	for _, c := range []struct {
		once *schema.Once
		want schema.ErrorCode
	}{{nil, schema.CodeUnavailable}, {&schema.Once{Key: "k", Scope: "s", Digest: "d"}, ""}} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx := as(t, "user")
		if c.once != nil {
			ctx = schema.WithOnce(ctx, c.once)
		}
		_, err := r.Services().Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: "fact"})
		if schema.CodeOf(err) != c.want || err != nil && !strings.Contains(err.Error(), "may have happened or not") {
			t.Errorf("with %v: %v", c.once, err)
		}
		if c.once != nil && c.once.Replayed() {
			t.Error("its caller, who has asked once, is told that it is a repetition")
		}
	}
	hits, err := r.Services().Memory.Search(as(t, "user"), schema.MemoryQuery{Text: "fact", AgentID: "nyx"})
	if err != nil || len(hits) != 2 {
		t.Errorf("%d memories, %v", len(hits), err)
	}
}

// TestCallsWhileTheRuntimeIsAway wait for it, but no longer than their callers do.
func TestCallsWhileTheRuntimeIsAway(t *testing.T) {
	rules := quick()
	rules.RestartMin, rules.RestartMax = patience, patience
	r := openProcess(t, runtimeSpec(t, nil), plugin.WithSupervision(rules))
	kill(t, r.Status().PID, syscall.SIGKILL)
	eventually(t, "a runtime that is away", func() bool { return r.Status().State == plugin.StateRestarting })
	ctx, cancel := context.WithCancel(as(t, "root"))
	gone := make(chan error, 1)
	go func() {
		_, err := r.Services().Agents.Get(ctx, "nyx")
		gone <- err
	}()
	cancel()
	if err := <-gone; schema.CodeOf(err) != schema.CodeCancelled {
		t.Errorf("given up: %v", err)
	}
	_, err := r.Services().Agents.Get(as(t, "root"), "nyx")
	if e := schema.AsError(err); e == nil || e.Code != schema.CodeUnavailable || e.RetryAfter <= 0 {
		t.Errorf("after a while: %v", err)
	}
	if err := r.Reload(context.Background(), runtimeSpec(t, nil)); err != nil { // which waits for no pause
		t.Fatal(err)
	}
	if _, err := r.Services().Agents.Get(as(t, "root"), "nyx"); err != nil {
		t.Error(err)
	}
}

package conform

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// trial is one check, or the setup of a group, at work.
type trial struct {
	ctx      context.Context
	cancel   context.CancelFunc
	patience time.Duration

	mu       sync.Mutex
	outcome  Outcome
	messages []string // why it failed or was skipped
	log      []string
	cleanups []func()
}

var (
	_ T       = (*trial)(nil)
	_ Patient = (*trial)(nil)
)

func newTrial(ctx context.Context, patience time.Duration) *trial {
	t := &trial{patience: patience, outcome: Passed}
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

// do calls f in a goroutine of its own, which Fatalf may end, and reports whether it came to an end in time.
func (t *trial) do(ctx context.Context, bound time.Duration, f func(T)) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer t.contain()
		f(t)
	}()
	late := time.NewTimer(bound)
	defer late.Stop()
	select {
	case <-done:
		return true
	case <-ctx.Done(): // which is the check's context, too
	case <-late.C:
		t.cancel()
	}
	select {
	case <-done:
		return true
	case <-time.After(endGrace):
		return false
	}
}

// end calls the cleanups.
func (t *trial) end(T) {
	t.cancel()
	t.cleanup()
}

func (t *trial) cleanup() {
	t.mu.Lock()
	n := len(t.cleanups)
	if n == 0 {
		t.mu.Unlock()
		return
	}
	f := t.cleanups[n-1]
	t.cleanups = t.cleanups[:n-1]
	t.mu.Unlock()
	defer t.cleanup() // also where f calls Fatalf
	defer t.contain()
	f()
}

// contain makes a panic a failure.
func (t *trial) contain() {
	if v := recover(); v != nil {
		t.Errorf("panic: %v", v)
		t.Logf("%s", debug.Stack())
	}
}

func (t *trial) Context() context.Context { return t.ctx }
func (t *trial) Patience() time.Duration  { return t.patience }
func (t *trial) Helper()                  {}

func (t *trial) Failed() bool { return t.over() == Failed }

// over returns what has come of it so far.
func (t *trial) over() Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outcome
}

func (t *trial) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, fmt.Sprintf(format, args...))
	t.log = t.log[max(0, len(t.log)-maxLog):]
}

func (t *trial) Errorf(format string, args ...any) { t.say(Failed, format, args...) }

func (t *trial) Fatalf(format string, args ...any) {
	t.say(Failed, format, args...)
	runtime.Goexit()
}

func (t *trial) Skipf(format string, args ...any) {
	t.say(Skipped, format, args...)
	runtime.Goexit()
}

func (t *trial) say(o Outcome, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.outcome != Failed {
		t.outcome = o
	}
	switch text := fmt.Sprintf(format, args...); len(t.messages) {
	case maxMessages:
		t.messages = append(t.messages, "and more")
	case maxMessages + 1:
	default:
		t.messages = append(t.messages, cut(text))
	}
}

func (t *trial) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *trial) TempDir() string {
	dir, err := os.MkdirTemp("", "conform-")
	if err != nil {
		t.Fatalf("make a temporary directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the temporary directory: %v", err)
		}
	})
	return dir
}

// cut shortens a text that nobody would read.
func cut(text string) string {
	if len(text) <= maxMessageBytes {
		return text
	}
	return fmt.Sprintf("%s … (%d bytes)", text[:maxMessageBytes], len(text))
}

//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// as returns a context whose calls somebody makes who may do everything. It is for a whole test.
func as(t testing.TB, principal string) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 6*patience)
	t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: principal, Scopes: []schema.Scope{schema.ScopeAdmin}})
}

// say sends one message to its end, and checks what its sender is told on the way.
func say(ctx context.Context, chat schema.Chat, conversation, text string) (schema.EventType, error) {
	var run string
	var last schema.Cursor
	var end schema.EventType
	for e, err := range chat.Send(ctx, schema.SendRequest{AgentID: "nyx", ConversationID: conversation, Message: text}) {
		switch {
		case err != nil:
			return end, err
		case (e.Accepted != nil) != (run == ""):
			return end, fmt.Errorf("accepted %+v after the run %q", e.Accepted, run)
		case end != "":
			return end, fmt.Errorf("%+v after the end %s", e, end)
		case e.Accepted != nil:
			run, last = e.Accepted.RunID, e.Accepted.Since
			if e.Accepted.Message.Content != text {
				return end, fmt.Errorf("accepted %+v", e.Accepted)
			}
			continue
		case e.Event.RunID != run || e.Event.Cursor.Seq <= last.Seq && !e.Event.Cursor.IsZero():
			return end, fmt.Errorf("%+v after %v of the run %s", e.Event, last, run)
		}
		last = e.Event.Cursor
		if e.Event.Type.Terminal() {
			end = e.Event.Type
		}
	}
	if end == "" {
		return end, errors.New("the stream ended before the turn")
	}
	return end, nil
}

// reader follows the log, and checks that it misses nothing.
type reader struct {
	last    atomic.Uint64
	replies atomic.Int64
	err     error // read after its end
	ended   chan struct{}
}

func follow(ctx context.Context, log schema.Events) *reader {
	r := &reader{ended: make(chan struct{})}
	began := make(chan struct{})
	go func() {
		defer close(r.ended)
		var since schema.Cursor
		since, r.err = log.Head(ctx)
		r.last.Store(since.Seq)
		close(began)
		for e, err := range log.Subscribe(ctx, schema.EventQuery{Since: since}) {
			if err != nil {
				if ctx.Err() == nil {
					r.err = err
				}
				return
			}
			if e.Cursor.Seq != r.last.Load()+1 {
				r.err = fmt.Errorf("event %s %s after %d", e.Cursor, e.Type, r.last.Load())
				return
			}
			r.last.Store(e.Cursor.Seq)
			if e.Type == schema.EventReply {
				r.replies.Add(1)
			}
		}
	}()
	<-began
	return r
}

// load has users talk, remember and read until it is told to stop, each of whom checks that what was done stays done.
type load struct {
	services schema.Services
	stop     chan struct{}
	users    sync.WaitGroup
	mu       sync.Mutex
	errs     []error
	said     atomic.Int64
	did      atomic.Int64
}

func startLoad(t testing.TB, s schema.Services, users int) *load {
	l := &load{services: s, stop: make(chan struct{})}
	for i := range users {
		ctx := as(t, fmt.Sprintf("user-%d", i))
		l.users.Go(func() {
			if err := l.user(ctx); err != nil {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.errs = append(l.errs, err)
			}
		})
	}
	return l
}

func (l *load) user(ctx context.Context) error {
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return l.count(ctx, n)
		default:
		}
		if end, err := say(ctx, l.services.Chat, "talk", fmt.Sprintf("message %d", n)); err != nil || end != schema.EventReply {
			return fmt.Errorf("message %d: %s, %w", n, end, err)
		}
		l.said.Add(1)
		item, err := l.services.Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: fmt.Sprintf("thing %d", n)})
		if err != nil {
			return fmt.Errorf("store %d: %w", n, err)
		}
		if _, err := l.services.Memory.Get(ctx, "nyx", item.ID); err != nil {
			return fmt.Errorf("get %d: %w", n, err)
		}
		if _, err := l.services.Agents.List(ctx, schema.AgentQuery{}); err != nil {
			return fmt.Errorf("list %d: %w", n, err)
		}
		l.did.Add(1)
	}
}

// count checks that nothing was lost and nothing doubled.
func (l *load) count(ctx context.Context, n int) error {
	c, err := l.services.Chat.Conversation(ctx, schema.ConversationQuery{ID: "talk", Limit: 1})
	if err != nil {
		return err
	}
	if c.MessageCount != int64(2*n) {
		return fmt.Errorf("%d messages after %d turns", c.MessageCount, n)
	}
	return nil
}

// flows waits until so many rounds are done.
func (l *load) flows(t testing.TB, rounds int64) {
	t.Helper()
	eventually(t, "rounds", func() bool {
		l.mu.Lock()
		failed := len(l.errs) > 0
		l.mu.Unlock()
		return failed || l.did.Load() >= rounds
	})
}

func (l *load) end(t testing.TB) {
	t.Helper()
	close(l.stop)
	l.users.Wait()
	for _, err := range l.errs {
		t.Error(err)
	}
	t.Logf("%d turns, %d rounds", l.said.Load(), l.did.Load())
}

// TestRuntimeIsReplacedUnderLoad replaces the runtime again and again while it is used: nobody is told of it.
func TestRuntimeIsReplacedUnderLoad(t *testing.T) {
	r := openProcess(t, runtimeSpec(t, nil))
	ctx, cancel := context.WithCancel(as(t, "root"))
	defer cancel()
	log := follow(ctx, r.Services().Events)
	l := startLoad(t, r.Services(), 8)
	for i := range 4 {
		before := l.did.Load()
		if err := r.Reload(ctx, runtimeSpec(t, map[string]any{"waits": fmt.Sprint("none-", i)})); err != nil {
			t.Fatal(err)
		}
		l.flows(t, before+16)
	}
	l.end(t)
	if s := r.Status(); s.Generation != 5 || s.Restarts != 0 || s.State != plugin.StateRunning {
		t.Errorf("status %+v", s)
	}
	eventually(t, "every reply in the log", func() bool {
		select {
		case <-log.ended:
			return true
		default:
			return log.replies.Load() >= l.said.Load()
		}
	})
	cancel()
	<-log.ended
	if log.err != nil || log.replies.Load() != l.said.Load() {
		t.Errorf("the log told of %d replies, of %d: %v", log.replies.Load(), l.said.Load(), log.err)
	}
}

// TestRuntimeIsKilled kills the process: what it had said is kept, what it was at is told, and reads and subscriptions go on.
func TestRuntimeIsKilled(t *testing.T) {
	r := openProcess(t, runtimeSpec(t, map[string]any{"waits": "never"}))
	ctx, cancel := context.WithCancel(as(t, "root"))
	defer cancel()
	services := r.Services()
	log := follow(ctx, services.Events)
	if end, err := say(ctx, services.Chat, "c", "hello"); err != nil || end != schema.EventReply {
		t.Fatal(end, err)
	}
	ends := make(chan error, 1)
	thinks := make(chan struct{})
	go func() {
		end, err := say(ctx, thinking{services.Chat, sync.OnceFunc(func() { close(thinks) })}, "c", "wait")
		if err == nil && end != schema.EventFailed {
			err = fmt.Errorf("the turn ended with %s", end)
		}
		ends <- err
	}()
	<-thinks
	kill(t, r.Status().PID, syscall.SIGKILL)
	for range 20 { // some of them while there is no process
		if _, err := services.Agents.Get(ctx, "nyx"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ends; err != nil {
		t.Error(err)
	}
	c, err := services.Chat.Conversation(ctx, schema.ConversationQuery{ID: "c"})
	if err != nil || c.MessageCount != 4 { // hello, the reply, wait, and a word of the system
		t.Errorf("%d messages, %v", c.MessageCount, err)
	}
	if s := r.Status(); s.Restarts != 1 || s.Generation != 2 || !strings.Contains(s.LastError, "killed") {
		t.Errorf("status %+v", s)
	}
	head, err := services.Events.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the reader at the head", func() bool { return log.last.Load() >= head.Seq })
	cancel()
	<-log.ended
	if log.err != nil {
		t.Error(log.err)
	}
}

// thinking calls thinks when a thought of a turn comes by.
type thinking struct {
	schema.Chat
	thinks func()
}

func (c thinking) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		for e, err := range c.Chat.Send(ctx, r) {
			if e.Event != nil && e.Event.Type == schema.EventThought {
				c.thinks()
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestSuccessorOfARuntimeFails: whatever is wrong with the next process, the one before serves on, and nobody notices.
func TestSuccessorOfARuntimeFails(t *testing.T) {
	spec := runtimeSpec(t, nil)
	r := openProcess(t, spec)
	l := startLoad(t, r.Services(), 4)
	pid := r.Status().PID
	dies := filepath.Join(t.TempDir(), "dies")
	if err := os.WriteFile(dies, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := spec
	missing.Path = "/no/such/program"
	for _, c := range []struct {
		name  string
		spec  plugin.Spec
		phase plugin.Phase
		says  string
	}{
		{"no program", missing, plugin.PhaseLaunch, "there is no program"},
		{"bad block", runtimeSpec(t, map[string]any{"refuse": "x"}), plugin.PhaseConfigure, "correct the block runtime"},
		{"does not open", runtimeSpec(t, map[string]any{"refuses": "the store is not to its liking"}), plugin.PhaseActivate, "not to its liking"},
		{"dies", runtimeSpec(t, map[string]any{"dies": dies}), plugin.PhaseActivate, "exit status 7"},
	} {
		before := l.did.Load()
		err := r.Reload(context.Background(), c.spec)
		var start *plugin.StartError
		if !errors.As(err, &start) || start.Phase != c.phase || !strings.Contains(err.Error(), c.says) ||
			!strings.HasPrefix(err.Error(), "runtime (generation") {
			t.Errorf("%s: %v", c.name, err)
		}
		if s := r.Status(); s.PID != pid || s.State != plugin.StateRunning || s.Generation != 1 {
			t.Errorf("%s: %+v", c.name, s)
		}
		l.flows(t, before+8)
	}
	l.end(t)
}

// TestLongTurnOfARuntime: a turn that needs longer than the drain is cut off visibly, and reads do not wait for it.
func TestLongTurnOfARuntime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "go")
	spec := runtimeSpec(t, map[string]any{"waits": file})
	r := openProcess(t, spec)
	ctx := as(t, "root")
	services := r.Services()
	thinks, ends := make(chan struct{}), make(chan schema.EventType, 1)
	go func() {
		end, err := say(ctx, thinking{services.Chat, sync.OnceFunc(func() { close(thinks) })}, "c", "wait")
		if err != nil {
			t.Error(err)
		}
		ends <- end
	}()
	<-thinks
	reloaded := make(chan error, 1)
	go func() { reloaded <- r.Reload(ctx, spec) }()
	stored := make(chan error, 1)
	eventually(t, "a call that waits", func() bool {
		// One that was made before the swap began is answered.
		go func() {
			_, err := services.Memory.Store(ctx, schema.NewMemory{AgentID: "nyx", Content: "x"})
			stored <- err
		}()
		select {
		case err := <-stored:
			if err != nil {
				t.Error(err)
			}
			return false
		case <-time.After(200 * time.Millisecond):
			return true
		}
	})
	if _, err := services.Agents.Get(ctx, "nyx"); err != nil { // meanwhile
		t.Error(err)
	}
	select {
	case err := <-reloaded:
		t.Fatalf("the swap did not wait for the turn: %v", err)
	default:
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-reloaded, <-stored); err != nil {
		t.Error(err)
	}
	if end := <-ends; end != schema.EventReply {
		t.Errorf("the turn ended with %s", end)
	}
}

// TestBrokenRuntime: a runtime that fails again and again is given up, says so to whoever calls it, and is there again when
// somebody mends it and reloads it.
func TestBrokenRuntime(t *testing.T) {
	dies := filepath.Join(t.TempDir(), "dies")
	spec := runtimeSpec(t, map[string]any{"dies": dies})
	rules := quick()
	rules.BreakAfter = 2
	r := openProcess(t, spec, plugin.WithSupervision(rules))
	var mu sync.Mutex
	var changes []plugin.Change
	r.Observe(func(c plugin.Change) {
		mu.Lock()
		defer mu.Unlock()
		changes = append(changes, c)
	})
	if err := os.WriteFile(dies, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, r.Status().PID, syscall.SIGKILL)
	eventually(t, "a runtime that is given up", func() bool { return r.Status().State == plugin.StateBroken })
	_, err := r.Services().Agents.Get(as(t, "root"), "nyx")
	if schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "reload it") {
		t.Errorf("while it is broken: %v", err)
	}
	if err := r.Reload(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Services().Agents.Get(as(t, "root"), "nyx"); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, fmt.Sprintf("%s %s %d", c.Extension, c.Kind, c.Generation))
	}
	want := "[runtime crashed 1 runtime crashed 2 runtime breaker opened 2 runtime breaker closed 3 runtime reloaded 3]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("changes %s, want %s", got, want)
	}
}

// TestTurnBeyondTheDrainOfARuntime: a turn that is not over by the deadline of the drain is cancelled, and its sender is told.
func TestTurnBeyondTheDrainOfARuntime(t *testing.T) {
	spec := runtimeSpec(t, map[string]any{"waits": "never"})
	spec.DrainTimeout = 300 * time.Millisecond
	r := openProcess(t, spec)
	ctx := as(t, "root")
	thinks, ends := make(chan struct{}), make(chan error, 1)
	go func() {
		end, err := say(ctx, thinking{r.Services().Chat, sync.OnceFunc(func() { close(thinks) })}, "c", "wait")
		if err == nil && end != schema.EventCancelled {
			err = fmt.Errorf("the turn ended with %s", end)
		}
		ends <- err
	}()
	<-thinks
	if err := errors.Join(r.Reload(ctx, spec), <-ends); err != nil {
		t.Error(err)
	}
}

// TestRuntimeIsKilledWhileItIsReplaced: whichever moment the process that serves dies in, the next one takes over.
func TestRuntimeIsKilledWhileItIsReplaced(t *testing.T) {
	r := openProcess(t, runtimeSpec(t, nil))
	ctx := as(t, "root")
	for i := range 6 {
		pid := r.Status().PID
		reloaded := make(chan error, 1)
		go func() { reloaded <- r.Reload(ctx, runtimeSpec(t, nil)) }()
		after := time.NewTimer(time.Duration(i) * 30 * time.Millisecond)
		<-after.C
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
		if err := <-reloaded; err != nil {
			t.Fatal(err)
		}
		if end, err := say(ctx, r.Services().Chat, "c", "hello"); err != nil || end != schema.EventReply {
			t.Fatal(end, err)
		}
	}
}

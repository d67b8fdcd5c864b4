package turns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/schema"
)

func waitingTurn(conversation int64, run string) *Turn {
	ctx, end := context.WithCancel(context.Background())
	return &Turn{Run: schema.Run{ID: run, AgentID: "bot"}, conversation: conversation, ctx: ctx, end: end}
}

// TestCancelledTurnsLeaveTheQueue has turns come and be cancelled behind one that is at work, and before one that must
// still have its turn.
func TestCancelledTurnsLeaveTheQueue(t *testing.T) {
	entered, release := make(chan string, 10), make(chan struct{})
	ts := newScheduler(1, 1000, func(t *Turn) {
		entered <- t.Run.ID
		<-release
	})
	add := func(conversation int64, run string) {
		t.Helper()
		if _, ok := ts.reserve(); !ok {
			t.Fatal("no place")
		}
		ts.add(waitingTurn(conversation, run))
	}
	add(1, "head")
	<-entered
	for i := range 100 {
		add(1, fmt.Sprint("same", i))
		add(2, fmt.Sprint("other", i)) // a conversation with nothing at work
		ts.over(fmt.Sprint("same", i))
		ts.over(fmt.Sprint("other", i))
	}
	add(2, "gone")
	add(3, "last")
	ts.over("gone")
	ts.over("gone") // nothing happens
	ts.mu.Lock()
	if n := len(ts.queues[1].waiting); n != 0 || len(ts.byRun) != 2 || len(ts.queues) != 2 || len(ts.ready) != 1 || ts.perAgent["bot"] != 2 {
		t.Errorf("%d wait behind the head, %d turns, %d queues, %d ready, %d of the agent", n, len(ts.byRun), len(ts.queues), len(ts.ready), ts.perAgent["bot"])
	}
	for _, kept := range ts.queues[1].waiting[:cap(ts.queues[1].waiting)] {
		if kept != nil {
			t.Errorf("turn %s is still held", kept.Run.ID)
		}
	}
	ts.mu.Unlock()
	ts.over("head")
	close(release)
	if next := <-entered; next != "last" {
		t.Errorf("%s is at work", next)
	}
	ts.over("last")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !ts.drained(ctx) || len(ts.queues) != 0 || len(ts.ready) != 0 || ts.reserved != 0 {
		t.Errorf("in the end there are %d queues, %d ready, %d reserved", len(ts.queues), len(ts.ready), ts.reserved)
	}
}

func TestReservedPlacesAreTaken(t *testing.T) {
	ts := newScheduler(0, 2, nil)
	for want := range 2 {
		if taken, ok := ts.reserve(); taken != want || !ok {
			t.Errorf("place %d: %d are taken, %v", want, taken, ok)
		}
	}
	if taken, ok := ts.reserve(); taken != 2 || ok {
		t.Errorf("a third place: %d are taken, %v", taken, ok)
	}
	ts.release()
	if _, ok := ts.reserve(); !ok {
		t.Error("a place that was given back is not there")
	}
}

// counted is a context that counts what hangs on it.
type counted struct {
	context.Context
	children *atomic.Int32
}

// AfterFunc is what package context calls to hang something on a context that is not its own.
func (c counted) AfterFunc(f func()) func() bool {
	c.children.Add(1)
	stop := context.AfterFunc(c.Context, f)
	return func() bool {
		stopped := stop()
		if stopped {
			c.children.Add(-1)
		}
		return stopped
	}
}

// TestWhatIsNotAcceptedLeavesNothing has the transaction of an acceptance fail after all.
func TestWhatIsNotAcceptedLeavesNothing(t *testing.T) {
	s := newTestChat(t)
	var children atomic.Int32
	s.lifetime = counted{s.lifetime, &children}
	refused := errors.New("the disk says no")
	in := intake{SendRequest: schema.SendRequest{RunID: "run_x", ConversationID: "c", AgentID: "nyx", Message: "x"}, principal: "alice"}
	for range 10 {
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			if _, err := s.take(tx, in, "msg_x"); err != nil {
				return err
			}
			return refused
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
	}
	if n := children.Load(); n != 0 {
		t.Errorf("%d contexts hang on the lifetime", n)
	}
}

// newTestChat returns a Chat over an empty store in memory, with an agent nyx that echoes.
func newTestChat(t *testing.T) *Chat {
	t.Helper()
	s := memory.New()
	log, err := eventlog.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := New(Options{
		Store: s, Events: log,
		Work: func(_ context.Context, t *Turn) (Reply, error) { return Reply{Content: t.Message.Content}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(chat.Close(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
		log.Close()
	})
	nyx := store.Agent{Agent: schema.Agent{ID: "nyx", Status: schema.AgentRunning}}
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.PutAgent(nyx) }); err != nil {
		t.Fatal(err)
	}
	return chat
}

// TestTurnIsToldFromManySides has the work of a turn show things from several goroutines: each is told once, and the pieces of
// the reply are numbered in the order of the log.
func TestTurnIsToldFromManySides(t *testing.T) {
	const sides, each = 8, 50
	s := newTestChat(t)
	s.work = func(_ context.Context, turn *Turn) (Reply, error) {
		if len(turn.Scopes) != 1 || turn.Scopes[0] != schema.ScopeChat {
			t.Errorf("the sender may do %v", turn.Scopes)
		}
		var all sync.WaitGroup
		for range sides {
			all.Go(func() {
				for range each {
					if err := errors.Join(turn.Tell(schema.EventThought, schema.Thought{Thought: "x"}), turn.Delta("x")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		return Reply{}, nil
	}
	ctx := schema.WithCaller(t.Context(), schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}})
	thoughts, deltas := 0, 0
	for step, err := range s.Send(ctx, schema.SendRequest{AgentID: "nyx", Message: "go"}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case step.Event == nil:
		case step.Event.Type == schema.EventThought:
			thoughts++
		case step.Event.Type == schema.EventDelta:
			var d schema.Delta
			if err := json.Unmarshal(step.Event.Payload, &d); err != nil || d.Index != deltas {
				t.Fatalf("piece %d has the index %d (%v)", deltas, d.Index, err)
			}
			deltas++
		}
	}
	if thoughts != sides*each || deltas != sides*each {
		t.Errorf("%d thoughts and %d pieces were told, want %d of each", thoughts, deltas, sides*each)
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a chat was made of nothing")
	}
}

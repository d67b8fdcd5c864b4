package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// held runs fn while the writer is busy with something else, so that what fn hands over shares the next commit.
func held(t testing.TB, s store.Store, fn func()) {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	done := s.Submit(func(store.Tx) error {
		once.Do(func() { close(entered) })
		<-release
		return nil
	})
	<-entered
	fn()
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestOneFailingFunctionDoesNotDisturbItsNeighbours(t *testing.T) {
	s := open(t, t.TempDir())
	mine := errors.New("mine")
	var mu sync.Mutex
	var shown []schema.Event
	s.Follow(func(events []schema.Event) {
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, events...)
	})
	var ops []<-chan error
	held(t, s, func() {
		for i := range 9 {
			ops = append(ops, s.Submit(func(tx store.Tx) error {
				if err := tx.AppendEvent(event(i)); err != nil {
					return err
				}
				switch i {
				case 2:
					return mine
				case 5:
					panic("in a transaction")
				case 7:
					return tx.InsertMemory(schema.MemoryItem{ID: "m", AgentID: "nobody"}) // breaks a foreign key
				}
				return tx.PutAgent(agent(fmt.Sprint("a", i)))
			}))
		}
	})
	for i, op := range ops {
		err := <-op
		switch i {
		case 2:
			if !errors.Is(err, mine) {
				t.Errorf("function 2: %v, want its own error", err)
			}
		case 5:
			if err == nil || !strings.Contains(err.Error(), "panic") {
				t.Errorf("function 5: %v, want a panic as an error", err)
			}
		case 7:
			if err == nil {
				t.Error("function 7: no error, want a broken foreign key")
			}
		default:
			if err != nil {
				t.Errorf("function %d: %v", i, err)
			}
		}
	}
	view(t, s, func(r store.Reader) error {
		all, err := r.Agents()
		if len(all) != 6 {
			t.Errorf("%d agents are kept, want 6", len(all))
		}
		events, _ := r.Events(0, 100)
		if len(events) != 6 || events[5].Cursor.Seq != 6 {
			t.Errorf("events are %v, want the numbers 1 to 6 without a hole", events)
		}
		return err
	})
	mu.Lock()
	defer mu.Unlock()
	if len(shown) != 6 {
		t.Errorf("%d events were shown, want 6", len(shown))
	}
}

// TestLostTransactionIsRetriedSingly has one function of a group destroy the transaction of all of them.
func TestLostTransactionIsRetriedSingly(t *testing.T) {
	s := open(t, t.TempDir())
	var ops []<-chan error
	runs := make([]int, 3)
	held(t, s, func() {
		for i := range 3 {
			ops = append(ops, s.Submit(func(tx store.Tx) error {
				runs[i]++
				if i == 1 {
					return sqlite.Destroy(tx)
				}
				return errors.Join(tx.PutAgent(agent(fmt.Sprint("a", i))), tx.AppendEvent(event(i)))
			}))
		}
	})
	for i, op := range ops {
		if err := <-op; (err != nil) != (i == 1) {
			t.Errorf("function %d: %v", i, err)
		}
	}
	if !slices.Equal(runs, []int{2, 2, 1}) { // the third one's turn had not come when the transaction was lost
		t.Errorf("functions ran %v times, want 2, 2 and 1", runs)
	}
	view(t, s, func(r store.Reader) error {
		all, err := r.Agents()
		events, _ := r.Events(0, 10)
		if len(all) != 2 || len(events) != 2 || events[1].Cursor.Seq != 2 {
			t.Errorf("agents %d, events %v; want two of each, without a hole", len(all), events)
		}
		return err
	})
}

func TestCancelledUpdateHasNotHappened(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	held(t, s, func() {
		cancel()
		if err := s.Update(ctx, func(tx store.Tx) error { return tx.PutAgent(agent("late")) }); !errors.Is(err, context.Canceled) {
			t.Errorf("update: %v", err)
		}
	})
	view(t, s, func(r store.Reader) error {
		if _, err := r.Agent("late"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a cancelled update has happened: %v", err)
		}
		return nil
	})
}

// TestUpdateThatCameTooLateHasNotHappened begins with a context that is over, with a writer that has nothing else to do.
func TestUpdateThatCameTooLateHasNotHappened(t *testing.T) {
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var happened atomic.Int32
	for range 2000 {
		err := s.Update(ctx, func(store.Tx) error {
			happened.Add(1)
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("update: %v", err)
		}
	}
	if n := happened.Load(); n != 0 {
		t.Errorf("%d of them happened", n)
	}
}

func TestCloseFinishesWhatWasHandedOver(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var ops []<-chan error
	for i := range 300 {
		ops = append(ops, s.Submit(func(tx store.Tx) error { return tx.AppendEvent(event(i)) }))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		if err := <-op; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(context.Background(), func(store.Tx) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("update after close: %v", err)
	}
	if err := s.View(context.Background(), func(store.Reader) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("view after close: %v", err)
	}
	view(t, open(t, dir), func(r store.Reader) error {
		_, last, err := r.EventBounds()
		if last != 300 {
			t.Errorf("last event is %d, want 300", last)
		}
		return err
	})
}

// TestCloseWhileTheQueueIsFull has more callers than the queue takes. Each must get an answer, and so must Close.
func TestCloseWhileTheQueueIsFull(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	var kept atomic.Int64
	held(t, s, func() {
		for range 3000 {
			wg.Go(func() {
				switch err := s.Update(context.Background(), func(tx store.Tx) error { return tx.AppendEvent(event(0)) }); {
				case err == nil:
					kept.Add(1)
				case !errors.Is(err, store.ErrClosed):
					t.Error(err)
				}
			})
		}
		for sqlite.Waiting(s) < 1000 {
			runtime.Gosched()
		}
		wg.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	wg.Wait()
	if kept.Load() < 1000 {
		t.Errorf("%d updates were kept, want those that had been handed over", kept.Load())
	}
}

// TestFullDisk has the database grow to its limit: who asks for too much is told, others go on.
func TestFullDisk(t *testing.T) {
	s := open(t, t.TempDir())
	sqlite.LimitPages(t.Context(), s, 200)
	big := func(tx store.Tx) error {
		e := event(0)
		e.Payload = schema.NewPayload(schema.Thought{Thought: strings.Repeat("x", 4<<20)})
		return tx.AppendEvent(e)
	}
	small := func(tx store.Tx) error { return tx.PutAgent(agent("small")) }
	var ops []<-chan error
	held(t, s, func() {
		ops = append(ops, s.Submit(small), s.Submit(big), s.Submit(small))
	})
	for i, op := range ops {
		if err := <-op; errors.Is(err, store.ErrFull) != (i == 1) || i != 1 && err != nil {
			t.Errorf("function %d: %v", i, err)
		}
	}
	e := event(1)
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(e) })
	if e.Cursor.Seq != 1 {
		t.Errorf("the first event that was kept has number %d", e.Cursor.Seq)
	}
}

// TestLockedByAnotherProgram holds the database from outside: all that wait are told after one wait, not one after another.
func TestLockedByAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	other, err := sql.Open("sqlite", filepath.Join(dir, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	other.SetMaxOpenConns(1)
	if _, err := other.Exec(`BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var ops []<-chan error
	for range 50 {
		ops = append(ops, s.Submit(func(tx store.Tx) error { return tx.AppendEvent(event(0)) }))
	}
	for _, op := range ops {
		if err := <-op; err == nil {
			t.Error("an update got past the lock")
		}
	}
	if waited := time.Since(begin); waited > 30*time.Second {
		t.Errorf("it took %s until everybody was told", waited)
	}
	if _, err := other.Exec(`ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(event(0)) })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkCommit compares commits that many callers share with commits that one caller has to itself; the metric
// "x-single" is the ratio.
func BenchmarkCommit(b *testing.B) {
	single := func(b *testing.B, s store.Store, n int) {
		for i := range n {
			update(b, s, func(tx store.Tx) error { return tx.AppendEvent(event(i)) })
		}
	}
	group := func(b *testing.B, s store.Store, n int) {
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { single(b, s, n/64+1) })
		}
		wg.Wait()
	}
	s := open(b, b.TempDir())
	rate := map[string]float64{}
	for _, c := range []struct {
		name string
		run  func(*testing.B, store.Store, int)
	}{{"single", single}, {"group", group}} {
		b.Run(c.name, func(b *testing.B) {
			c.run(b, s, b.N)
			rate[c.name] = float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate[c.name], "commits/s")
			if c.name == "group" && rate["single"] > 0 {
				b.ReportMetric(rate["group"]/rate["single"], "x-single")
			}
		})
	}
}

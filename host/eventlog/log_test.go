package eventlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const epoch = "testepoch"

// journal is a whole event store in memory: what somebody with a runtime of their own has to write.
type journal struct {
	mu     sync.Mutex
	first  uint64 // number of events[0]
	events []schema.Event
	reads  int
	fail   error
}

func (j *journal) Events(_ context.Context, after uint64, limit int) ([]schema.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.reads++
	from := 0
	if after >= j.first {
		from = min(int(after+1-j.first), len(j.events))
	}
	return slices.Clone(j.events[from:min(from+limit, len(j.events))]), j.fail
}

// add stores events and returns them with their cursors.
func (j *journal) add(events ...schema.Event) []schema.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range events {
		events[i].Cursor = schema.Cursor{Epoch: epoch, Seq: j.first + uint64(len(j.events))}
		j.events = append(j.events, events[i])
	}
	return events
}

func (j *journal) evict(first uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = j.events[first-j.first:]
	j.first = first
}

func newLog(opts ...eventlog.Option) (*eventlog.Log, *journal) {
	j := &journal{first: 1}
	return eventlog.New(j, eventlog.State{Epoch: epoch, First: 1}, opts...), j
}

func thought(n int) schema.Event {
	return schema.Event{Type: schema.EventThought, AgentID: "nyx", Payload: schema.NewPayload(schema.Thought{Thought: fmt.Sprint(n)})}
}

func publish(l *eventlog.Log, j *journal, events ...schema.Event) { l.Publish(j.add(events...)) }

func reader(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeRead}})
}

func at(seq uint64) schema.Cursor { return schema.Cursor{Epoch: epoch, Seq: seq} }

// take returns the numbers of the first n events that a subscription yields.
func take(ctx context.Context, t testing.TB, l *eventlog.Log, q schema.EventQuery, n int) []uint64 {
	t.Helper()
	var seqs []uint64
	for e, err := range l.Subscribe(ctx, q) {
		if err != nil {
			t.Fatalf("after %d events: %v", len(seqs), err)
		}
		if seqs = append(seqs, e.Cursor.Seq); len(seqs) == n {
			break
		}
	}
	return seqs
}

// TestReplayThenFollow has many readers begin at different places, with tails from tiny to large, while events are
// published. Each must see every event after its place exactly once, in order.
func TestReplayThenFollow(t *testing.T) {
	const total = 4000
	for _, tail := range []int{1, 7, 300, 100_000} {
		t.Run(fmt.Sprint("tail ", tail), func(t *testing.T) {
			l, j := newLog(eventlog.WithTail(tail, 1<<30))
			ctx := reader(t)
			var wg sync.WaitGroup
			for r := range 12 {
				since := uint64(r * 37)
				wg.Go(func() {
					next := since + 1
					for e, err := range l.Subscribe(ctx, schema.EventQuery{Since: at(since)}) {
						if err != nil || e.Type == schema.EventGap || e.Cursor.Seq != next {
							t.Errorf("reader %d: event %s %s (%v), want number %d", r, e.Cursor, e.Type, err, next)
							return
						}
						if next == total {
							return
						}
						next++
					}
				})
				for range total / 20 {
					publishSome(l, j, total)
				}
			}
			for publishSome(l, j, total) {
			}
			wg.Wait()
		})
	}
}

// publishSome publishes up to five events, never more than total in all, and reports whether there are more to publish.
func publishSome(l *eventlog.Log, j *journal, total int) bool {
	have := len(j.events)
	n := min(1+rand.IntN(5), total-have)
	var events []schema.Event
	for i := range n {
		events = append(events, thought(have+i))
	}
	if n > 0 {
		publish(l, j, events...)
	}
	return have+n < total
}

// TestFiltersFollow is about wake-ups: a reader for whom little happens must get it, at once, and must not go to the store
// for what is none of its business.
func TestFiltersFollow(t *testing.T) {
	l, j := newLog(eventlog.WithTail(8, 1<<30))
	ctx := reader(t)
	got := make(chan schema.Event)
	var wg sync.WaitGroup
	for _, q := range []schema.EventQuery{
		{RunID: "mine"}, {Types: []schema.EventType{schema.EventReply}}, {Agents: []string{"aria"}},
	} {
		events := l.Subscribe(ctx, q) // now, and not when the goroutine comes to run
		wg.Go(func() {
			for e, err := range events {
				if err != nil {
					if schema.CodeOf(err) != schema.CodeUnavailable {
						t.Error(err)
					}
					return
				}
				got <- e
			}
		})
	}
	reads := func() int { j.mu.Lock(); defer j.mu.Unlock(); return j.reads }
	var seen []uint64
	for round := range 50 {
		for i := range 30 {
			publish(l, j, thought(i))
		}
		match := thought(round)
		match.RunID, match.Type, match.AgentID = "mine", schema.EventReply, "aria"
		before := reads()
		publish(l, j, match)
		for range 3 {
			e := <-got
			seen = append(seen, e.Cursor.Seq)
			if want := uint64((round + 1) * 31); e.Cursor.Seq != want {
				t.Fatalf("round %d: got event %d, want %d", round, e.Cursor.Seq, want)
			}
		}
		if round >= 40 && reads() != before { // by then each was up to date once, and stays so
			t.Errorf("round %d: a reader that is up to date read the store", round)
		}
	}
	l.Close()
	wg.Wait()
	if len(seen) != 150 {
		t.Errorf("%d events were seen, want 150", len(seen))
	}
}

func TestMaySee(t *testing.T) {
	l, j := newLog()
	for i, who := range []string{"", "alice", "bob"} {
		e := thought(i)
		e.Principal = who
		publish(l, j, e)
	}
	for name, c := range map[string]struct {
		caller schema.Caller
		want   []uint64
	}{
		"reader":  {schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeRead}}, []uint64{1, 2}},
		"admin":   {schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}}, []uint64{1, 2, 3}},
		"nobody":  {schema.Caller{}, nil},
		"no name": {schema.Caller{Scopes: []schema.Scope{schema.ScopeChat}}, []uint64{1}},
	} {
		ctx, cancel := context.WithCancel(schema.WithCaller(t.Context(), c.caller))
		l2 := eventlog.New(j, eventlog.State{Epoch: epoch, First: 1, Last: 3})
		l2.Close() // a closed log is read to its end
		var got []uint64
		for e, err := range l2.Subscribe(ctx, schema.EventQuery{Since: at(0)}) {
			if err != nil {
				break
			}
			got = append(got, e.Cursor.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s sees %v, want %v", name, got, c.want)
		}
		cancel()
	}
}

// TestSlowReader has a reader that takes one event and stops for a long time. It delays nobody, and misses nothing.
func TestSlowReader(t *testing.T) {
	const total = 20_000
	l, j := newLog(eventlog.WithTail(100, 1<<30))
	ctx := reader(t)
	publish(l, j, thought(0))
	resume, stopped := make(chan struct{}), make(chan struct{})
	done := make(chan uint64)
	go func() {
		defer close(done)
		next := uint64(1)
		for e, err := range l.Subscribe(ctx, schema.EventQuery{Since: at(0)}) {
			if err != nil || e.Cursor.Seq != next {
				t.Errorf("event %s (%v), want number %d", e.Cursor, err, next)
				return
			}
			if next == 1 {
				close(stopped)
				<-resume
			}
			if next == total {
				return
			}
			next++
		}
	}()
	<-stopped
	for i := 1; i < total; i++ {
		publish(l, j, thought(i)) // returns although nobody reads
	}
	if got := take(ctx, t, l, schema.EventQuery{Since: at(total - 50)}, 50); len(got) != 50 {
		t.Errorf("a fast reader beside it saw %v", got)
	}
	close(resume)
	<-done
}

func TestGap(t *testing.T) {
	for _, c := range []struct {
		name  string
		since schema.Cursor
	}{
		{"evicted", at(2)}, {"another epoch", schema.Cursor{Epoch: "other", Seq: 9}}, {"the future", at(11)}, {"far future", at(1 << 63)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, j := newLog()
			for i := range 10 {
				publish(l, j, thought(i))
			}
			j.evict(5)
			l.Evicted(5)
			var events []schema.Event
			for e, err := range l.Subscribe(reader(t), schema.EventQuery{Since: c.since, Types: []schema.EventType{schema.EventThought}}) {
				if err != nil {
					t.Fatal(err)
				}
				if events = append(events, e); len(events) == 7 {
					break
				}
			}
			var g schema.Gap
			if err := json.Unmarshal(events[0].Payload, &g); err != nil || events[0].Type != schema.EventGap {
				t.Fatalf("the first event is %+v", events[0])
			}
			want := schema.Gap{Requested: c.since.String(), FirstAvailable: at(5).String(), Head: at(10).String()}
			if g != want || events[0].Cursor != at(4) || events[1].Cursor != at(5) {
				t.Errorf("gap %+v at %s, then %s; want %+v at %s, then %s", g, events[0].Cursor, events[1].Cursor, want, at(4), at(5))
			}
		})
	}
	t.Run("not for the oldest that is there", func(t *testing.T) {
		l, j := newLog()
		for i := range 10 {
			publish(l, j, thought(i))
		}
		j.evict(5)
		l.Evicted(5)
		if got := take(reader(t), t, l, schema.EventQuery{Since: at(4)}, 6); got[0] != 5 {
			t.Errorf("after 4 comes %v, want 5", got)
		}
	})
	t.Run("nor in an empty log", func(t *testing.T) {
		l, j := newLog()
		events := l.Subscribe(reader(t), schema.EventQuery{Since: at(0)})
		publish(l, j, thought(0))
		for e, err := range events {
			if err != nil || e.Cursor != at(1) {
				t.Errorf("got %s, %v", e.Cursor, err)
			}
			break
		}
	})
}

// TestUntil reads stretches of a log of ten events, of which the first four are gone: each ends by itself, where it should.
func TestUntil(t *testing.T) {
	replies := []schema.EventType{schema.EventReply}
	for name, c := range map[string]struct {
		q    schema.EventQuery
		want []uint64 // 0 = a gap
	}{
		"a stretch":             {schema.EventQuery{Since: at(5), Until: at(8)}, []uint64{6, 7, 8}},
		"to the head":           {schema.EventQuery{Since: at(8), Until: at(10)}, []uint64{9, 10}},
		"nothing":               {schema.EventQuery{Since: at(7), Until: at(7)}, nil},
		"backwards":             {schema.EventQuery{Since: at(9), Until: at(7)}, nil},
		"the head":              {schema.EventQuery{Since: at(10), Until: at(10)}, nil},
		"evicted":               {schema.EventQuery{Since: at(2), Until: at(6)}, []uint64{0, 5, 6}},
		"evicted, nothing":      {schema.EventQuery{Since: at(2), Until: at(2)}, []uint64{0}},
		"the oldest, nothing":   {schema.EventQuery{Since: at(4), Until: at(4)}, nil},
		"another epoch":         {schema.EventQuery{Since: schema.Cursor{Epoch: "other", Seq: 7}, Until: schema.Cursor{Epoch: "other", Seq: 9}}, []uint64{0}},
		"ends in another epoch": {schema.EventQuery{Since: at(7), Until: schema.Cursor{Epoch: "other", Seq: 9}}, nil},
		"beyond the head":       {schema.EventQuery{Since: at(20), Until: at(20)}, []uint64{0}},
		"few match":             {schema.EventQuery{Since: at(5), Until: at(9), Types: replies}, []uint64{7}},
		"none matches":          {schema.EventQuery{Since: at(7), Until: at(9), Types: replies}, nil},
		"the next match is off": {schema.EventQuery{Since: at(5), Until: at(6), Types: replies}, nil},
		"of a run":              {schema.EventQuery{Since: at(5), Until: at(11), RunID: "run"}, []uint64{8}},
		"not here yet":          {schema.EventQuery{Since: at(9), Until: at(11), Types: replies}, nil},
	} {
		for _, tail := range []int{1, 100} {
			t.Run(fmt.Sprint(name, " tail ", tail), func(t *testing.T) {
				l, j := newLog(eventlog.WithTail(tail, 1<<30))
				for i := range 10 {
					e := thought(i)
					if i == 6 {
						e.Type = schema.EventReply
					}
					if i == 7 {
						e.RunID = "run"
					}
					publish(l, j, e)
				}
				j.evict(5)
				l.Evicted(5)
				got := make(chan []uint64, 1)
				go func() { got <- stretch(t, l, c.q) }()
				if c.q.Until.Seq == 11 {
					publish(l, j, thought(10))
				}
				if got := <-got; !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		}
	}
}

// stretch returns the numbers of what a subscription yields that ends by itself, 0 for a gap.
func stretch(t *testing.T, l *eventlog.Log, q schema.EventQuery) (seqs []uint64) {
	for e, err := range l.Subscribe(reader(t), q) {
		switch {
		case err != nil:
			t.Error(err)
		case e.Type == schema.EventGap:
			seqs = append(seqs, 0)
		default:
			seqs = append(seqs, e.Cursor.Seq)
		}
	}
	return seqs
}

// TestEvictedWhileReading takes events away from under a reader: it must be told.
func TestEvictedWhileReading(t *testing.T) {
	l, j := newLog(eventlog.WithTail(10, 1<<30))
	for i := range 1000 {
		publish(l, j, thought(i))
	}
	gaps, last := 0, uint64(0)
	for e, err := range l.Subscribe(reader(t), schema.EventQuery{Since: at(0)}) {
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Type == schema.EventGap:
			gaps++
			last = e.Cursor.Seq
			continue
		case e.Cursor.Seq != last+1:
			t.Fatalf("event %d after %d without a gap", e.Cursor.Seq, last)
		}
		if last = e.Cursor.Seq; last == 100 {
			j.evict(700)
			l.Evicted(700)
		}
		if last == 1000 {
			break
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps, want 1", gaps)
	}
}

func TestNowIsTheMomentOfTheCall(t *testing.T) {
	l, j := newLog()
	publish(l, j, thought(0))
	events := l.Subscribe(reader(t), schema.EventQuery{})
	publish(l, j, thought(1))
	for e, err := range events {
		if err != nil || e.Cursor != at(2) {
			t.Errorf("first event is %s (%v), want %s", e.Cursor, err, at(2))
		}
		break
	}
}

func TestEnds(t *testing.T) {
	first := func(l *eventlog.Log, ctx context.Context) error {
		for _, err := range l.Subscribe(ctx, schema.EventQuery{Since: at(0)}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	t.Run("cancelled", func(t *testing.T) {
		l, _ := newLog()
		ctx, cancel := context.WithCancel(reader(t))
		cancel()
		if err := first(l, ctx); schema.CodeOf(err) != schema.CodeCancelled {
			t.Error(err)
		}
	})
	t.Run("cancelled while waiting", func(t *testing.T) {
		l, j := newLog()
		publish(l, j, thought(0))
		ctx, cancel := context.WithCancel(reader(t))
		defer cancel()
		for e, err := range l.Subscribe(ctx, schema.EventQuery{Since: at(0)}) {
			if err == nil && e.Cursor == at(1) {
				cancel()
				continue
			}
			if schema.CodeOf(err) != schema.CodeCancelled {
				t.Error(err)
			}
		}
	})
	t.Run("closed", func(t *testing.T) {
		l, j := newLog()
		publish(l, j, thought(0))
		done := make(chan error)
		go func() { done <- first(l, reader(t)) }()
		l.Close()
		if err := <-done; schema.CodeOf(err) != schema.CodeUnavailable {
			t.Error(err)
		}
	})
	t.Run("store fails", func(t *testing.T) {
		l, j := newLog(eventlog.WithTail(1, 1<<30))
		publish(l, j, thought(0), thought(1), thought(2))
		j.fail = errors.New("disk 7") // for who runs the store, not for who reads the log
		if err := first(l, reader(t)); schema.CodeOf(err) != schema.CodeInternal || !errors.Is(err, j.fail) || strings.Contains(err.Error(), "disk") {
			t.Error(err)
		}
		j.fail = schema.Errorf(schema.CodeUnavailable, "moving house")
		if err := first(l, reader(t)); schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "moving house") {
			t.Error(err)
		}
	})
}

// TestTailIsBoundedInBytes publishes large events: the tail gives way, and the readers go to the store.
func TestTailIsBoundedInBytes(t *testing.T) {
	l, j := newLog(eventlog.WithTail(1000, 10_000))
	big := schema.NewPayload(schema.Thought{Thought: string(make([]byte, 100))})
	for range 200 {
		publish(l, j, schema.Event{Type: schema.EventThought, Payload: big})
	}
	if got := take(reader(t), t, l, schema.EventQuery{Since: at(100)}, 100); got[0] != 101 || j.reads == 0 {
		t.Errorf("began at %d with %d reads of the store", got[0], j.reads)
	}
	j.reads = 0
	if got := take(reader(t), t, l, schema.EventQuery{Since: at(199)}, 1); got[0] != 200 || j.reads != 0 {
		t.Errorf("began at %d with %d reads of the store, want none", got[0], j.reads)
	}
}

// BenchmarkPublish shows what a follower costs the publisher, of one run and of everything.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		q    schema.EventQuery
	}{{"alone", 0, schema.EventQuery{}}, {"1000 of other runs", 1000, schema.EventQuery{RunID: "other"}}, {"100 of everything", 100, schema.EventQuery{}}} {
		b.Run(c.name, func(b *testing.B) {
			l, j := newLog()
			ctx, cancel := context.WithCancel(schema.WithCaller(b.Context(), schema.Caller{Principal: "a", Scopes: []schema.Scope{schema.ScopeAdmin}}))
			defer cancel()
			var wg sync.WaitGroup
			for range c.n {
				events := l.Subscribe(ctx, c.q)
				wg.Go(func() {
					for _, err := range events {
						if err != nil {
							return
						}
					}
				})
			}
			for b.Loop() {
				publish(l, j, thought(0))
			}
			cancel()
			wg.Wait()
		})
	}
}

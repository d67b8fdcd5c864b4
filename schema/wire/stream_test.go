package wire_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

func event(seq uint64) schema.Event {
	return schema.Event{Cursor: schema.Cursor{Epoch: "e", Seq: seq}, Type: schema.EventThought, Payload: []byte(`{"thought":"hm"}`)}
}

// log is a fake that yields n events of the given payload and then what end says.
func log(n int, payload string, end error) *fake {
	f := all(nil)
	f.subscribe = func(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) {
			for i := range n {
				e := event(uint64(i + 1))
				if payload != "" {
					e.Payload = []byte(`{"thought":"` + payload + `"}`)
				}
				if !yield(e, nil) {
					return
				}
			}
			if end != nil {
				yield(schema.Event{}, end)
			}
		}
	}
	return f
}

// batches reads a stream of a fake as it is on the wire.
func batches(t *testing.T, f *fake) (sizes, bytes []int, end error) {
	t.Helper()
	stream, err := pb.NewEventsClient(connect(t, f.services())).Subscribe(t.Context(), &pb.SubscribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for next := uint64(1); ; {
		m, err := stream.Recv()
		if err != nil {
			return sizes, bytes, err
		}
		sizes, bytes = append(sizes, len(m.GetEvents())), append(bytes, proto.Size(m))
		for _, e := range m.GetEvents() {
			if e.GetCursor().GetSeq() != next {
				t.Fatalf("event %d where %d was due", e.GetCursor().GetSeq(), next)
			}
			next++
		}
	}
}

func TestBatchesAreBounded(t *testing.T) {
	end := schema.Errorf(schema.CodeUnavailable, "too slow")
	for name, c := range map[string]struct {
		events  int
		payload string
		perHead int // bytes that one batch may have
	}{
		"small": {10_000, "", 256<<10 + 1<<10},
		"large": {100, strings.Repeat("x", 20<<10), 256<<10 + 1<<10},
		"huge":  {10, strings.Repeat("x", 300<<10), 310 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			sizes, bytes, err := batches(t, log(c.events, c.payload, end))
			wantCode(t, wire.FromStatus(err), schema.CodeUnavailable)
			total := 0
			for i, n := range sizes {
				total += n
				if n == 0 || n > 256 || bytes[i] > c.perHead {
					t.Errorf("batch %d has %d events in %d bytes", i, n, bytes[i])
				}
			}
			if total != c.events {
				t.Errorf("%d events arrived before the error, want %d", total, c.events)
			}
			if name == "small" && len(sizes) > c.events/2 {
				t.Errorf("%d events travelled in %d batches", c.events, len(sizes))
			}
		})
	}
}

// TestNothingWaitsForABatchToFill: an event arrives although the next one never comes.
func TestNothingWaitsForABatchToFill(t *testing.T) {
	f := all(nil)
	f.subscribe = func(ctx context.Context, _ schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) {
			if yield(event(1), nil) {
				<-ctx.Done()
				yield(schema.Event{}, ctx.Err())
			}
		}
	}
	for e, err := range dial(t, f.services()).Events.Subscribe(as(t, "p"), schema.EventQuery{}) {
		if err != nil || e.Cursor.Seq != 1 {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
}

// TestBreakEndsTheIteration: leaving the loop ends the service's side too, and its context says so.
func TestBreakEndsTheIteration(t *testing.T) {
	ended := make(chan error, 1)
	f := all(nil)
	f.send = func(ctx context.Context, _ schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) {
			defer func() { ended <- ctx.Err() }()
			for n := uint64(1); ; n++ {
				e := event(n)
				if !yield(schema.ChatEvent{Event: &e}, nil) {
					return
				}
			}
		}
	}
	for range dial(t, f.services()).Chat.Send(as(t, "p"), schema.SendRequest{}) {
		break
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the service's context ended with %v", err)
	}
}

// TestSlowReaderHoldsUpTheService: what is gathered for a client that does not read is bounded.
func TestSlowReaderHoldsUpTheService(t *testing.T) {
	const bound = 10_000 // events; far more than batches and flow control hold
	var yielded atomic.Int64
	payload := `{"thought":"` + strings.Repeat("x", 1<<10) + `"}`
	blocked, done := make(chan struct{}), make(chan struct{})
	f := all(nil)
	f.subscribe = func(ctx context.Context, _ schema.EventQuery) iter.Seq2[schema.Event, error] {
		return func(yield func(schema.Event, error) bool) {
			defer close(done)
			for n := uint64(1); n <= bound; n++ {
				e := event(n)
				e.Payload = []byte(payload)
				if yielded.Store(int64(n)); !yield(e, nil) {
					return
				}
			}
			close(blocked)
			<-ctx.Done()
		}
	}
	for range dial(t, f.services()).Events.Subscribe(as(t, "p"), schema.EventQuery{}) {
		last := int64(-1)
		for n := yielded.Load(); n != last; n = yielded.Load() { // until the service stands still for a while
			last = n
			waitABit(t)
		}
		break
	}
	select {
	case <-blocked:
		t.Errorf("all of %d events were gathered for a reader of one", bound)
	case <-done:
	}
}

// waitABit lets other goroutines run for long enough to show that they stand still.
func waitABit(t *testing.T) {
	t.Helper()
	for range 3 {
		s := dial(t, all(func(context.Context) error { return nil }).services())
		for range 100 {
			if _, err := s.Agents.Get(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSubscriptionEndsWithAnErrorOnly(t *testing.T) {
	n := 0
	var last error
	for _, err := range dial(t, log(3, "", nil).services()).Events.Subscribe(as(t, "p"), schema.EventQuery{}) {
		n++
		last = err
	}
	if wantCode(t, last, schema.CodeUnavailable); n != 4 {
		t.Errorf("%d steps", n)
	}
}

func TestStretchEndsQuietly(t *testing.T) {
	until := schema.EventQuery{Until: schema.Cursor{Epoch: "e", Seq: 3}}
	n := 0
	for _, err := range dial(t, log(3, "", nil).services()).Events.Subscribe(as(t, "p"), until) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 3 {
		t.Errorf("%d steps", n)
	}
}

func TestTurnEndsQuietly(t *testing.T) {
	f := all(nil)
	f.send = func(_ context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return func(yield func(schema.ChatEvent, error) bool) {
			e := event(5)
			_ = yield(schema.ChatEvent{Accepted: &schema.Accepted{RunID: r.RunID}}, nil) && yield(schema.ChatEvent{Event: &e}, nil)
		}
	}
	var got []schema.ChatEvent
	for e, err := range dial(t, f.services()).Chat.Send(as(t, "p"), schema.SendRequest{RunID: "run_1"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != 2 || got[0].Accepted.RunID != "run_1" || got[1].Event.Cursor.Seq != 5 {
		t.Errorf("%+v", got)
	}
}

func BenchmarkSubscribe(b *testing.B) {
	s := dial(b, log(b.N, "", nil).services())
	b.ReportAllocs()
	for range s.Events.Subscribe(as(b, "p"), schema.EventQuery{}) {
	}
}

func BenchmarkGet(b *testing.B) {
	f := all(func(context.Context) error { return nil })
	s := dial(b, f.services())
	ctx := as(b, "p", schema.ScopeRead)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Agents.Get(ctx, "nyx"); err != nil {
			b.Fatal(err)
		}
	}
}

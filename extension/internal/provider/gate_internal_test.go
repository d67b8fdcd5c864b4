package provider

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGateLetsInInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 3)
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int
		for i := range 3 {
			go func() {
				if err := g.enter(context.Background()); err != nil {
					t.Error(err)
				}
				order = append(order, i)
				g.leave()
			}()
			synctest.Wait()
		}
		if in, waiting := g.load(); in != 1 || waiting != 3 {
			t.Errorf("%d are in, %d wait", in, waiting)
		}
		if err := g.enter(t.Context()); schema.CodeOf(err) != schema.CodeBusy || schema.AsError(err).RetryAfter == 0 {
			t.Errorf("one too many: %v", err)
		}
		g.leave()
		synctest.Wait()
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("they were let in as %v", order)
		}
		if in, waiting := g.load(); in != 0 || waiting != 0 {
			t.Errorf("at the end %d are in, %d wait", in, waiting)
		}
	})
}

func TestGateForgetsWhoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		if err := g.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		left := make(chan error)
		go func() { left <- g.enter(ctx) }()
		synctest.Wait()
		cancel(gone)
		if err := <-left; !errors.Is(err, gone) {
			t.Errorf("the wait ends with %v", err)
		}
		g.leave()
		if in, waiting := g.load(); in != 0 || waiting != 0 {
			t.Errorf("%d are in, %d wait", in, waiting)
		}
	})
}

// TestGateUnderLoad: never more than so many are in, and no place is lost when those who wait give up at the moment they are let in.
func TestGateUnderLoad(t *testing.T) {
	g := newGate(3, 1000)
	var mu sync.Mutex
	in, most := 0, 0
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			if g.enter(ctx) != nil {
				return
			}
			defer g.leave()
			mu.Lock()
			in++
			most = max(most, in)
			mu.Unlock()
			mu.Lock()
			in--
			mu.Unlock()
		})
	}
	all.Wait()
	if in, waiting := g.load(); in != 0 || waiting != 0 || most > 3 {
		t.Errorf("at the end %d are in and %d wait; at most %d were in", in, waiting, most)
	}
}

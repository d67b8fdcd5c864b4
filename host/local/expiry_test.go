package local_test

import (
	"context"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/schema"
)

// TestExpiredMemory: from its time on a memory is there for nobody, and a write deletes it.
func TestExpiredMemory(t *testing.T) {
	c := newClock()
	recalled := make(chan int, 2)
	o := scripted(func(ctx context.Context, turn brain.Turn, yield func(brain.Step, error) bool) {
		hits, _ := turn.Memory.Recall(ctx, "heron", 10)
		recent, _ := turn.Memory.Recent(ctx, 10)
		recalled <- len(hits) + len(recent)
		yield(brain.Step{Reply: "x"}, nil)
	})
	o.Now = c.Now
	r := open(t, o)
	s, ctx, at := r.Services(), alice(t), c.Now().Add(time.Hour)
	item := must[schema.MemoryItem](t)(s.Memory.Store(ctx, schema.NewMemory{AgentID: "bot", Content: "heron", ExpiresAt: &at}))
	there := func() (n int) {
		if _, err := s.Memory.Get(ctx, "bot", item.ID); err == nil {
			n++
		}
		n += len(must[[]schema.MemoryHit](t)(s.Memory.Search(ctx, schema.MemoryQuery{Text: "heron"})))
		n += len(must[[]schema.MemoryHit](t)(s.Memory.Search(ctx, schema.MemoryQuery{AgentID: "bot"})))
		must[turn](t)(say(ctx, r, schema.SendRequest{AgentID: "bot", Message: "x"}))
		return n + <-recalled
	}
	if n := there(); n != 5 {
		t.Errorf("before its time it is seen %d times, want 5", n)
	}
	c.move(time.Hour)
	if n := there(); n != 0 {
		t.Errorf("after its time it is seen %d times", n)
	}
	mustBe(t, s.Memory.Delete(ctx, "bot", item.ID), schema.CodeNotFound)
	_, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: "bot", Content: "x", ExpiresAt: &at})
	mustBe(t, err, schema.CodeInvalidArgument)
	must[schema.MemoryItem](t)(s.Memory.Store(ctx, schema.NewMemory{AgentID: "bot", Content: "x"}))
	c.move(-time.Hour) // had it been kept, it would be seen again
	if _, err := s.Memory.Get(ctx, "bot", item.ID); schema.CodeOf(err) != schema.CodeNotFound {
		t.Errorf("a write does not delete it: %v", err)
	}
}

package usage_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// talkative is a brain that says two things and counts how often it was asked.
type talkative struct {
	schema.Brains
	asked int
}

func (b *talkative) Think(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	b.asked++
	return func(yield func(schema.ThinkEvent, error) bool) {
		_ = yield(schema.ThinkEvent{Text: "one"}, nil) && yield(schema.ThinkEvent{Done: &schema.ThinkDone{}}, nil)
	}
}

func TestBrainsWithinABudget(t *testing.T) {
	l := open(t, memory.New(), usage.Config{Budgets: []usage.Budget{{Principal: "alice", Agent: "nyx", Window: usage.Month, Tokens: 1}}}, nil)
	brain := &talkative{}
	b := l.Brains(brain)
	think := func(who, agent string, most int) (heard int, last error) {
		ctx := schema.WithCaller(t.Context(), schema.Caller{Principal: who})
		for _, err := range b.Think(ctx, schema.ThinkRequest{AgentID: agent}) {
			if last = err; err == nil {
				heard++
			}
			if heard == most {
				break
			}
		}
		return heard, last
	}
	if n, err := think("alice", "nyx", 9); n != 2 || err != nil {
		t.Errorf("alice heard %d events, %v", n, err)
	}
	if n, err := think("alice", "nyx", 1); n != 1 || err != nil {
		t.Errorf("who breaks off heard %d events, %v", n, err)
	}
	if err := l.Record(t.Context(), usage.Step{Principal: "alice", AgentID: "nyx", Tokens: schema.TokenUsage{OutputTokens: 1}}); err != nil {
		t.Fatal(err)
	}
	n, err := think("alice", "nyx", 9)
	var e *usage.Exceeded
	if n != 0 || !errors.As(err, &e) || schema.CodeOf(err) != schema.CodeBudgetExceeded || schema.AsError(err).Message != e.Error() || brain.asked != 2 {
		t.Errorf("over budget %d events were heard, %v; the brain was asked %d times", n, err, brain.asked)
	}
	for _, other := range [][2]string{{"bob", "nyx"}, {"alice", "aria"}} {
		if n, err := think(other[0], other[1], 9); n != 2 || err != nil {
			t.Errorf("%v heard %d events, %v", other, n, err)
		}
	}
}

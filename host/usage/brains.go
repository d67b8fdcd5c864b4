package usage

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// Brains returns b, none of which is asked for a step while a budget of the caller's principal with that agent is used up. Steps
// that are under way come to their end. It records nothing.
func (l *Ledger) Brains(b schema.Brains) schema.Brains { return bounded{b, l} }

type bounded struct {
	schema.Brains
	ledger *Ledger
}

// Think yields CodeBudgetExceeded, whose cause is an *Exceeded, in the place of a step that there is no budget for.
func (b bounded) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		if err := b.ledger.Check(schema.CallerFrom(ctx).Principal, r.AgentID); err != nil {
			yield(schema.ThinkEvent{}, schema.Errorf(schema.CodeBudgetExceeded, "%w", err))
			return
		}
		for e, err := range b.Brains.Think(ctx, r) {
			if !yield(e, err) {
				return
			}
		}
	}
}

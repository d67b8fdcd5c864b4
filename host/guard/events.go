package guard

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

type events struct{ next schema.Events }

var _ schema.Events = events{}

func (g events) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	c, err := reader(ctx)
	if err != nil {
		return refuse[schema.Event](err)
	}
	if err := q.Validate(); err != nil {
		return refuse[schema.Event](err)
	}
	return func(yield func(schema.Event, error) bool) {
		for e, err := range g.next.Subscribe(ctx, q) {
			if err == nil && !c.MaySee(e.Principal) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (g events) Head(ctx context.Context) (schema.Cursor, error) {
	if _, err := reader(ctx); err != nil {
		return schema.Cursor{}, err
	}
	return g.next.Head(ctx)
}

package client

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

// pump hands events over from a goroutine of its own, one at a time: while nobody takes one, none is read.
type pump struct {
	events chan schema.Event
	err    error // why events is closed
	stop   context.CancelCauseFunc
}

// pump starts a goroutine that hands over what next returns until it returns an error, or ctx or the client ends, and that
// calls done then.
func (c *Client) pump(ctx context.Context, next func(context.Context) (schema.Event, error), done func()) (*pump, error) {
	ctx, stop := c.lifetime(ctx)
	p := &pump{events: make(chan schema.Event), stop: stop}
	if c.start(func() { p.run(ctx, next, done) }) {
		return p, nil
	}
	stop(ErrClosed)
	done()
	return nil, ErrClosed
}

func (p *pump) run(ctx context.Context, next func(context.Context) (schema.Event, error), done func()) {
	defer close(p.events)
	defer p.stop(ErrClosed)
	defer done()
	for {
		e, err := next(ctx)
		if err != nil {
			p.err = err
			return
		}
		select {
		case p.events <- e:
		case <-ctx.Done():
			p.err = context.Cause(ctx)
			return
		}
	}
}

// next returns the next event, or why there is none. When ctx ends first, nothing is lost.
func (p *pump) next(ctx context.Context) (schema.Event, error) {
	select {
	case e, ok := <-p.events:
		if !ok {
			return e, p.err
		}
		return e, nil
	case <-ctx.Done():
		return schema.Event{}, context.Cause(ctx)
	}
}

// close ends the goroutine and waits for its end. It may be called again.
func (p *pump) close() {
	p.stop(ErrClosed)
	for range p.events { // at most one that was on its way
	}
}

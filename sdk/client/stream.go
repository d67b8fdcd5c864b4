package client

import (
	"context"
	"fmt"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// Filter selects events. The zero Filter selects everything that the caller may see, from now on.
type Filter struct {
	Agents []string           // nil = of every agent, and of none
	Events []schema.EventType // nil = all; "chat:*" and "agent:*" are families
	Since  schema.Cursor      // the last event that has been seen; what follows it is sent. Zero = from now on
}

// Stream is events as they happen, each once and in the order of the log. It is for one goroutine at a time; Close may be
// called from any.
type Stream struct {
	pump  *pump
	place schema.Cursor
}

// Events opens a stream. When it returns, what happens from then on will be in the stream. An error means that the server could
// not be reached, or refuses: there is no such agent, or the token is not good. The stream lives until Close, or until ctx ends.
func (c *Client) Events(ctx context.Context, f Filter) (*Stream, error) {
	follow := c.newFollower(command{Agents: f.Agents, Events: f.Events}, f.Since)
	if err := follow.begin(ctx); err != nil {
		return nil, fmt.Errorf("follow events: %w", err)
	}
	s := &Stream{place: follow.place}
	var err error
	s.pump, err = c.pump(ctx, follow.next, follow.close)
	return s, err
}

// Next returns the next event and waits for it if need be, over lost connections too. An event of type [schema.EventGap], whose
// payload is a schema.Gap, says that the server does not have events any more that would have been next: read the state anew
// over REST. When ctx ends first, nothing is lost, and Next may be called again; any other error is the end of the stream.
func (s *Stream) Next(ctx context.Context) (schema.Event, error) {
	e, err := s.pump.next(ctx)
	if err == nil {
		s.place = e.Cursor
	}
	return e, err
}

// All returns the events until the stream or ctx ends, whose error is the last thing that it yields.
func (s *Stream) All(ctx context.Context) iter.Seq2[schema.Event, error] { return all(ctx, s.Next) }

// Place returns the place of the last event that Next has returned, or where the stream began. A stream whose filter has
// it as Since goes on from there, in another process too.
func (s *Stream) Place() schema.Cursor { return s.place }

// Close ends the stream. It may be called again.
func (s *Stream) Close() { s.pump.close() }

// all yields what next returns, and its error last.
func all(ctx context.Context, next func(context.Context) (schema.Event, error)) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		for {
			e, err := next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

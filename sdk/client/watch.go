package client

import (
	"context"
	"errors"
	"io"

	"github.com/stagehouse/stagehouse/schema"
)

// watch picks the events of one turn out of what a follower sees.
type watch struct {
	*follower
	began *socket // on which the turn began
	run   ack
	gap   bool // the end of the turn may not be in the log any more
	ended bool
}

// next returns the next event of the turn, or io.EOF after the last.
func (w *watch) next(ctx context.Context) (schema.Event, error) {
	if w.ended {
		return schema.Event{}, io.EOF
	}
	if w.gap {
		w.gap = false
		if e, err := w.lookUp(ctx); err != nil || w.ended {
			return e, err
		}
	}
	for {
		e, err := w.follower.next(ctx)
		switch {
		case err != nil:
			return e, err
		case e.Type == schema.EventGap:
			w.gap = true
			return e, nil
		case e.RunID == w.run.RunID:
			w.ended = e.Type.Terminal()
			return e, nil
		}
	}
}

// lookUp looks for the end of the turn in its conversation, which lasts longer than the log, and returns the event that it
// would have been. A turn whose end is not there goes on, and is still followed.
func (w *watch) lookUp(ctx context.Context) (schema.Event, error) {
	q := schema.ConversationQuery{ID: w.run.ConversationID, Limit: schema.MaxPageSize}
	for retry := w.retry; ; {
		found, err := w.c.Conversation(ctx, q)
		if err == nil {
			return w.endIn(found.Messages), nil
		}
		var e *Error
		if ctx.Err() != nil || errors.As(err, &e) && e.final() {
			return schema.Event{}, err
		}
		if err := sleep(ctx, retry.next(lossOf(err).wait)); err != nil {
			return schema.Event{}, err
		}
	}
}

// endIn looks for the end of the turn in messages.
func (w *watch) endIn(messages []schema.Message) schema.Event {
	e := schema.Event{Cursor: w.place, AgentID: w.run.AgentID, ConversationID: w.run.ConversationID, RunID: w.run.RunID}
	for _, m := range messages {
		if m.RunID != w.run.RunID || m.Role == schema.RoleUser {
			continue
		}
		e.Type, e.Payload = schema.EventReply, schema.NewPayload(schema.Reply{Reply: m})
		if m.Role == schema.RoleSystem { // it says that the turn has failed
			e.Type, e.Payload = schema.EventFailed, schema.NewPayload(schema.Failed{Error: m.Content})
		}
		e.Time = m.CreatedAt
		w.ended = true
	}
	return e
}

// done gives the socket back. One that has subscribed to more than it needs, or in the middle of a turn, is of no more use.
func (w *watch) done() {
	if w.sock == nil || w.sock != w.began || !w.ended {
		w.close()
		return
	}
	w.want = command{Events: []schema.EventType{}}
	w.c.idle.put(w.follower)
}

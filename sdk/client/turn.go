package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// Turn is what becomes of a message. It is for one goroutine at a time; Close may be called from any. One that is not read to
// its end must be closed.
type Turn struct {
	RunID          string
	ConversationID string
	AgentID        string
	Route          *schema.RouteDecision // how the agent was chosen, when it was

	c       *Client
	pump    *pump
	reply   schema.Message // of a turn that is over
	failure error
}

// TurnError says that a turn has ended without a reply.
type TurnError struct {
	RunID, ConversationID, AgentID string

	Status schema.RunStatus // failed or cancelled
	Reason string           // such as schema.ReasonHostRestarted; "" = unknown
	Detail string           // for a person; may be empty
}

// Error says how the turn has ended.
func (e *TurnError) Error() string {
	text := fmt.Sprintf("the turn of %s is %s", e.AgentID, e.Status)
	for _, more := range []string{e.Reason, e.Detail} {
		if more != "" {
			text += ": " + more
		}
	}
	return text
}

// Next returns the next event of the turn: chat:queued, chat:started, chat:delta and so on; the last one is chat:reply,
// chat:failed or chat:cancelled, and after it comes io.EOF. Events come once and in order, over lost connections too; one of type
// [schema.EventGap] says that the server does not have some of them any more, and then what the last one says is all there is. The
// last one has no Cursor when it is gone from the log itself. When ctx ends first, nothing is lost, and Next may be called again.
func (t *Turn) Next(ctx context.Context) (schema.Event, error) {
	e, err := t.pump.next(ctx)
	if err == nil && e.Type.Terminal() {
		t.settle(e)
	}
	return e, err
}

// All returns the events until the turn is over. An error of following it, but for io.EOF, is the last thing that it yields.
func (t *Turn) All(ctx context.Context) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		for e, err := range all(ctx, t.Next) {
			if errors.Is(err, io.EOF) || !yield(e, err) {
				return
			}
		}
	}
}

// Deltas returns the pieces of the reply as they come, until the turn is over. A turn without a reply ends with its error, as
// Reply returns it.
func (t *Turn) Deltas(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range t.All(ctx) {
			var d schema.Delta
			if err == nil && e.Type == schema.EventDelta {
				err = json.Unmarshal(e.Payload, &d)
			} else if err == nil {
				continue
			}
			if !yield(d.Delta, err) || err != nil {
				return
			}
		}
		if t.failure != nil {
			yield("", t.failure)
		}
	}
}

// Reply waits for the end of the turn and returns the reply; events that come before it are passed over. The error is a
// *TurnError if the turn ended without one. It may be called again, and after the last event.
func (t *Turn) Reply(ctx context.Context) (schema.Message, error) {
	for {
		switch _, err := t.Next(ctx); {
		case errors.Is(err, io.EOF):
			return t.reply, t.failure
		case err != nil:
			return schema.Message{}, err
		}
	}
}

// Cancel ends the turn, and returns its run: what the agent had said until then is kept. The last event follows. A turn that is over
// stays as it is.
func (t *Turn) Cancel(ctx context.Context) (schema.Run, error) { return t.c.CancelRun(ctx, t.RunID) }

// Close stops following the turn, which goes on on the server. It may be called again.
func (t *Turn) Close() { t.pump.close() }

// settle notes how the turn has ended.
func (t *Turn) settle(e schema.Event) {
	var p struct {
		schema.Reply
		schema.Failed // of which a cancelled turn has the reason
	}
	if err := json.Unmarshal(e.Payload, &p); err != nil {
		t.failure = fmt.Errorf("read the end of the turn: %w", err)
		return
	}
	failed := &TurnError{RunID: t.RunID, ConversationID: t.ConversationID, AgentID: t.AgentID, Reason: p.Reason, Detail: p.Failed.Error}
	switch e.Type {
	case schema.EventReply:
		t.reply = p.Reply.Reply
		return
	case schema.EventFailed:
		failed.Status = schema.RunFailed
	default:
		failed.Status = schema.RunCancelled
	}
	t.failure = failed
}

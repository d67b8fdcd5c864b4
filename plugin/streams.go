package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// throughGate returns the services of a runtime's processes as one: calls wait while there is none, and streams go on with
// the next one where they were.
func throughGate(s schema.Services, t *gate) schema.Services {
	if s.Events != nil {
		s.Events = events{s.Events, t}
	}
	if s.Chat != nil {
		s.Chat = chat{s.Chat, s.Events, t}
	}
	return s
}

// events is a log that outlives the process that it is read from.
type events struct {
	schema.Events
	gate *gate
}

// Subscribe goes on at its cursor in the next process. A log that is not the same any more says so with a gap, as it does to
// anybody who comes with a cursor of another one.
func (e events) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		q := q
		if q.Since.IsZero() { // "now" must stay what it is
			head, err := e.Head(ctx)
			if err != nil {
				yield(schema.Event{}, err)
				return
			}
			q.Since = head
		}
		for v := (visit{patient: true}); ; {
			p, err := e.gate.enter(ctx, v)
			if err != nil {
				yield(schema.Event{}, err)
				return
			}
			if !e.read(ctx, p, &q, yield) {
				return
			}
			v.after = p.term
		}
	}
}

// read reads from one process, moves q along, and reports whether the process was lost.
func (e events) read(ctx context.Context, p pass, q *schema.EventQuery, yield func(schema.Event, error) bool) bool {
	for ev, err := range e.Events.Subscribe(context.WithValue(ctx, passKey{}, p), *q) {
		switch {
		case err != nil && e.gate.lost(ctx, p, false, err):
			return true
		case err != nil:
			yield(schema.Event{}, err)
			return false
		case !yield(ev, nil):
			return false
		}
		q.Since = ev.Cursor
	}
	return false
}

// chat is a schema.Chat whose turns are watched beyond the process that they began in.
type chat struct {
	schema.Chat
	events schema.Events // nil = not offered
	gate   *gate
}

// Send gives the run its id, if the caller does not. So it can be sent again to the next process when the first one is lost
// before it has said that it has accepted: at most one of them begins the run.
func (c chat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	if r.RunID == "" {
		r.RunID = "run_" + strings.ToLower(ulid.Make().String())
	}
	return func(yield func(schema.ChatEvent, error) bool) {
		w := &watch{chat: c, ctx: ctx, run: r.RunID, yield: yield}
		v := visit{change: true}
		for try := 1; ; try++ {
			p, err := c.gate.enter(ctx, v)
			if err != nil {
				w.fail(err)
				return
			}
			lost := w.send(p, r, try)
			p.leave()
			switch {
			case !lost:
				return
			case w.accepted:
				w.follow()
				return
			case try == maxTries:
				w.fail(away("the runtime went away before it accepted the message; try again"))
				return
			}
			v.after = p.term
		}
	}
}

// watch is one Send, through all the processes that it meets.
type watch struct {
	chat
	ctx      context.Context
	run      string
	yield    func(schema.ChatEvent, error) bool
	accepted bool          // and said to be
	last     schema.Cursor // of what was yielded last
}

func (w *watch) fail(err error) { w.yield(schema.ChatEvent{}, err) }

// send sends the message to one process and yields what comes of it. It reports whether the process was lost before the end.
func (w *watch) send(p pass, r schema.SendRequest, try int) bool {
	ctx := context.WithValue(w.ctx, passKey{}, p)
	if o := schema.OnceFrom(ctx); o != nil && try > 1 { // its caller has asked once, and is not told otherwise
		ctx = schema.WithOnce(ctx, &schema.Once{Key: o.Key, Scope: o.Scope, Digest: o.Digest})
	}
	for e, err := range w.Chat.Send(ctx, r) {
		p.leave() // it is accepted, or never will be
		switch {
		case err != nil && w.gate.lost(w.ctx, p, !w.accepted, err):
			return true
		case err != nil && try > 1 && !w.accepted && schema.CodeOf(err) == schema.CodeAlreadyExists:
			w.find()
			return false
		case err != nil:
			w.fail(err)
			return false
		}
		if e.Accepted != nil {
			w.accepted, w.last = true, e.Accepted.Since
		} else if c := e.Event.Cursor; !c.IsZero() {
			w.last = c
		}
		if !w.yield(e, nil) {
			return false
		}
	}
	return false
}

// find goes on with a run that a process had accepted before it could say so.
func (w *watch) find() {
	run, err := w.Run(w.ctx, w.run)
	if err == nil {
		w.last, err = schema.ParseCursor(run.Since)
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.follow()
}

// follow yields what comes after w.last, read from the log.
func (w *watch) follow() {
	if w.events == nil {
		w.fail(away("the runtime went away while the turn was watched; ask for run " + w.run))
		return
	}
	for e, err := range w.events.Subscribe(w.ctx, schema.EventQuery{Since: w.last, RunID: w.run}) {
		switch {
		case err != nil:
			w.fail(err)
			return
		case e.Type == schema.EventGap:
			if !w.beyondGap() {
				return
			}
			continue
		case e.Type == schema.EventQueued && !w.accepted:
			a, err := acceptedBy(e, w.last)
			if err != nil {
				w.fail(err)
				return
			}
			w.accepted = true
			if !w.yield(schema.ChatEvent{Accepted: a}, nil) {
				return
			}
		}
		if !w.yield(schema.ChatEvent{Event: &e}, nil) || e.Type.Terminal() {
			return
		}
	}
}

// beyondGap looks for the run where the log does not reach back to it, and reports whether there is more to come.
func (w *watch) beyondGap() bool {
	run, err := w.Run(w.ctx, w.run)
	switch {
	case schema.CodeOf(err) == schema.CodeNotFound:
		w.fail(away("the runtime was started anew and does not know the turn any more; send the message again"))
	case err != nil:
		w.fail(err)
	case !w.accepted:
		w.fail(errors.New("the log of the runtime does not reach back to a turn that has just been accepted"))
	case !run.Status.Terminal():
		return true
	default:
		w.yield(schema.ChatEvent{Event: endOf(run)}, nil)
	}
	return false
}

// acceptedBy makes what the first event of a run says into what its sender is told.
func acceptedBy(e schema.Event, since schema.Cursor) (*schema.Accepted, error) {
	var q schema.Queued
	if err := json.Unmarshal(e.Payload, &q); err != nil {
		return nil, fmt.Errorf("read the event %s: %w", e.Type, err)
	}
	return &schema.Accepted{
		RunID: e.RunID, ConversationID: e.ConversationID, AgentID: e.AgentID,
		Message: q.Message, Position: q.Position, Since: since,
	}, nil
}

// endOf returns the terminal event of a run that is over, without a place in the log.
func endOf(r schema.Run) *schema.Event {
	e := &schema.Event{
		AgentID: r.AgentID, ConversationID: r.ConversationID, RunID: r.ID, Principal: r.Principal,
	}
	if r.FinishedAt != nil {
		e.Time = *r.FinishedAt
	}
	switch {
	case r.Status == schema.RunCompleted && r.Reply != nil:
		e.Type, e.Payload = schema.EventReply, schema.NewPayload(schema.Reply{Reply: *r.Reply})
	case r.Status == schema.RunCancelled:
		e.Type, e.Payload = schema.EventCancelled, schema.NewPayload(schema.Cancelled{Reason: r.Reason, Reply: r.Reply})
	default:
		e.Type, e.Payload = schema.EventFailed, schema.NewPayload(schema.Failed{Reason: r.Reason, Error: r.Error})
	}
	return e
}

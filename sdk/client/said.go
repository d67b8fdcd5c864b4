package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// said is a message and its turn. It is sent on one socket after the other, as it was and with the same key, until the turn is over:
// it is accepted once, and every socket that it is sent on is told of the turn from the beginning. What of that has been handed
// over before is left out. It is used by one goroutine at a time.
type said struct {
	c       *Client
	message command
	named   bool // the key is the caller's, who may have used it before
	tries   tries
	giveUp  time.Time // when the server counts as not there, unless it may have had the message

	run   ack           // zero until it is accepted
	talk  *talk         // on which it was accepted last; nil = it has to be sent again
	fresh bool          // the talk has sent nothing of the turn yet, of which it tells what was before
	place schema.Cursor // of the last event that was handed over
	late  *schema.Event // what comes behind the gap that was handed over last
	ended bool
}

func (c *Client) newSaid(m Message) *said {
	message := command{
		Type: typeMessage, AgentID: m.AgentID, ConversationID: m.ConversationID, Message: m.Text, Context: m.Context,
		OnBusy: m.OnBusy, IdempotencyKey: m.IdempotencyKey,
	}
	if m.AgentID == "" {
		message.Type = typeRoute
	}
	named := message.IdempotencyKey != ""
	if !named {
		message.IdempotencyKey = newKey()
	}
	return &said{c: c, message: message, named: named, tries: c.newTries(), giveUp: time.Now().Add(c.openTimeout)}
}

// accept sends the message until it is accepted.
func (s *said) accept(ctx context.Context) error {
	for {
		err := s.send(ctx)
		if err == nil {
			return nil
		}
		if err := s.lose(ctx, err); err != nil {
			return err
		}
	}
}

// next returns the next event of the turn, or io.EOF after the last.
func (s *said) next(ctx context.Context) (schema.Event, error) {
	for !s.ended {
		e, err := s.read(ctx)
		if err == nil {
			s.tries.retry.reset()
			s.ended = e.Type.Terminal()
			return e, nil
		}
		if err := s.lose(ctx, err); err != nil {
			return e, err
		}
	}
	return schema.Event{}, io.EOF
}

// send sends the message on a socket, unless it was accepted on the one that there is.
func (s *said) send(ctx context.Context) error {
	if s.talk != nil {
		return nil
	}
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	a, err := t.ask(ctx, s.message)
	if err == nil && s.run.RunID != "" && s.run.RunID != a.RunID {
		err = &loss{final: true, cause: fmt.Errorf("the server does not know run %s any more, and has begun run %s: its log is another one", s.run.RunID, a.RunID)}
	}
	if err != nil {
		if s.run.RunID == "" {
			s.tries.note(err)
		}
		s.c.release(t, err)
		return err
	}
	if s.run.RunID == "" {
		s.run = a
	}
	s.talk, s.fresh, s.tries.open = t, a.Replayed, false
	s.tries.retry.up()
	return nil
}

// open returns a socket that nobody uses. One that has told of the turn before would not tell of it again.
func (s *said) open(ctx context.Context) (*talk, error) {
	if !s.named {
		if t := s.c.idle.take(); t != nil {
			return t, nil
		}
	}
	if s.hasty() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, s.giveUp)
		defer cancel()
	}
	sock, err := s.c.open(ctx)
	return &talk{socket: sock}, err
}

// hasty reports whether it is better to give up than to wait for a server that is not there: it cannot have had the message.
func (s *said) hasty() bool { return s.run.RunID == "" && !s.tries.open }

// release gives a socket back on which a message was not accepted. After an answer it is as good as before; where that leaves open
// if the message was accepted, frames of its turn may come that the next try does not expect.
func (c *Client) release(t *talk, err error) {
	if e, answered := answerIn(err); answered && !unsure(e.Code) {
		c.idle.put(t)
	} else {
		t.close()
	}
}

// read returns the next event that has not been handed over.
func (s *said) read(ctx context.Context) (schema.Event, error) {
	if e := s.late; e != nil {
		s.late = nil
		return *e, nil
	}
	if err := s.send(ctx); err != nil {
		return schema.Event{}, err
	}
	for {
		e, err := s.talk.event(ctx, s.run.RunID)
		fresh := s.fresh
		s.fresh = false
		switch {
		case err != nil:
			return e, err
		case e.Type == schema.EventGap: // what there is behind it, another socket is told
			s.drop()
			return e, nil
		case e.Cursor.Epoch == s.place.Epoch && e.Cursor.Seq <= s.place.Seq && !e.Cursor.IsZero():
			continue // handed over before
		case fresh && e.Type != schema.EventQueued:
			s.late = &e // its log does not reach back to the beginning
			return s.missing(e), nil
		}
		if !e.Cursor.IsZero() {
			s.place = e.Cursor
		}
		return e, nil
	}
}

// missing returns the gap that is before an event.
func (s *said) missing(e schema.Event) schema.Event {
	s.c.logger.Warn("the server does not have events of a turn any more", "run", s.run.RunID, "from", s.place.String(), "to", e.Cursor.String())
	gap := schema.Gap{Requested: s.place.String(), FirstAvailable: e.Cursor.String(), Head: e.Cursor.String()}
	if !e.Cursor.IsZero() {
		s.place = e.Cursor
	}
	return schema.Event{Cursor: s.place, Type: schema.EventGap, Time: e.Time, Payload: schema.NewPayload(gap)}
}

// lose lets go of the socket and waits until it is time for the next one. The error is the end.
func (s *said) lose(ctx context.Context, err error) error {
	s.drop()
	accepted := s.run.RunID != ""
	switch {
	case errors.Is(err, ErrClosed):
		return s.tries.outcome(ErrClosed)
	case !accepted && s.c.once:
		return s.tries.outcome(err)
	case ctx.Err() == nil && s.hasty() && time.Now().After(s.giveUp):
		return fmt.Errorf("the server could not be reached for %v: %w", s.c.openTimeout, err)
	}
	if e, answered := answerIn(err); answered {
		s.giveUp = time.Now().Add(e.RetryAfter + s.c.openTimeout) // it is there
	} else {
		s.c.comingAgain(err, lossOf(err).wait, s.place)
	}
	return s.tries.pause(ctx, err, !accepted && s.tries.refused(err))
}

// drop closes the socket, if there is one.
func (s *said) drop() {
	if s.talk != nil {
		s.talk.close()
		s.talk = nil
	}
}

// done gives the socket back, which is good for another message only when it has told of the end of this one.
func (s *said) done() {
	if s.talk != nil && s.ended {
		s.c.idle.put(s.talk)
	} else {
		s.drop()
	}
}

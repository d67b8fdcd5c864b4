package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
)

// Chat sends a message over a WebSocket and returns its turn as soon as the server has accepted it. Without an AgentID the
// message is for whoever fits it best, in a conversation that exists too. An *Error means that nothing was accepted, and
// ErrUnknownOutcome that it may have been: the message is not sent again. The turn is followed until it ends, or until Close,
// or until ctx ends; on the server it goes on in any case. Turns at the same time have a socket each.
func (c *Client) Chat(ctx context.Context, m Message) (*Turn, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	for {
		f, kept, err := c.talker(ctx)
		if err != nil {
			return nil, fmt.Errorf("send message: %w", err)
		}
		a, err := f.say(ctx, m)
		if err == nil {
			return c.follow(ctx, f, a)
		}
		c.release(f, err)
		if !kept || !neverLeft(err) || ctx.Err() != nil {
			return nil, fmt.Errorf("send message: %w", err)
		}
	}
}

// talker returns a follower with a socket that nobody uses. It has subscribed to nothing, and so holds a place from which a turn
// that begins on it can be resumed. One that was kept may have broken without anybody having seen it yet.
func (c *Client) talker(ctx context.Context) (f *follower, kept bool, err error) {
	if f := c.idle.take(); f != nil {
		return f, true, nil
	}
	f = c.newFollower(command{Events: []schema.EventType{}}, schema.Cursor{})
	return f, false, f.begin(ctx)
}

// release gives back the socket of a message that was not accepted: after an answer it is as good as before.
func (c *Client) release(f *follower, err error) {
	var e *Error
	if errors.As(err, &e) && !errors.Is(err, ErrUnknownOutcome) {
		c.idle.put(f)
	} else {
		f.close()
	}
}

// say sends the message and waits until it is accepted.
func (f *follower) say(ctx context.Context, m Message) (ack, error) {
	c := command{Type: typeMessage, AgentID: m.AgentID, ConversationID: m.ConversationID, Message: m.Text, Context: m.Context}
	if m.AgentID == "" {
		c.Type = typeRoute
	}
	var a ack
	answer, err := f.sock.exchange(ctx, c)
	if err == nil {
		if err = answer.as(&a); err == nil && a.RunID == "" {
			err = faulty("a message was answered by %.40q", answer.Type)
		}
	}
	var e *Error
	if err != nil && !neverLeft(err) && (!errors.As(err, &e) || e.RunID != "") { // with a run, the server does not know either
		err = unknownOutcome(err)
	}
	return a, err
}

package client

import (
	"context"
	"fmt"
)

// Chat sends a message over a WebSocket and returns its turn as soon as the server has accepted it, once, over any number of
// sockets. Without an AgentID the message is for whoever fits it best, in a conversation that exists too.
//
// A server that is not there is waited for as WithOpenTimeout says, and one that may have had the message, for as long as ctx
// lives; one that says that it cannot do it now is asked a few times. An *Error means that nothing was accepted. ErrUnknownOutcome
// means that the message may have been accepted: ctx has ended, the client was closed, or the token was refused, before an answer
// came; sent again with the same IdempotencyKey, it is still accepted once.
//
// The turn is followed until it ends, or until Close, or until ctx ends; on the server it goes on in any case. Turns at the same
// time have a socket each.
func (c *Client) Chat(ctx context.Context, m Message) (*Turn, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	s := c.newSaid(m)
	sending, stop := c.lifetime(ctx)
	defer stop(nil)
	if err := s.accept(sending); err != nil {
		return nil, fmt.Errorf("send message: %w", err)
	}
	t := &Turn{RunID: s.run.RunID, ConversationID: s.run.ConversationID, AgentID: s.run.AgentID, Route: s.run.Route, c: c}
	var err error
	t.pump, err = c.pump(ctx, s.next, s.done)
	return t, err
}

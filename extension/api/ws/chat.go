package ws

import (
	"context"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// chat begins a turn. The client learns of it by the ack, and the frames of the turn follow that, never before.
func (s *session) chat(ctx context.Context, c command) {
	req := schema.SendRequest{
		RunID: "run_" + strings.ToLower(ulid.Make().String()), AgentID: c.AgentID,
		ConversationID: c.ConversationID, Message: c.Message, Context: c.Context,
	}
	if err := req.Validate(); err != nil {
		s.fail(c.ID, err)
		return
	}
	route, err := s.reroute(ctx, c)
	if err != nil {
		s.fail(c.ID, err)
		return
	}
	if route != nil {
		req.AgentID = route.AgentID
	}
	s.beginRun(req.RunID)
	answered := false
	defer func() { // a panic of the host's client must not hold frames back for ever
		if !answered {
			s.endRun(req.RunID, false)
		}
	}()
	took, err := s.accepted(ctx, req)
	answered = true
	if err != nil {
		f := s.problem("error", c.ID, err)
		unsure := mayHaveHappened(schema.CodeOf(err))
		if unsure {
			f.RunID = req.RunID
		}
		s.endRun(req.RunID, unsure, encode(f))
		return
	}
	if took.Route != nil {
		route = took.Route
	}
	s.endRun(req.RunID, true, encode(ackFrame{
		Type: "ack", ID: c.ID, ConversationID: took.ConversationID, RunID: took.RunID,
		AgentID: took.AgentID, Route: route,
	}))
}

// reroute decides who answers a chat:route in a conversation: without an agent it would go on with the one that it is
// with. In a new conversation the runtime routes by itself, and says how.
func (s *session) reroute(ctx context.Context, c command) (*schema.RouteDecision, error) {
	if c.Type != typeRoute || c.ConversationID == "" {
		return nil, nil
	}
	d, err := s.srv.opts.Chat.Route(ctx, schema.RouteRequest{Message: c.Message, Context: c.Context})
	return &d, err
}

// accepted sends a message and stops watching as soon as it has been accepted: the hub sees the rest.
func (s *session) accepted(ctx context.Context, req schema.SendRequest) (*schema.Accepted, error) {
	for e, err := range s.srv.opts.Chat.Send(ctx, req) {
		if err != nil {
			return nil, err
		}
		if e.Accepted != nil {
			return e.Accepted, nil
		}
		break
	}
	return nil, schema.Errorf(schema.CodeInternal, "the runtime did not say that it accepted the message")
}

// mayHaveHappened reports whether an error of that code leaves open if the message was accepted.
func mayHaveHappened(code schema.ErrorCode) bool {
	switch code {
	case schema.CodeInternal, schema.CodeUnavailable, schema.CodeDeadlineExceeded, schema.CodeCancelled:
		return true
	default:
		return false
	}
}

package ws

import (
	"context"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// chat begins a turn. The client learns of it by the ack, and the frames of the turn follow that, never before.
func (s *session) chat(ctx context.Context, c command) {
	req := c.request()
	if err := req.Validate(); err != nil {
		s.fail(c.ID, err)
		return
	}
	ctx, once := withOnce(ctx, c)
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
	switch {
	case err != nil:
		s.notAccepted(c.ID, req.RunID, err)
	case once.Replayed():
		s.again(c.ID, req.RunID, took, encode(ackOf(c, took, nil, true)))
	default:
		s.endRun(req.RunID, true, encode(ackOf(c, took, route, false)))
	}
}

// request returns what a command asks of the runtime, as a run with an id of its own.
func (c command) request() schema.SendRequest {
	return schema.SendRequest{
		RunID: "run_" + strings.ToLower(ulid.Make().String()), AgentID: c.AgentID,
		ConversationID: c.ConversationID, Message: c.Message, Context: c.Context, OnBusy: c.OnBusy,
	}
}

// ackOf returns the answer to a command whose message was accepted; route is how the agent was chosen, where the runtime was
// not left to choose.
func ackOf(c command, took *schema.Accepted, route *schema.RouteDecision, replayed bool) ackFrame {
	if took.Route != nil {
		route = took.Route
	}
	return ackFrame{
		Type: frameAck, ID: c.ID, ConversationID: took.ConversationID, RunID: took.RunID,
		AgentID: took.AgentID, Route: route, Replayed: replayed,
	}
}

// notAccepted answers a command whose message was not accepted, as far as can be seen.
func (s *session) notAccepted(id []byte, run string, err error) {
	f := s.problem(frameError, id, err)
	unsure := mayHaveHappened(schema.CodeOf(err))
	if unsure {
		f.RunID = run
	}
	s.endRun(run, unsure, encode(f))
}

// reroute decides who answers a chat:route in a conversation: without an agent it would go on with the one that it is
// with. In a new conversation the runtime routes by itself, and says how. A command that is repeated went to somebody, whom the
// runtime names, whoever fits now.
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

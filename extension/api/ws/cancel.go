package ws

import "context"

// cancelRun ends a turn, and answers with what has become of it: a turn that was over stays as it is. Its last frame comes to
// those who follow it, here as elsewhere.
func (s *session) cancelRun(ctx context.Context, c command) {
	ctx, once := withOnce(ctx, c)
	run, err := s.srv.opts.Chat.Cancel(ctx, c.RunID)
	if err != nil {
		s.fail(c.ID, err)
		return
	}
	s.out.put(encode(ackFrame{
		Type: frameAck, ID: c.ID, ConversationID: run.ConversationID, RunID: run.ID, AgentID: run.AgentID,
		Status: run.Status, Reason: run.Reason, Replayed: once.Replayed(),
	}))
}

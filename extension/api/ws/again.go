package ws

import (
	"context"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// backlog is what a socket has still to be sent of a turn whose command it has repeated: what has happened of the turn before
// the socket came to follow it. The ack of such a command comes first, then this, then the rest of the turn, which comes as
// that of any turn of the socket. Between the two the hub must not get ahead, hence a replay stands behind every backlog: it
// begins where the backlog ends.
//
// Of these frames none may come twice on a socket, although its subscription may have let some of them through before. A
// turn that the socket has followed from its beginning has none; of another one, those events are left out that lie up to
// the place where the client is and that its subscription let through at the time (see history).
//
// Events that lie behind the place where the client is come in the order of the log, and go into the chain of prevSeq. Those
// up to that place cannot: they would lead the client back. They come without a prevSeq, and are no place to resume from.
type backlog struct {
	run     string
	pos     schema.Cursor // up to where the log has been read
	until   schema.Cursor // up to where it has to be
	evicted bool          // the log does not reach back to the beginning of the turn, of which only the end is told then
}

// again answers a command whose turn took was accepted before, in place of the one called try, and sends what the socket has
// not been sent of it.
func (s *session) again(id []byte, try string, took *schema.Accepted, answer []byte) {
	s.srv.hub.between(func(head schema.Cursor) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.attachLocked(took, head)
		s.endRunLocked(try, false, answer)
	})
	if len(s.backlogs) > 0 {
		s.catchUp(id, s.replay)
	}
}

// attachLocked makes the frames of a turn that others have begun come here, those that have come here already excepted.
func (s *session) attachLocked(took *schema.Accepted, head schema.Cursor) {
	if slices.Contains(s.runs, took.RunID) || slices.Contains(s.earlier.runs, took.RunID) {
		return
	}
	s.addRunLocked(took.RunID)
	until := head
	switch {
	case s.replay != nil: // which the move of the session has interrupted
		until = s.replay.pos
	case s.last.Epoch == head.Epoch && s.last.Seq > head.Seq: // the client is ahead of this hub
		until = s.last
	}
	if took.Since.IsZero() || took.Since.Epoch == until.Epoch && took.Since.Seq >= until.Seq {
		return // all of it is still to come
	}
	s.backlogs = append(s.backlogs, &backlog{run: took.RunID, pos: took.Since, until: until})
	if s.replay == nil {
		s.replay = &replay{set: s.srv.catalogue.all, pos: until}
	}
}

// tellBacklogs sends what has happened, turn by turn. Without an error, it has told all or the session leaves or is to end.
func (s *session) tellBacklogs() error {
	caller, _ := s.who()
	ctx := schema.WithCaller(s.ctx, caller)
	for len(s.backlogs) > 0 {
		p := s.backlogs[0]
		ended, err := s.tellBacklog(ctx, p)
		if err == nil && !ended && p.evicted && !s.stopping() {
			err = s.tellEnd(ctx, p)
		}
		if err != nil || s.stopping() {
			return err
		}
		s.backlogs = s.backlogs[1:]
	}
	return nil
}

// stopping reports whether what has not been sent yet is not to be sent from here.
func (s *session) stopping() bool { return s.over() || s.isLeaving() }

// tellBacklog sends what the log has of one turn, and reports whether that was its end.
func (s *session) tellBacklog(ctx context.Context, p *backlog) (ended bool, err error) {
	c := s.srv.catalogue
	q := schema.EventQuery{Since: p.pos, Until: p.until, RunID: p.run, Types: c.list(c.names["chat:*"])}
	for e, err := range s.srv.opts.Events.Subscribe(ctx, q) {
		if err != nil {
			return false, err
		}
		if s.wait(s.out.laden); s.stopping() {
			return false, nil
		}
		p.pos = e.Cursor
		switch terminal := e.Type.Terminal(); {
		case e.Type == schema.EventGap:
			p.evicted = true
		case terminal || !p.evicted:
			s.tell(e)
			ended = ended || terminal
		}
	}
	return ended, nil
}

// tellEnd tells what became of a turn of which the log knows nothing up to where the hub takes over: its end has been evicted,
// or comes from the hub.
func (s *session) tellEnd(ctx context.Context, p *backlog) error {
	run, err := s.srv.opts.Chat.Run(ctx, p.run)
	if schema.CodeOf(err) == schema.CodeNotFound {
		s.untold(p.run)
		return nil
	}
	if err != nil || !run.Status.Terminal() {
		return err
	}
	head, err := s.srv.opts.Events.Head(ctx)
	if err != nil {
		return err
	}
	for e, err := range s.srv.opts.Events.Subscribe(ctx, schema.EventQuery{Since: p.until, Until: head, RunID: p.run}) {
		switch {
		case err != nil:
			return err
		case e.Type.Terminal():
			return nil // which the hub has still to send
		}
	}
	s.tell(endOf(run))
	return nil
}

// untold says that nobody knows any more what became of a turn.
func (s *session) untold(run string) {
	f := s.problem(frameError, nil, schema.Errorf(schema.CodeNotFound, "what became of run %s is not known any more; its conversation has been deleted", run))
	f.RunID = run
	s.endRun(run, false, encode(f))
}

// endOf returns the terminal event of a run that is over, without its place in the log.
func endOf(run schema.Run) schema.Event {
	e := schema.Event{AgentID: run.AgentID, ConversationID: run.ConversationID, RunID: run.ID, Principal: run.Principal}
	if run.FinishedAt != nil {
		e.Time = *run.FinishedAt
	}
	switch run.Status {
	case schema.RunCompleted:
		reply := schema.Message{ // where its conversation has been deleted
			ID: run.ReplyID, ConversationID: run.ConversationID, Role: schema.RoleAgent, AgentID: run.AgentID, RunID: run.ID, CreatedAt: e.Time,
		}
		if run.Reply != nil {
			reply = *run.Reply
		}
		e.Type, e.Payload = schema.EventReply, schema.NewPayload(schema.Reply{Reply: reply})
	case schema.RunFailed:
		e.Type, e.Payload = schema.EventFailed, schema.NewPayload(schema.Failed{Reason: run.Reason, Error: run.Error})
	default:
		e.Type, e.Payload = schema.EventCancelled, schema.NewPayload(schema.Cancelled{Reason: run.Reason, Reply: run.Reply})
	}
	return e
}

// tell sends an event of a backlog, unless the socket has been sent it.
func (s *session) tell(e schema.Event) {
	s.mu.Lock()
	prev := s.last.Seq
	s.mu.Unlock()
	rendered := s.srv.hub.render(e, prev) // while the hub need not wait, which has nothing to send here
	s.mu.Lock()
	defer s.mu.Unlock()
	if rendered == nil || !s.wantsLocked(rendered) {
		return
	}
	at := e.Cursor
	behind := at.Epoch == s.last.Epoch && at.Seq <= s.last.Seq
	switch {
	case !at.IsZero() && !behind && at.Seq <= s.replay.pos.Seq: // or else the replay would lead back
		s.sendLocked(rendered)
	case behind && s.history.had(e.AgentID, rendered.bit, at.Seq):
	default:
		s.out.add(item{bytes: textFrame(rendered.json)})
	}
}

package ws

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// maxRefusals is how many commands in a row may be over the rate limit before the socket is closed.
const maxRefusals = 50

// maxNamed bounds the agents that one frame names: each costs a call.
const maxNamed = 256

// work carries out the commands of the socket, one after the other, until the session ends.
func (s *session) work() {
	if s.replay != nil { // in which it was, or which it needs, because it comes from another process
		s.catchUp(nil, s.replay)
	}
	for {
		select {
		case <-s.ctx.Done():
			return
		case j := <-s.jobs:
			if j.halt {
				return
			}
			s.room()
			s.handle(j)
		}
	}
}

// handle carries out one command. A panic in it is an error of that command.
func (s *session) handle(j *job) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("panic in a WebSocket command", "command", j.command.Type, "panic", v, "stack", string(debug.Stack()))
			s.fail(j.command.ID, schema.Errorf(schema.CodeInternal, "panic"))
		}
	}()
	caller, authed := s.who()
	isAuth := j.wrong == nil && j.command.Type == typeAuth
	switch {
	case s.out.finishing():
	case j.end != nil:
		if j.wrong != nil {
			s.fail(nil, j.wrong)
		}
		s.out.finish(*j.end)
	case !(isAuth && !authed) && !s.admit(caller, j.command): // a good token counts for its principal, a bad one for the address
	case isAuth:
		s.authenticate(j.command)
	case !authed && j.wrong != nil && j.command.Type == typeAuth:
		s.fail(j.command.ID, j.wrong)
	case !authed:
		s.fail(j.command.ID, schema.Errorf(schema.CodeUnauthenticated, "send {\"type\":\"auth\",\"token\":\"…\"} first"))
	case j.wrong != nil:
		s.fail(j.command.ID, j.wrong)
	case s.revalidate():
		s.dispatch(j.command)
	}
}

// admit counts a command. It answers one that is refused, and ends the session of a client that takes no notice.
func (s *session) admit(caller schema.Caller, c command) bool {
	ok, after := s.srv.opts.Admit(caller, s.address)
	if ok {
		s.refusals.Store(0)
		return true
	}
	s.fail(c.ID, &schema.Error{Code: schema.CodeRateLimited, Message: "too many commands; wait as long as retryAfterMs says", RetryAfter: after})
	if s.refusals.Add(1) >= maxRefusals {
		s.out.finish(farewell{code: CloseLimit, reason: "over the rate limit again and again"})
	}
	return false
}

func (s *session) dispatch(c command) {
	caller, _ := s.who()
	ctx, cancel := context.WithTimeout(schema.WithCaller(s.ctx, caller), callTimeout)
	defer cancel()
	switch c.Type {
	case typePing:
		s.pong(c)
	case typeSubscribe, typeUnsubscribe:
		s.subscribe(ctx, caller, c)
	case typeMessage, typeRoute:
		s.chat(ctx, c)
	case typeCancel:
		s.cancelRun(ctx, c)
	}
}

func (s *session) pong(c command) { s.out.put(encode(pongFrame{Type: framePong, ID: c.ID})) }

// subscribe changes what the socket is sent, between two events: every event after the head in the answer is sent if it
// matches, and none before it; or every event after c.Since.
func (s *session) subscribe(ctx context.Context, caller schema.Caller, c command) {
	set, named, err := s.selection(c)
	if err == nil && !caller.Can(schema.ScopeRead) {
		err = schema.Errorf(schema.CodePermissionDenied, "this token may not read events")
	}
	if err == nil && c.Type == typeSubscribe {
		err = s.exist(ctx, named)
	}
	var r *replay
	if err == nil && !c.Since.IsZero() {
		r, err = s.newReplay(ctx, c.Since.Cursor, named, set)
	}
	if err != nil {
		s.fail(c.ID, err)
		return
	}
	answer := subscribedFrame{Type: frameSubscribed, ID: c.ID, Agents: named, Events: s.srv.catalogue.list(set)}
	if c.Type == typeUnsubscribe {
		answer.Type = frameUnsubscribed
	} else {
		answer.Recovered = new(bool)
		*answer.Recovered = r != nil && r.gap == nil
	}
	if named == nil {
		answer.Agents = []string{everything}
	}
	s.srv.hub.between(func(head schema.Cursor) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subs.change(c.Type == typeSubscribe, named, set)
		s.history.add(change{after: s.placeLocked(r, head).Seq, add: c.Type == typeSubscribe, named: named, set: set})
		if s.subs.size() > maxAgents {
			s.out.finish(farewell{code: CloseBadFrame, reason: "the subscription names too many agents"})
			return
		}
		if r != nil {
			head = r.begin(s, head)
		}
		answer.Head = head.String()
		s.out.put(encode(answer))
		if c.Type == typeSubscribe {
			s.subscribedLocked(head, r)
		}
	})
	if r != nil {
		s.catchUp(c.ID, r)
	}
}

// placeLocked returns behind which place a command changes what is sent, where the hub is at head and r is the replay that the
// command asks for, if it does.
func (s *session) placeLocked(r *replay, head schema.Cursor) schema.Cursor {
	switch {
	case r != nil:
		return r.pos
	case s.replay != nil: // which the move of the session has interrupted
		return s.replay.pos
	case s.last.Epoch == head.Epoch && s.last.Seq > head.Seq:
		return s.last
	}
	return head
}

// subscribedLocked takes note of the place that a subscribed frame has named, or of the one where the replay begins.
func (s *session) subscribedLocked(head schema.Cursor, r *replay) {
	s.earlier.closed, s.earlier.forgotten = true, schema.Cursor{}
	switch s.replay = r; {
	case r == nil && (head.Epoch != s.last.Epoch || head.Seq > s.last.Seq):
		s.last = head
	case r != nil && r.gap == nil:
		s.last = r.pos
	case r != nil:
		s.sendLocked(r.gap)
	}
}

// selection returns the events and the agents that a command names; nil agents = every agent.
func (s *session) selection(c command) (events, []string, error) {
	var wrong fields
	set := s.srv.catalogue.all
	if c.Events.present {
		var unknown []int
		set, unknown = s.srv.catalogue.set(c.Events.names)
		for _, i := range unknown {
			wrong.add("events", "%.80q is not an event; there are %s", c.Events.names[i], s.srv.catalogue.known())
		}
	}
	named := slices.Compact(slices.Sorted(slices.Values(c.Agents.names)))
	if len(named) > maxNamed {
		wrong.add("agents", "names %d agents; at most %d are allowed in one frame", len(named), maxNamed)
	}
	for _, id := range named {
		if id != everything && !schema.ValidID(id) {
			wrong.add("agents", "%.80q cannot be the id of an agent", id)
		}
	}
	if !c.Agents.present || slices.Contains(named, everything) {
		return set, nil, asError(wrong.err())
	}
	if named == nil {
		named = []string{}
	}
	return set, named, asError(wrong.err())
}

// exist returns CodeNotFound with the agents that the caller cannot see.
func (s *session) exist(ctx context.Context, agents []string) error {
	var missing fields
	var names []string
	for _, id := range agents {
		switch _, err := s.srv.opts.Agents.Get(ctx, id); {
		case err == nil:
		case schema.CodeOf(err) == schema.CodeNotFound:
			missing.add("agents", "there is no agent %q", id)
			names = append(names, id)
		default:
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &schema.Error{Code: schema.CodeNotFound, Fields: missing, Message: "there is no agent " + strings.Join(names, ", ") + "; nothing was subscribed"}
}

// asError keeps a nil *schema.Error from becoming an error that is not nil.
func asError(err *schema.Error) error {
	if err == nil {
		return nil
	}
	return err
}

package ws

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	fws "github.com/fasthttp/websocket"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/handover"
)

// Bounds of one session that nobody needs to change.
const (
	commandQueue = 64               // commands that wait for the worker
	callTimeout  = 30 * time.Second // of one call to the host
	maxRuns      = 256              // unfinished turns whose frames a socket gets; the oldest is forgotten first
	maxAgents    = 4096             // agents that a subscription can name one by one
	sendBuffer   = 128 << 10        // kernel's, in bytes: what a stuck client can hide
)

// session is one socket. run's goroutine reads; writer and worker are the two others.
type session struct {
	srv     *Server
	conn    *fws.Conn // read by the reader only
	net     net.Conn  // below conn; written by the writer only
	log     *slog.Logger
	address string
	index   int // in hub.sessions, -1 = it is not there; guarded by hub.mu

	ctx      context.Context // of the calls to the host
	cancel   context.CancelFunc
	out      *outbox
	jobs     chan *job
	alive    atomic.Bool  // something came since the last heartbeat
	paused   atomic.Bool  // nothing is read, because what came before has not been dealt with
	dead     atomic.Bool  // nothing more is to be written or read
	refusals atomic.Int32 // in a row

	mu      sync.Mutex // guards what the hub sees; taken inside hub.mu
	caller  schema.Caller
	token   string
	authed  bool
	subs    subscription
	runs    []string // unfinished turns that this socket began, oldest first
	unacked string   // the one whose ack has not been queued
	holding bool     // frames wait for that ack: the first one of its turn and everything after it

	last   schema.Cursor // of the last event frame, or named by a subscribed or a gap frame since; zero = there was none
	before schema.Cursor // what last was when holding began
	replay *replay       // not nil while the socket is sent what has happened; the hub's events go there

	earlier  earlier
	history  history
	backlogs []*backlog // of turns that were asked for again; the worker's own. While there are any, replay is not nil

	leaving chan struct{} // closed when the session is to move to the next generation
	once    sync.Once     // closes it
	settled chan struct{} // closed when it has moved, or will not

	// Of the reader, which starts the two others and stops them when the session moves.
	movable bool
	partial partial
	worked  chan struct{} // closed when the worker has ended
	wrote   chan struct{} // closed when the writer has ended
	halt    chan struct{} // closed to have the writer stop, and leave everything as it is
	rest    []byte        // what the writer had begun to write then; its own while it runs
}

func newSession(srv *Server, conn *fws.Conn, grant Grant) *session {
	s := &session{
		srv: srv, conn: conn, net: rawConn(conn), address: grant.Address,
		log:    srv.opts.Logger.With("client", grant.Address),
		out:    newOutbox(srv.opts.Limits.queueBytes()),
		jobs:   make(chan *job, commandQueue),
		authed: grant.Authenticated, caller: grant.Caller, token: grant.Token,
		index: -1, leaving: make(chan struct{}), settled: make(chan struct{}), worked: make(chan struct{}),
		partial: partial{limit: 2*srv.opts.Limits.FrameBytes + 4<<10},
	}
	s.ctx, s.cancel = context.WithCancel(srv.base)
	return s
}

// run serves the socket and returns when nothing of the session is left running here.
func (s *session) run() {
	if b, ok := s.net.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer) // where it cannot be set, the queue is a little longer than it says
	}
	if c := handover.Of(s.net); c != nil {
		s.movable = c.Detach(s.partial.feed)
	}
	go func() { defer close(s.worked); s.contained(s.work) }()
	s.startWriting()
	defer func() { <-s.wrote }()
	defer func() { <-s.worked }()
	defer s.cancel()
	s.contained(s.serve)
}

// startWriting has the writer begin, or go on after it was halted.
func (s *session) startWriting() {
	halt, wrote := make(chan struct{}), make(chan struct{})
	s.halt, s.wrote = halt, wrote
	go func() { defer close(wrote); s.contained(func() { s.write(halt) }) }()
}

// serve reads until the end, and sees to it that the session ends as it should.
func (s *session) serve() {
	defer close(s.settled)
	end := s.read()
	switch {
	case end.move && s.move():
	case end.move:
		s.stay()
	case end.silent:
		s.cut()
	default:
		s.leave(end)
	}
}

// contained runs f; a panic in it ends this session and no other.
func (s *session) contained(f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("panic in a WebSocket session", "panic", v, "stack", string(debug.Stack()))
			s.cut()
		}
	}()
	f()
}

// welcome greets, and says who the client is if the upgrade request has shown it.
func (s *session) welcome() {
	l := s.srv.opts.Limits
	caller, authed := s.who()
	s.out.put(encode(welcomeFrame{
		Type: frameWelcome, Protocol: Protocol, AuthRequired: !authed, Epoch: s.srv.hub.head().Epoch,
		Limits: welcomeLimits{
			FrameBytes: l.FrameBytes, QueueBytes: l.queueBytes(),
			AuthTimeoutMs: l.AuthTimeout.Milliseconds(), HeartbeatMs: l.Heartbeat.Milliseconds(),
		},
	}))
	if authed {
		s.out.put(encode(authFrame{Type: frameAuthOK, Principal: caller.Principal, Scopes: caller.Scopes}))
	}
}

// full says with which code a socket is closed for which there was no room when it came.
func full(err error) (code int, reason string) {
	if errors.Is(err, errDraining) {
		return CloseRestart, "the server restarts; connect again"
	}
	return CloseSlow, "all sockets are taken; try again later"
}

// refuse closes a socket before anything is read from it.
func (s *session) refuse(code int, reason string) {
	_ = s.net.SetWriteDeadline(time.Now().Add(closeTimeout))
	_, _ = s.net.Write(closeFrame(code, reason)) // best effort: the client is told, or finds out
	s.cancel()
}

// cut ends the session at once, from any goroutine.
func (s *session) cut() {
	s.dead.Store(true)
	s.out.finish(farewell{silent: true})
	_ = s.net.SetDeadline(past)
}

// past is a deadline that makes reads and writes return.
var past = time.Unix(1, 0)

// who returns the caller, and whether there is one.
func (s *session) who() (schema.Caller, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caller, s.authed
}

// deliver gives the session an event, if it is to have it. The hub calls it, in the order of the log.
func (s *session) deliver(e *event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replay != nil {
		s.replay.see(e, s.out.limit/4)
		return
	}
	s.passLocked(e)
}

// passLocked sends an event that the session is to have. Events come here in the order of the log, some perhaps again. A gap
// before the place where the client is means nothing to it.
func (s *session) passLocked(e *event) {
	again := e.Cursor.Seq <= s.last.Seq && e.Cursor.Epoch == s.last.Epoch
	if s.authed && s.wantsLocked(e) && !again {
		s.sendLocked(e)
	}
}

func (s *session) sendLocked(e *event) {
	i := item{bytes: e.frame}
	if e.prev != s.last.Seq && e.Type != schema.EventGap {
		i = eventItem(e.json, s.last.Seq)
	}
	if s.unacked != "" && (s.holding || e.RunID == s.unacked) {
		if !s.holding {
			s.holding, s.before = true, s.last
		}
		s.out.hold(i)
	} else {
		s.out.add(i)
	}
	s.last = e.Cursor
}

// sentLocked returns the place up to which the client has been sent everything.
func (s *session) sentLocked() schema.Cursor {
	if s.holding {
		return s.before
	}
	return s.last
}

// wantsLocked reports whether the session subscribed to the event, or began the turn that it is a chat event of.
func (s *session) wantsLocked(e *event) bool {
	if e.Type == schema.EventGap {
		return !s.subs.empty() || len(s.runs) > 0
	}
	mine := false
	if s.srv.catalogue.ofTurn(e) {
		if i := slices.Index(s.runs, e.RunID); i >= 0 {
			mine = true
			if e.Type.Terminal() {
				s.runs = slices.Delete(s.runs, i, i+1)
				s.earlier.add(e.RunID, s.last)
			}
		}
	}
	return (mine || s.subs.matches(e.AgentID, e.bit)) && s.caller.MaySee(e.Principal)
}

// beginRun makes the frames of a turn come here, held back until endRun.
func (s *session) beginRun(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unacked = id
	s.addRunLocked(id)
}

func (s *session) addRunLocked(id string) {
	if len(s.runs) == maxRuns {
		s.runs = slices.Delete(s.runs, 0, 1)
		s.earlier.forget(s.last)
	}
	s.runs = append(s.runs, id)
}

// endRun answers the command that began the turn, and lets go what was held back behind the answer. A turn that is not
// kept, because it was never accepted, is forgotten.
func (s *session) endRun(id string, keep bool, answer ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endRunLocked(id, keep, answer...)
}

func (s *session) endRunLocked(id string, keep bool, answer ...[]byte) {
	if i := slices.Index(s.runs, id); i >= 0 && !keep {
		s.runs = slices.Delete(s.runs, i, i+1)
	}
	s.unacked, s.holding = "", false
	s.out.release(answer...)
}

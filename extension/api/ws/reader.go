package ws

import (
	"errors"
	"io"
	"unicode/utf8"

	fws "github.com/fasthttp/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

// job is one frame for the worker, or the end of them.
type job struct {
	command command
	wrong   *schema.Error // what is wrong with the frame
	end     *farewell     // how the session ends; wrong, if there is any, is told before
	halt    bool          // the worker ends, and the session does not
}

// read reads frames until the client goes or the connection breaks, and returns how the session ends then. Once the
// server has decided to end it, what still comes is read and thrown away, so that the close frame is not lost to a reset.
func (s *session) read() farewell {
	s.conn.SetPongHandler(func(string) error { s.alive.Store(true); return nil })
	s.conn.SetPingHandler(func(data string) error {
		s.alive.Store(true)
		s.pause(s.room)
		s.out.put(controlFrame(opPong, []byte(data)))
		return nil
	})
	s.conn.SetCloseHandler(func(int, string) error { return nil }) // the writer answers
	for {
		kind, data, err := s.next()
		switch {
		case err != nil && s.wantsToMove(err):
			return farewell{move: true}
		case err != nil:
			return goodbye(err)
		case s.out.finishing():
			continue
		}
		s.alive.Store(true)
		s.pause(s.room)
		switch {
		case kind != fws.TextMessage:
			s.fatal(CloseBadFrame, "binary frame", schema.Errorf(schema.CodeMalformed, "a frame is text that holds a JSON object; this one is binary"))
		case len(data) > s.srv.opts.Limits.FrameBytes:
			s.fatal(CloseTooBig, "frame too big", schema.Errorf(schema.CodeTooLarge, "the frame is over the limit of %d bytes", s.srv.opts.Limits.FrameBytes))
		case !utf8.Valid(data):
			// RFC 6455 §8.1 asks for it; the library does not look.
			s.hand(&job{end: &farewell{code: CloseInvalidText, reason: "a text frame is not valid UTF-8"}})
		default:
			s.accept(data)
		}
	}
}

// next reads one message. Of one that is too long it returns a byte more than the limit; the library skips the rest.
func (s *session) next() (int, []byte, error) {
	kind, r, err := s.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(s.srv.opts.Limits.FrameBytes)+1))
	return kind, data, err
}

// pause lets the client wait: nothing is read while f runs, and the heartbeat does not take the silence for its own.
func (s *session) pause(f func()) {
	s.paused.Store(true)
	f()
	s.alive.Store(true)
	s.paused.Store(false)
}

// room waits until the queue has room for an answer, or the session is to end.
func (s *session) room() { s.wait(s.out.busy) }

// wait waits until the queue is not full any more, in the sense that is given, or the session is to end.
func (s *session) wait(full func() <-chan struct{}) {
	for wait := full(); wait != nil; wait = full() {
		select {
		case <-wait:
		case <-s.leaving: // it goes on elsewhere, with whatever is in the queue
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// accept hands a frame to the worker, and waits while too many are there already: the client is held up by its own
// connection, nothing is refused, and the order stays. Pings are answered at once, so that a slow call does not look like
// a dead server.
func (s *session) accept(data []byte) {
	c, wrong := s.srv.parser.parse(data)
	if wrong != nil && wrong.Code == schema.CodeMalformed {
		s.fatal(CloseBadFrame, "not a JSON object", wrong)
		return
	}
	if caller, authed := s.who(); authed && wrong == nil && c.Type == typePing {
		if s.admit(caller, c) {
			s.pong(c)
		}
		return
	}
	s.hand(&job{command: c, wrong: wrong})
}

// hand gives the worker a job, as soon as there is room for it.
func (s *session) hand(j *job) {
	s.pause(func() {
		select {
		case s.jobs <- j:
		case <-s.out.ended:
		case <-s.ctx.Done():
		}
	})
}

// fatal tells the client what is wrong and ends the session, after everything that came before.
func (s *session) fatal(code int, reason string, wrong *schema.Error) {
	s.hand(&job{wrong: wrong, end: &farewell{code: code, reason: reason}})
}

// leave ends the session as the client wishes, once what it has sent before has been carried out.
func (s *session) leave(end farewell) {
	s.hand(&job{end: &end})
	s.pause(func() {
		select {
		case <-s.out.ended:
		case <-s.ctx.Done():
		}
	})
}

// fail answers a command with an error frame.
func (s *session) fail(id []byte, err error) {
	s.out.put(encode(s.problem(frameError, id, err)))
}

// goodbye returns the answer to the end of reading: a close frame is echoed, a broken connection is left alone.
func goodbye(err error) farewell {
	var c *fws.CloseError
	switch {
	case !errors.As(err, &c), c.Code == fws.CloseAbnormalClosure:
		return farewell{silent: true}
	case c.Code == fws.CloseNoStatusReceived:
		return farewell{}
	default:
		return farewell{code: c.Code}
	}
}

package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

// Codes of the close frames of the server that mean more than that it is worth coming again at once.
const (
	closeBadFrame = 4400
	closeAuth     = 4401
	closeOrigin   = 4403
	closeLimit    = 4429
)

// limitPause is how long to stay away from a server that has closed for coming too often, and has not said how long.
const limitPause = 30 * time.Second

// loss says why a socket has ended or could not be opened, and what to do about it.
type loss struct {
	cause error
	final bool          // coming again would end the same way
	wait  time.Duration // at least, before coming again
}

func (l *loss) Error() string { return l.cause.Error() }
func (l *loss) Unwrap() error { return l.cause }

// lossOf returns what to do about an error of a socket: an answer of the server says so by its code, and what else may have
// happened to a connection is no reason to give up.
func lossOf(err error) *loss {
	var l *loss
	var e *Error
	switch {
	case errors.As(err, &l):
		return l
	case errors.As(err, &e):
		return &loss{cause: err, final: e.final(), wait: e.RetryAfter}
	default:
		return &loss{cause: err}
	}
}

// hints is what the server has said before it closed.
type hints struct {
	again  time.Duration // of server:draining
	pause  time.Duration // of the last error that was about the rate limit
	denied *Error        // of auth:error
	known  bool          // the token was good
	late   bool          // the token came too late for the server, or its answer: nothing is said about it
}

// take notes what a frame says about the end of the socket.
func (h *hints) take(f frame) error {
	switch f.Type {
	case typeAuthOK:
		h.known = true
		return nil
	case typeDraining, typeError, typeAuthError:
	default:
		return nil
	}
	var p problem
	if err := f.as(&p); err != nil {
		return err
	}
	switch e := p.err(); {
	case f.Type == typeDraining: // the place that it names is the one that is held here, unless something is lost
		h.again = e.RetryAfter
	case f.Type == typeAuthError: // which has an id if it answers
		h.denied, h.late = e, !h.known && f.ID == nil
	case e.Code == schema.CodeRateLimited:
		h.pause = e.RetryAfter
	}
	return nil
}

// closed returns what to do about an error of reading.
func (h hints) closed(err error) *loss {
	var c websocket.CloseError
	if !errors.As(err, &c) {
		return &loss{cause: fmt.Errorf("the connection broke: %w", err), wait: h.again}
	}
	l := &loss{cause: fmt.Errorf("the server has closed the socket with %d %s", c.Code, c.Reason), wait: h.again}
	switch c.Code {
	case closeAuth:
		l.final = !h.late
		if l.cause = h.denied; h.denied == nil {
			l.cause = &Error{Code: schema.CodeUnauthenticated, Message: c.Reason}
		}
	case closeOrigin:
		l.final, l.cause = true, &Error{Code: schema.CodePermissionDenied, Message: c.Reason}
	case closeBadFrame, websocket.StatusInvalidFramePayloadData, websocket.StatusMessageTooBig:
		l.final = true
	case closeLimit:
		if l.wait = h.pause; h.pause == 0 {
			l.wait = limitPause
		}
	}
	return l
}

// notOpened returns what to do when a socket could not be opened; resp is the answer, if there was one. What is refused for
// good is what a client can be blamed for.
func notOpened(resp *http.Response, body []byte, err error) *loss {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols {
		return &loss{cause: fmt.Errorf("open a WebSocket: %w", err)}
	}
	e := refused(resp, body)
	l := &loss{cause: fmt.Errorf("open a WebSocket: %w", e), wait: e.RetryAfter}
	switch s := resp.StatusCode; s {
	case http.StatusTooManyRequests:
		if l.wait == 0 {
			l.wait = limitPause
		}
	case http.StatusRequestTimeout, http.StatusTooEarly:
	default:
		l.final = s < 500
	}
	return l
}

// faulty is what a server did that the protocol does not allow. Another socket may be better.
func faulty(format string, args ...any) *loss {
	return &loss{cause: fmt.Errorf("the server breaks the protocol: "+format, args...)}
}

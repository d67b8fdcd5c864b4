package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of one socket.
const (
	dialTimeout   = 15 * time.Second // of opening a connection
	answerTimeout = 45 * time.Second // of the answer to a command; the server's own bound is less
	maxFrameBytes = 16 << 20         // of one frame of the server
	maxMissed     = 3                // pings without a sign of life
)

// socket is one WebSocket, from its upgrade to its end. A goroutine reads from it and another one pings; what is read is in
// frames, one at a time, for the one who owns the socket. Nothing else is read while that waits to be taken.
type socket struct {
	conn   *websocket.Conn
	frames chan frame
	ended  *loss // why frames is closed
	stop   context.CancelFunc

	limit int // bytes of one frame that the server takes; 0 = unknown
	calls int // commands that were sent: their ids

	alive atomic.Bool // something came since the last ping
	held  atomic.Bool // a frame waits to be taken, and nothing is read
	given atomic.Bool // the connection is given up
}

// open opens a socket and says who we are.
func (c *Client) open(ctx context.Context) (*socket, error) {
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	s := &socket{frames: make(chan frame)}
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(dial, c.url("/ws", nil), &websocket.DialOptions{
		HTTPClient:     c.http,
		OnPingReceived: func(context.Context, []byte) bool { s.alive.Store(true); return true },
	})
	if err != nil {
		var body []byte
		if resp != nil && resp.Body != nil {
			body, _ = io.ReadAll(resp.Body) // the library has read the beginning of it, and there is no more
		}
		return nil, notOpened(resp, body, err)
	}
	conn.SetReadLimit(maxFrameBytes)
	life, stop := context.WithCancel(c.life)
	s.conn, s.stop = conn, stop
	if !c.start(func() { s.read(life) }) {
		stop()
		_ = conn.CloseNow()
		return nil, ErrClosed
	}
	c.start(func() { s.beat(life, c.heartbeat) })
	if err := s.greet(ctx, c.token); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close ends the socket. It may be called again.
func (s *socket) close() {
	s.stop()
	_ = s.conn.CloseNow()
}

// read hands over what comes until the socket ends.
func (s *socket) read(ctx context.Context) {
	defer close(s.frames)
	defer s.close()
	var said hints
	for {
		kind, b, err := s.conn.Read(ctx)
		if err != nil {
			s.ended = s.over(ctx, said, err)
			return
		}
		f, err := parse(kind, b)
		if err == nil {
			err = said.take(f)
		}
		if err != nil {
			s.ended = lossOf(err)
			return
		}
		if !f.wanted() {
			continue
		}
		s.held.Store(true)
		select {
		case s.frames <- f:
		case <-ctx.Done():
			s.ended = &loss{cause: context.Cause(ctx)}
			return
		}
		s.alive.Store(true)
		s.held.Store(false)
	}
}

// over returns why reading has ended.
func (s *socket) over(ctx context.Context, said hints, err error) *loss {
	switch {
	case s.given.Load():
		return &loss{cause: fmt.Errorf("nothing came from the server for %d pings", maxMissed)}
	case ctx.Err() != nil:
		return &loss{cause: context.Cause(ctx)}
	default:
		return said.closed(err)
	}
}

// beat pings, and ends a connection on which nothing comes any more.
func (s *socket) beat(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for missed := 0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		answered := s.ping(ctx, every) == nil
		if missed++; s.alive.Swap(false) || s.held.Load() || answered {
			missed = 0
		}
		if missed == maxMissed {
			s.given.Store(true)
			_ = s.conn.CloseNow()
			return
		}
	}
}

func (s *socket) ping(ctx context.Context, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return s.conn.Ping(ctx)
}

// greet reads the welcome and shows the token.
func (s *socket) greet(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	f, err := s.next(ctx)
	if err != nil {
		return err
	}
	var w welcome
	switch err := f.as(&w); {
	case err != nil:
		return err
	case f.Type != typeWelcome:
		return faulty("the first frame is %.40q and no welcome", f.Type)
	case w.Protocol != protocol:
		return &loss{final: true, cause: fmt.Errorf("the server speaks version %d of the protocol and this client version %d: update one of them", w.Protocol, protocol)}
	case w.AuthRequired && token == "":
		return &Error{Code: schema.CodeUnauthenticated, Message: "the server wants a token: give the client one with WithToken"}
	}
	s.limit = w.Limits.FrameBytes
	if w.AuthRequired { // a socket that waits longer than a moment for the rate limit would be too late
		_, err = s.exchange(ctx, command{Type: typeAuth, Token: token})
	}
	return err
}

// next returns the next frame. The error is a *loss, or the cause of the end of ctx, which leaves the socket as it is.
func (s *socket) next(ctx context.Context) (frame, error) {
	select {
	case f, ok := <-s.frames:
		if !ok {
			return f, s.ended
		}
		return f, nil
	case <-ctx.Done():
		return frame{}, context.Cause(ctx)
	}
}

// ask sends a command that may be sent again, and returns its answer. It waits for as long as the rate limit wants it to.
func (s *socket) ask(ctx context.Context, c command) (frame, error) {
	for {
		f, err := s.exchange(ctx, c)
		var e *Error
		if !errors.As(err, &e) || e.Code != schema.CodeRateLimited {
			return f, err
		}
		if err := sleep(ctx, e.RetryAfter); err != nil {
			return f, err
		}
	}
}

// exchange sends a command and returns its answer, or the *Error that it is. With any other error, unless it neverLeft, it is
// not known what became of the command.
func (s *socket) exchange(ctx context.Context, c command) (frame, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	s.calls++
	c.ID = strconv.Itoa(s.calls)
	b, err := json.Marshal(c)
	switch {
	case err != nil:
		return frame{}, &Error{Code: schema.CodeInvalidArgument, Message: err.Error()}
	case s.limit > 0 && len(b) > s.limit:
		return frame{}, &Error{Code: schema.CodeTooLarge, Message: fmt.Sprintf("the frame would have %d bytes, and the server takes %d", len(b), s.limit)}
	}
	if err := s.conn.Write(ctx, websocket.MessageText, b); err != nil {
		return frame{}, notSent{err} // a frame that is not whole is none
	}
	for {
		f, err := s.next(ctx)
		if err != nil {
			return f, err
		}
		if !f.answers(c.ID) {
			continue // what else comes is about nothing that is waited for, or is missed and asked for again
		}
		if f.Type == typeError || f.Type == typeAuthError {
			return f, f.refusal()
		}
		return f, nil
	}
}

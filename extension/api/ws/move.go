package ws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/handover"
)

// A socket moves to the next generation of the server in these steps, each of which ends what may still touch it:
//
//  1. The reader is interrupted while it waits for a message. Of one that the client has begun, the bytes are kept.
//  2. The worker carries out what the client has sent before, and stops.
//  3. The hub lets the session go, between two events.
//  4. The writer is interrupted; what it has not written goes along, to the byte.
//  5. The descriptor and the state go over. The other side makes a session of them, which the hub there sends what has
//     happened since.
//
// What cannot move, or loses its successor on the way, is told to come again.

// Move hands the sockets over, and returns when every one has moved or cannot, or ctx is done. Sockets that come later move
// by themselves. It may be called again.
func (s *Server) Move(ctx context.Context) {
	for _, sess := range s.hub.leave() {
		select {
		case <-sess.settled:
		case <-ctx.Done():
			return
		}
	}
}

// leave has every session move, and those that come later, and returns them.
func (h *hub) leave() []*session {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
	for _, s := range h.sessions {
		s.interrupt()
	}
	return append([]*session(nil), h.sessions...)
}

// interrupt has the reader return, as soon as it waits for the client.
func (s *session) interrupt() {
	s.once.Do(func() {
		close(s.leaving)
		_ = s.net.SetReadDeadline(past)
	})
}

// isLeaving reports whether the session is to move.
func (s *session) isLeaving() bool { return closed(s.leaving) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wantsToMove reports whether an error of reading means that the session is to move.
func (s *session) wantsToMove(err error) bool {
	return s.isLeaving() && os.IsTimeout(err) && !s.out.finishing() && !s.dead.Load()
}

// move carries out what comes after the first step, and reports whether the session lives on elsewhere.
func (s *session) move() bool {
	unread, whole := s.partial.unread()
	if !s.movable || !whole || !handover.Of(s.net).Moves() {
		return false
	}
	s.hand(&job{halt: true})
	select {
	case <-s.worked:
	case <-s.out.ended:
		return false
	}
	at := s.srv.hub.release(s)
	close(s.halt)
	_ = s.net.SetWriteDeadline(past)
	<-s.wrote
	if !s.over() && s.handOver(at, unread) {
		return true
	}
	s.srv.hub.takeBack(s)
	s.startWriting()
	return false
}

func (s *session) handOver(at schema.Cursor, unread []byte) bool {
	items, _ := s.out.take(nil, math.MaxInt)
	for _, i := range items {
		s.rest = i.appendTo(s.rest)
	}
	b, err := json.Marshal(s.state(at))
	if err == nil {
		err = handover.Of(s.net).Move(unread, b)
	}
	if err != nil {
		s.log.Warn("a WebSocket cannot move to the next generation", "error", err.Error())
	}
	return err == nil
}

// stay ends a session that cannot move: the client is told to come again.
func (s *session) stay() {
	s.drain(CloseRestart)
	<-s.wrote
	_ = s.net.SetReadDeadline(time.Now().Add(closeTimeout))
	_, _ = io.Copy(io.Discard, s.net) // so that the close frame is not lost to a reset; it ends by the deadline
}

// release takes a session out of the hub and returns the place up to which it has had its events.
func (h *hub) release(s *session) schema.Cursor {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removeLocked(s)
	return h.head()
}

// takeBack is for a session that could not move after all.
func (h *hub) takeBack(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(s)
	if h.draining != 0 {
		s.drain(h.draining)
	}
}

// Resume makes a session of a socket that another generation has handed over. It returns when the session goes on by
// itself, or has ended.
func (s *Server) Resume(c *handover.Conn, b []byte) {
	st, err := parseState(b)
	if err == nil && st.Authed && st.Token == "" && s.opts.Required {
		err = errors.New("it has no token, and one is needed now")
	}
	if err == nil {
		err = s.again.Server().ServeConn(&resumed{Conn: c, state: st, request: []byte(handshake)})
	} else {
		_ = c.SetWriteDeadline(time.Now().Add(closeTimeout))
		_, _ = c.Write(closeFrame(CloseRestart, drainReason(CloseRestart))) // best effort: the client is told, or finds out
		_ = c.Close()
	}
	if err != nil {
		s.opts.Logger.Warn("take over a WebSocket", "error", err.Error())
	}
}

// handshake is what the library has to see before it serves a socket, whose real one was long ago.
const handshake = "GET / HTTP/1.1\r\nHost: moved\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bW92ZWQgbW92ZWQgbW92ZQ==\r\n\r\n"

// resumed is a moved connection that begins with the handshake, and whose answer nobody sees.
type resumed struct {
	*handover.Conn
	state    state
	request  []byte
	answered bool
}

// NetConn returns the connection below.
func (r *resumed) NetConn() net.Conn { return r.Conn }

func (r *resumed) Read(b []byte) (int, error) {
	if len(r.request) > 0 {
		n := copy(b, r.request)
		r.request = r.request[n:]
		return n, nil
	}
	return r.Conn.Read(b)
}

func (r *resumed) Write(b []byte) (int, error) {
	if r.answered {
		return r.Conn.Write(b)
	}
	end := bytes.Index(b, []byte("\r\n\r\n")) // the answer is written at once
	if end < 0 {
		return len(b), nil
	}
	r.answered = true
	if rest := b[end+4:]; len(rest) > 0 {
		n, err := r.Conn.Write(rest)
		return end + 4 + n, err
	}
	return len(b), nil
}

// newAgain returns the app whose one route serves sockets that have moved.
func (s *Server) newAgain() *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 2 * len(handshake)}) // kept as long as the socket
	app.Get("/", func(c *fiber.Ctx) error {
		r, ok := c.Context().Conn().(*resumed)
		if !ok {
			return fiber.ErrNotFound // no other connection comes here
		}
		c.Locals(grantKey, Grant{moved: &r.state})
		return s.upgrade(c)
	})
	app.Handler() // which gets it ready
	return app
}

package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of one stream of events.
const (
	streamQueue = 64               // events that wait for the client to read
	streamStall = 5 * time.Second  // for the connection to take what was written; a client that reads less is too slow
	streamBye   = time.Second      // for the last bytes of a stream that has ended
	streamBeat  = 15 * time.Second // between two comments, which keep those on the way from taking a stream for dead
	sendBuffer  = 128 << 10        // kernel's, in bytes: what a stuck client can hide
)

// past is a deadline that makes reads return.
var past = time.Unix(1, 0)

// stream is one open stream of events: the body of a response, which fasthttp reads and closes in the goroutine of the
// connection, after the handler has returned. Nothing of the request may be touched by then but the connection.
//
// Two goroutines stand behind it until it is closed: one follows the log, and one reads from the connection, from which
// nothing comes any more but its end.
type stream struct {
	events schema.Events
	query  schema.EventQuery
	caller schema.Caller
	token  string
	log    *slog.Logger
	conn   net.Conn

	ctx    context.Context // of the subscription
	cancel context.CancelFunc
	blocks chan []byte
	beat   *time.Ticker
	left   func()             // gives the place back
	gone   func()             // nil, or called when the client has gone away before the end
	only   []schema.EventType // of a run, whose end has to be seen whatever its client asks for; nil = all
	others sync.WaitGroup

	rest []byte // of the block that is being read
	last bool   // nothing comes behind rest

	mu    sync.Mutex
	why   string        // the stream has ended
	until time.Time     // by when its last bytes have been written
	ended chan struct{} // closed then
}

var (
	_ ws.Guest                     = (*stream)(nil)
	_ fasthttp.ReadCloserWithError = (*stream)(nil)
)

// openStream answers with a stream of what follows q.Since and matches.
func (s *Server) openStream(ctx context.Context, q schema.EventQuery, token string) (*huma.StreamResponse, error) {
	head, err := s.services.Events.Head(ctx)
	if err != nil {
		return nil, within("query", err)
	}
	if q.Since.IsZero() {
		q.Since = head
	}
	return s.streaming(ctx, q, token, openingBlock(q, head, retryLeast+rand.N(retrySpread)), nil), nil
}

// streaming answers with a stream that begins with opening. gone, if it is not nil, is called when the client has gone away
// before the end of a run that the stream is of.
func (s *Server) streaming(ctx context.Context, q schema.EventQuery, token string, opening []byte, gone func()) *huma.StreamResponse {
	caller := schema.CallerFrom(ctx)
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		rc := humafiber.UnwrapV2(ctx).Context()
		body := io.Reader(http.NoBody)
		if !rc.IsHead() {
			st := s.newStream(rc.Conn(), q, caller, token)
			st.gone = gone
			left, err := s.sockets.Welcome(st)
			if err != nil {
				s.writeProblem(rc, problem.Own(err)) // it is about the sockets, not about the host
				return
			}
			st.begin(left, opening)
			rc.SetConnectionClose() // what the client sends from now on is read by the stream
			body = st
		}
		rc.SetContentType(eventStream)
		// Who compresses a stream on the way collects events until there is a bufferful: nginx, and then others.
		rc.Response.Header.Set("X-Accel-Buffering", "no")
		rc.Response.Header.Set(fiber.HeaderCacheControl, "no-store, no-transform")
		rc.SetBodyStream(body, -1)
	}}
}

func (s *Server) newStream(conn net.Conn, q schema.EventQuery, caller schema.Caller, token string) *stream {
	st := &stream{
		events: s.services.Events, query: q, caller: caller, token: token, conn: conn,
		log:    s.log.With("principal", caller.Principal),
		blocks: make(chan []byte, streamQueue),
		beat:   time.NewTicker(min(streamBeat, millis(s.Limits.HeartbeatMs))),
		ended:  make(chan struct{}),
	}
	if q.RunID != "" {
		st.only, st.query.Types = q.Types, nil
	}
	st.ctx, st.cancel = context.WithCancel(schema.WithCaller(s.base, caller))
	return st
}

// begin starts what stands behind the stream; left gives its place back.
func (s *stream) begin(left func(), opening []byte) {
	s.left, s.rest = left, opening
	if b, ok := s.conn.(interface{ SetWriteBuffer(int) error }); ok {
		_ = b.SetWriteBuffer(sendBuffer) // where it cannot be set, the queue is a little longer than it says
	}
	_ = s.conn.SetReadDeadline(time.Time{}) // it was for the request; a connection that has broken is noticed by watch
	s.others.Go(s.follow)
	s.others.Go(s.watch)
}

// follow puts events into the queue until the stream ends, or the subscription does, or the run that it is of.
func (s *stream) follow() {
	whole := false
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("panic in a stream of events", "panic", v, "stack", string(debug.Stack()))
		}
		if whole {
			close(s.blocks) // what is queued is sent before the stream ends
			return
		}
		s.end("the event log cannot be followed; connect again")
	}()
	last := s.query.Since
	for e, err := range s.events.Subscribe(s.ctx, s.query) {
		if err != nil {
			if s.ctx.Err() == nil {
				s.log.Warn("the event log cannot be followed; a stream is ended", "error", err)
			}
			return
		}
		if (s.only == nil || e.Type == schema.EventGap || slices.Contains(s.only, e.Type)) && !s.put(e, &last) {
			return
		}
		if s.query.RunID != "" && e.Type.Terminal() {
			whole = true
			return
		}
	}
	whole = true // a run that was over has been told
}

// put queues an event, and reports false if nobody takes it any more. last is the place of the one before.
func (s *stream) put(e schema.Event, last *schema.Cursor) bool {
	block, err := eventBlock(e, last.Seq)
	if err != nil {
		s.log.Error("an event cannot be encoded and is left out", "cursor", e.Cursor.String(), "type", e.Type, "error", err)
		return true
	}
	*last = e.Cursor
	select {
	case s.blocks <- block:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// watch notices at once that the client has gone, which writing would not before the second comment.
func (s *stream) watch() {
	var ignored [64]byte
	for {
		if _, err := s.conn.Read(ignored[:]); err != nil {
			if s.end("the connection was closed by the client") && s.gone != nil {
				s.gone()
			}
			return
		}
	}
}

// Read returns what is to be sent next, and waits until there is something.
func (s *stream) Read(p []byte) (n int, err error) {
	if len(s.rest) == 0 && !s.last {
		s.wait()
	}
	for n < len(p) && (len(s.rest) > 0 || s.more()) {
		k := copy(p[n:], s.rest)
		n, s.rest = n+k, s.rest[k:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	s.allow()
	return n, nil
}

// wait waits for the next block. The end overtakes the events that are queued: it says that they are not for the client any
// more, or that it will ask for them again.
func (s *stream) wait() {
	select {
	case <-s.ended:
	default:
		select {
		case block, more := <-s.blocks:
			if s.rest = block; more {
				return
			}
			s.end("the run is over")
		case <-s.beat.C:
			s.rest = commentBlock("still here")
			return
		case <-s.ended:
		}
	}
	s.rest, s.last = commentBlock(s.why), true
}

// more takes a block that is there already.
func (s *stream) more() bool {
	select {
	case <-s.ended:
		return false
	default:
	}
	select {
	case block, more := <-s.blocks:
		s.rest = block
		return more
	default:
		return false
	}
}

// allow gives the client time to read what is about to be written. fasthttp's own deadline is for a whole response.
func (s *stream) allow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	deadline := time.Now().Add(streamStall)
	if s.why != "" {
		deadline = s.until
	}
	_ = s.conn.SetWriteDeadline(deadline)
}

// end ends the stream soon, from any goroutine, with a last comment. Only the first call counts.
func (s *stream) end(why string) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != "" {
		return false
	}
	s.why, s.until = why, time.Now().Add(streamBye)
	_ = s.conn.SetWriteDeadline(s.until)
	close(s.ended)
	s.cancel()
	return true
}

// CloseWithError implements fasthttp.ReadCloserWithError: it returns when nothing of the stream is left running.
func (s *stream) CloseWithError(err error) error {
	s.mu.Lock()
	slow := s.why == "" && errors.Is(err, os.ErrDeadlineExceeded)
	s.mu.Unlock()
	if slow {
		s.log.Info("a slow reader of a stream of events is cut off")
	}
	s.end("closed")
	s.beat.Stop()
	_ = s.conn.SetReadDeadline(past)
	s.others.Wait()
	s.left()
	return nil
}

// Token implements ws.Guest.
func (s *stream) Token() string { return s.token }

// Settle implements ws.Guest. What the caller may see was decided when the stream was opened: it is decided anew when the
// client connects again.
func (s *stream) Settle(caller schema.Caller, err error) {
	switch {
	case schema.CodeOf(err) == schema.CodeUnauthenticated:
		s.end("the token is valid no longer")
	case err == nil && (caller.Principal != s.caller.Principal || !slices.Equal(caller.Scopes, s.caller.Scopes)):
		s.end("the token allows something else now; connect again")
	}
}

// Leave implements ws.Guest.
func (s *stream) Leave() { s.end("the server is going; connect again") }

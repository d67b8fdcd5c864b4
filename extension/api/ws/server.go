package ws

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	fws "github.com/fasthttp/websocket"
	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// frameRoom is the size of the frames that Limits.QueueFrames counts, in bytes.
const frameRoom = 16 << 10

// Limits bounds sockets. All are positive.
type Limits struct {
	FrameBytes  int           // of one frame of a client
	QueueFrames int           // room for frames that wait to be written to one socket, in frames of frameRoom bytes
	Sockets     int           // open at a time, guests included
	AuthTimeout time.Duration // from the upgrade to a good auth frame
	Heartbeat   time.Duration // between two pings; a client that answers neither of two is cut off
}

func (l Limits) queueBytes() int { return l.QueueFrames * frameRoom }

// Grant is what the upgrade request has shown.
type Grant struct {
	Authenticated bool
	Caller        schema.Caller // meaningful when Authenticated
	Token         string        // behind Caller; "" where authentication is off
	Address       string        // the client's
	// Foreign says that a web page asks whose origin may not use the API. Its socket is closed at once with CloseOrigin:
	// a browser tells a page the code of a close frame, and nothing of a refused upgrade.
	Foreign bool

	moved *state // of a socket that comes from another process; nil = a new one
}

// Options are what a Server needs. All are required.
type Options struct {
	Agents schema.Agents
	Chat   schema.Chat
	Events schema.Events
	Limits Limits
	Logger *slog.Logger

	// Authenticate turns a token into a caller. It is called before every command, and twice a second for every token that
	// open sockets rest on, and should remember good tokens for a moment.
	Authenticate func(ctx context.Context, token string) (schema.Caller, error)
	// Required says that nobody is served without a token.
	Required bool
	// Admit counts one command against the caller, or against the address while there is no caller. When it refuses, it
	// says when to try again.
	Admit func(caller schema.Caller, address string) (ok bool, retryAfter time.Duration)
}

// grantKey is under which a Grant travels from the upgrade request to the session.
const grantKey = "stagehouse.grant"

// Server serves WebSockets. It must be run (Run) to receive events, and drained (Drain) before it is forgotten.
type Server struct {
	opts      Options
	parser    *parser
	catalogue *catalogue
	hub       *hub
	upgrade   fiber.Handler
	again     *fiber.App // serves sockets that come from another process
	writeBufs sync.Pool  // of *[]byte, to merge frames in

	base context.Context // of the calls that sessions make
}

// New returns a server whose sessions call the host in contexts below base.
func New(base context.Context, opts Options) *Server {
	s := &Server{opts: opts, parser: newParser(), catalogue: newCatalogue(), base: base}
	s.hub = newHub(opts.Events, opts.Limits.Sockets, s.catalogue, opts.Logger)
	s.writeBufs.New = func() any { b := make([]byte, 0, mergeBytes); return &b }
	s.upgrade = websocket.New(s.serve, websocket.Config{
		RecoverHandler: s.contain,
		// Sessions write frames themselves: the library's write buffer is never used, and its pool keeps it from being made.
		WriteBufferPool: new(sync.Pool),
	})
	s.again = s.newAgain()
	return s
}

// Connect makes the hub know the head of the event log. It is called before the first socket is served.
func (s *Server) Connect(ctx context.Context) error { return s.hub.connect(ctx) }

// Run follows the event log, whatever happens to the connection, and ends the sockets of tokens that are valid no longer,
// until ctx ends. Then it returns nil.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var rechecking sync.WaitGroup
	defer rechecking.Wait()
	defer cancel()
	rechecking.Go(func() { s.recheck(ctx) })
	return s.hub.run(ctx)
}

// Ready returns nil while events flow and new sockets are welcome.
func (s *Server) Ready() error { return s.hub.ready() }

// Upgrade answers an upgrade request. An error, which is an *schema.Error or a *fiber.Error, means that nothing was
// upgraded; the grant has been checked by then.
func (s *Server) Upgrade(c *fiber.Ctx, grant Grant) error {
	if !websocket.IsWebSocketUpgrade(c) {
		c.Set(fiber.HeaderUpgrade, "websocket")
		c.Set(fiber.HeaderConnection, "Upgrade")
		return fiber.ErrUpgradeRequired
	}
	if err := s.hub.room(); err != nil {
		return err
	}
	c.Locals(grantKey, grant)
	if err := s.upgrade(c); err != nil {
		// The library answers every bad handshake alike; the version is the one thing that it could have told.
		c.Set("Sec-WebSocket-Version", "13")
		return err
	}
	return nil
}

// Drain tells every socket that the server goes, closes it with code, and returns when all sessions have ended. When ctx
// is done first it cuts the rest off and returns ctx's error.
func (s *Server) Drain(ctx context.Context, code int) error { return s.hub.drain(ctx, code) }

// serve is the life of one socket. c goes back to a pool when it returns.
func (s *Server) serve(c *websocket.Conn) {
	grant, _ := c.Locals(grantKey).(Grant)
	sess := newSession(s, c.Conn, grant)
	if grant.Foreign {
		sess.refuse(CloseOrigin, "pages of this origin may not open a WebSocket")
		return
	}
	var at *schema.Cursor
	if grant.moved != nil {
		sess.adopt(*grant.moved)
		at = &grant.moved.At
	}
	if err := s.hub.add(sess, at); err != nil {
		sess.refuse(full(err))
		return
	}
	defer s.hub.remove(sess)
	if at == nil {
		sess.welcome()
	}
	sess.run()
}

// contain keeps a panic inside its session. It is the deferred function itself, so that recover sees the panic.
func (s *Server) contain(*websocket.Conn) {
	if v := recover(); v != nil {
		s.opts.Logger.Error("panic in a WebSocket session", "panic", v, "stack", string(debug.Stack()))
	}
}

// rawConn returns the network connection below the library's and fasthttp's wrappers.
func rawConn(c *fws.Conn) net.Conn {
	conn := c.NetConn()
	if u, ok := conn.(interface{ UnsafeConn() net.Conn }); ok {
		return u.UnsafeConn()
	}
	return conn
}

// errDraining refuses a socket that comes too late.
var errDraining = errors.New("ws: draining")

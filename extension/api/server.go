package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// Bounds of the HTTP server that nobody needs to change.
const (
	writeTimeout = 30 * time.Second // of one response
	callTimeout  = 30 * time.Second // of one call to the host, but for a turn
	headerBytes  = 16 << 10         // of one request line and its headers
)

// Server is the API server. Its exported fields are its configuration; they are not changed once it has started.
type Server struct {
	Config

	services schema.Services // all of a runtime's; see complete
	offered  []string        // names of those that are there
	log      *slog.Logger
	base     context.Context // of the calls to the host: they outlive what fasthttp takes a request for
	now      func() time.Time

	auth    *authenticator
	limiter *limiter // nil = no limit
	cors    corsPolicy
	proxies []netip.Prefix
	sockets *ws.Server
	app     *fiber.App

	heard chan struct{}              // closed when the limiter knows what the generation before has admitted
	ask   func([]byte) (bool, error) // asks the generation after, see admitElsewhere

	draining atomic.Bool
	final    func() bool // whether a drain is the end
}

// New returns a server with the default configuration.
func New() *Server { return &Server{Config: DefaultConfig(), now: time.Now} }

// Start implements sdk.Extension.
func (s *Server) Start(ctx context.Context, h *sdk.Host) error {
	if s.Auth.Mode == AuthToken && h.Identity == nil {
		return errors.New(`auth.mode is "token" and the host does not offer the service "identity": grant it, or use mode "none"`)
	}
	s.prepare(h.Context(), h.Services, h.Log)
	s.final = h.Final
	if s.offers(schema.ServiceEvents) {
		if err := s.sockets.Connect(ctx); err != nil {
			return err
		}
		h.Go(s.sockets.Run)
	}
	h.OnMoved(s.sockets.Resume)
	h.OnAsked(s.asked)
	s.ask = h.Ask
	ln, err := h.Listen(ctx, "tcp", s.address())
	if err != nil {
		return err
	}
	h.Go(func(ctx context.Context) error { s.inherit(h.Told(ctx)); return nil })
	h.Go(func(context.Context) error { return s.serve(ln) })
	return nil
}

// prepare builds everything from the configuration.
func (s *Server) prepare(base context.Context, services schema.Services, log *slog.Logger) {
	s.offered, s.services, s.log, s.base = services.Names(), complete(services), log, base
	services = s.services
	s.heard = make(chan struct{})
	identity := services.Identity
	if s.Auth.Mode == AuthNone {
		identity = nil
	}
	s.auth = newAuthenticator(identity, s.now)
	s.cors = newCORSPolicy(s.CORS)
	for _, text := range s.TrustedProxies {
		if p, err := parseRange(text); err == nil {
			s.proxies = append(s.proxies, p)
		}
	}
	if r := s.RateLimit; r != nil {
		s.limiter = newLimiter(millis(orDefault(r.WindowMs, DefaultWindowMs)), orDefault(r.Max, DefaultMax), s.now)
	}
	s.sockets = ws.New(base, ws.Options{
		Agents: services.Agents, Chat: services.Chat, Events: services.Events, Logger: log,
		Limits: ws.Limits{
			FrameBytes: s.Limits.FrameBytes, QueueFrames: s.Limits.QueueFrames, Sockets: s.Limits.Sockets,
			AuthTimeout: millis(s.Limits.AuthTimeoutMs), Heartbeat: millis(s.Limits.HeartbeatMs),
		},
		Authenticate: s.auth.authenticate,
		Required:     s.auth.required(),
		Admit:        s.admitCommand,
	})
	s.app = s.newApp()
}

// orDefault returns n, or what holds where a block leaves it out.
func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

func (s *Server) serve(ln net.Listener) error {
	if err := s.app.Listener(lingering{ln}); err != nil && !s.draining.Load() {
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Move implements sdk.Mover: WebSockets go on in the next generation. Streams of events end at once, and their clients go on
// there; they would keep their connections in use, and the others waiting.
func (s *Server) Move(ctx context.Context) {
	s.sockets.Dismiss()
	s.sockets.Move(ctx)
}

// Drain implements sdk.Drainer: sockets are told to come again and closed, requests in flight are finished.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	code := ws.CloseRestart
	if s.final() {
		code = ws.CloseShutdown
	}
	sockets := make(chan error, 1)
	go func() { sockets <- s.sockets.Drain(ctx, code) }()
	var failed error
	if err := s.app.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		failed = fmt.Errorf("finish the requests in flight: %w", err)
	}
	if err := <-sockets; err != nil {
		failed = errors.Join(failed, fmt.Errorf("close the WebSockets: %w", err))
	}
	return failed
}

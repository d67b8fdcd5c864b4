package client

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Defaults of a client.
const (
	DefaultFirstDelay  = 100 * time.Millisecond
	DefaultMostDelay   = 30 * time.Second
	DefaultHeartbeat   = 10 * time.Second
	DefaultOpenTimeout = 15 * time.Second
)

// Option changes a setting of a client.
type Option func(*settings)

type settings struct {
	token       string
	httpClient  *http.Client
	logger      *slog.Logger
	firstDelay  time.Duration
	mostDelay   time.Duration
	heartbeat   time.Duration
	openTimeout time.Duration
	once        bool // nothing is asked for again
}

func defaults() settings {
	return settings{
		logger: slog.New(slog.DiscardHandler), firstDelay: DefaultFirstDelay, mostDelay: DefaultMostDelay,
		heartbeat: DefaultHeartbeat, openTimeout: DefaultOpenTimeout,
	}
}

// WithToken sets the token to show; "stagehouse token" makes them. Without one, only a server without authentication answers.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithHTTPClient has REST calls and sockets go through c, for TLS, proxies and the like. It stays the caller's: Close leaves its
// connections open.
func WithHTTPClient(c *http.Client) Option { return func(s *settings) { s.httpClient = c } }

// WithLogger has lost connections and gaps logged.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// WithBackoff sets how long a socket waits before it comes again: a random time that is less than first, and less than
// twice as much with every failure in a row, but never more than most.
func WithBackoff(first, most time.Duration) Option {
	return func(s *settings) { s.firstDelay, s.mostDelay = first, most }
}

// WithHeartbeat sets the time between two pings. A connection on which nothing comes for three of them is given up.
func WithHeartbeat(every time.Duration) Option { return func(s *settings) { s.heartbeat = every } }

// WithOpenTimeout sets how long Events and Chat try to reach a server that is not there. Once a stream is open, or the server may
// have had a message, they try for as long as their context lives.
func WithOpenTimeout(d time.Duration) Option { return func(s *settings) { s.openTimeout = d } }

// WithoutRetry has every error told at once: a REST call is made once, and a message is sent once until it is accepted. What goes on
// after that, streams and turns, comes again all the same.
func WithoutRetry() Option { return func(s *settings) { s.once = true } }

// check returns what is wrong with the settings.
func (s *settings) check() error {
	switch {
	case s.logger == nil:
		return errors.New("the logger of a client must not be nil")
	case strings.ContainsFunc(s.token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has spaces or characters that no token has; is it the content of a file with its line end?")
	case s.firstDelay <= 0 || s.mostDelay < s.firstDelay:
		return errors.New("the first delay of the backoff must be more than 0, and the most not less than the first")
	case s.heartbeat <= 0:
		return errors.New("the heartbeat must be more than 0")
	case s.openTimeout <= 0:
		return errors.New("the open timeout must be more than 0")
	}
	return nil
}

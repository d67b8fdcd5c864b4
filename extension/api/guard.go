package api

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
)

// Headers of the rate limit, see draft-ietf-httpapi-ratelimit-headers-10.
const (
	headerRateLimit       = "RateLimit"
	headerRateLimitPolicy = "RateLimit-Policy"
)

// identify finds out who is asking. It refuses nobody: an unknown path is unknown to everybody.
func (s *Server) identify(c *fiber.Ctx) error {
	st := stateOf(c.Context())
	st.address = s.clientAddress(c.Context())
	token, ok := bearer(c.Get(fiber.HeaderAuthorization))
	switch {
	case !s.auth.required():
		st.caller, st.authed = anonymous(), true
	case !ok:
		st.denied = schema.Errorf(schema.CodeUnauthenticated, "the Authorization header must read: Bearer <token>")
	case token != "":
		caller, err := s.auth.authenticate(s.base, token)
		st.caller, st.token, st.authed, st.denied = caller, token, err == nil, err
	}
	return c.Next()
}

// throttle counts the request against the principal, or, while there is none, against the address.
func (s *Server) throttle(c *fiber.Ctx) error {
	if s.limiter == nil {
		return c.Next()
	}
	st := stateOf(c.Context())
	d, err := s.admit(st.caller, st.address)
	if err != nil {
		return err
	}
	window := seconds(s.limiter.window)
	c.Set(headerRateLimitPolicy, `"default";q=`+strconv.Itoa(s.limiter.max)+`;w=`+window)
	c.Set(headerRateLimit, `"default";r=`+strconv.Itoa(d.remaining)+`;t=`+seconds(d.wait))
	if d.admitted {
		return c.Next()
	}
	return &schema.Error{
		Code: schema.CodeRateLimited, RetryAfter: d.wait,
		Message: "At most " + strconv.Itoa(s.limiter.max) + " requests in " + s.limiter.window.String() + " are allowed; wait as long as Retry-After says.",
	}
}

// limitKey names who is limited. Where authentication is off everybody has the same principal, and the address tells
// clients apart.
func (s *Server) limitKey(caller schema.Caller, address string) string {
	if caller.Principal == "" || !s.auth.required() {
		return "address " + address
	}
	return "principal " + caller.Principal
}

// admit asks the limiter, or that of the next generation, and waits for as long as it says.
func (s *Server) admit(caller schema.Caller, address string) (decision, error) {
	s.awaitTold()
	key := s.limitKey(caller, address)
	d, here := s.limiter.admitIfHere(key)
	if !here {
		return s.admitElsewhere(key)
	}
	return s.wait(d)
}

func errGoing() error {
	return problem.New(schema.CodeUnavailable, "The server is going away. Try again in a moment.")
}

// admitCommand counts one command of a WebSocket like a request. It may take as long as the limiter lets an act wait.
func (s *Server) admitCommand(caller schema.Caller, address string) (bool, time.Duration) {
	if s.limiter == nil {
		return true, 0
	}
	d, err := s.admit(caller, address)
	return err == nil && d.admitted, d.wait
}

// guard lets a request through to a route: from a page that may use the API, by somebody who is known, with a body that
// can be read.
func (s *Server) guard(c *fiber.Ctx) error {
	st := stateOf(c.Context())
	if s.rebound(c) {
		return errRebound()
	}
	if safe := c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead; !safe && s.foreign(c) {
		return schema.Errorf(schema.CodePermissionDenied, "pages of this origin may not use the API; see cors.origin in the configuration")
	}
	if !st.authed {
		return unauthenticated(c, st)
	}
	if err := checkBody(c); err != nil {
		return err
	}
	once, err := onceOf(c)
	if err != nil {
		return err
	}
	ctx := schema.WithCaller(s.base, st.caller)
	if once == nil {
		c.SetUserContext(ctx)
		err := c.Next()
		unlessModified(c)
		return err
	}
	c.SetUserContext(schema.WithOnce(ctx, once))
	err = c.Next()
	if once.Replayed() {
		c.Set(headerReplayed, "true")
	}
	return err
}

func (s *Server) foreign(c *fiber.Ctx) bool {
	return s.cors.foreign(c.Get(fiber.HeaderOrigin), string(c.Request().Host()))
}

// rebound reports whether a request that needs no token has reached us by a name that is not ours: a page of another
// site can have its own name point to 127.0.0.1, and is of our origin then, as browsers see it. A proxy may use any name.
func (s *Server) rebound(c *fiber.Ctx) bool {
	if s.auth.required() || !loopback(s.Host) {
		return false
	}
	if peer, ok := netip.AddrFromSlice(c.Context().RemoteIP()); ok && s.trusted(peer.Unmap()) {
		return false
	}
	host := string(c.Request().Host())
	if host == "" { // no browser leaves it out
		return false
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return !loopback(strings.Trim(host, "[]"))
}

func errRebound() error {
	return schema.Errorf(schema.CodePermissionDenied, "without authentication, this server is reached as localhost or by its address only")
}

// unauthenticated says who nobody is known to be asking.
func unauthenticated(c *fiber.Ctx, st *state) error {
	switch {
	case st.denied == nil:
		return schema.Errorf(schema.CodeUnauthenticated, "a token is needed: send Authorization: Bearer <token>")
	case st.token != "" && schema.CodeOf(st.denied) == schema.CodeUnauthenticated:
		c.Set(fiber.HeaderWWWAuthenticate, challengeToken)
	}
	return st.denied
}

// upgrade guards the WebSocket. A bad token is refused here, with a 401; no token at all may still come in a frame.
func (s *Server) upgrade(c *fiber.Ctx) error {
	st := stateOf(c.Context())
	switch {
	case s.rebound(c):
		return errRebound()
	case st.denied != nil:
		return unauthenticated(c, st)
	}
	err := s.sockets.Upgrade(c, ws.Grant{Authenticated: st.authed, Caller: st.caller, Token: st.token, Address: st.address, Foreign: s.foreign(c)})
	var full *schema.Error
	if errors.As(err, &full) {
		return problem.Own(full) // it is about the sockets, not about the host
	}
	return err
}

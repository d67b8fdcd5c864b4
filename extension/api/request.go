package api

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/oklog/ulid/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// HeaderRequestID names a request, in both directions.
const HeaderRequestID = "X-Request-Id"

const maxRequestID = 128

// state is what is known about a request; it travels in its user values.
type state struct {
	id      string        // of the request
	address string        // the client's
	caller  schema.Caller // meaningful when authed
	token   string
	accepts string // the media type that the client likes best; "" = none that there is
	authed  bool
	denied  error // why authed is false, although somebody tried
}

type stateKey struct{}

// stateOf returns what is known about the request, which begin has put there. A request that could not even be read
// has none: it gets one here.
func stateOf(rc *fasthttp.RequestCtx) *state {
	if s, ok := rc.UserValue(stateKey{}).(*state); ok {
		return s
	}
	s := &state{id: requestID(string(rc.Request.Header.Peek(HeaderRequestID)))}
	rc.SetUserValue(stateKey{}, s)
	return s
}

// requestID returns the client's own id of a request, if it is sane, else a new one.
func requestID(theirs string) string {
	sane := theirs != "" && len(theirs) <= maxRequestID
	for i := 0; sane && i < len(theirs); i++ {
		c := theirs[i]
		sane = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._~:/+=-", c) >= 0
	}
	if sane {
		return theirs
	}
	return "req_" + strings.ToLower(ulid.Make().String())
}

// clientAddress returns the address that a request comes from: the peer's, or, behind trusted proxies, the last one of
// X-Forwarded-For that is not such a proxy. An IPv6 client is its /64, which is what one customer has.
func (s *Server) clientAddress(rc *fasthttp.RequestCtx) string {
	peer, ok := netip.AddrFromSlice(rc.RemoteIP())
	if !ok {
		return "unknown"
	}
	addr := peer.Unmap()
	lines := rc.Request.Header.PeekAll(fiber.HeaderXForwardedFor) // a proxy may add a line of its own
	hops := strings.Split(string(bytes.Join(lines, []byte(","))), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = hop.Unmap().WithZone("")
	}
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

func (s *Server) trusted(addr netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// readable refuses requests whose path or query is not text, and those whose path only looks like one of ours.
func readable(c *fiber.Ctx) error {
	if !utf8.ValidString(c.Path()) || !validQuery(c) {
		return schema.Errorf(schema.CodeMalformed, "the path or the query is not valid UTF-8")
	}
	if raw := c.Context().URI().PathOriginal(); bytes.Contains(raw, []byte("//")) || bytes.Contains(bytes.ToLower(raw), []byte("%2f")) {
		// Fiber decodes a path before it looks for its segments, and drops empty ones at the end. To RFC 3986 §2.2 an
		// encoded slash is data; no id has one, so there can be nothing at such a path.
		return fiber.ErrNotFound
	}
	return c.Next()
}

func validQuery(c *fiber.Ctx) bool {
	for k, v := range c.Context().QueryArgs().All() {
		if !utf8.Valid(k) || !utf8.Valid(v) {
			return false
		}
	}
	return utf8.Valid(c.Context().QueryArgs().QueryString())
}

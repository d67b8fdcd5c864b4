package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/invopop/jsonschema"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// CORS says which web pages of other origins may use the API. See https://fetch.spec.whatwg.org/#http-cors-protocol.
type CORS struct {
	Origin      Origins `json:"origin" doc:"The origins, such as https://app.example.com, or * for every page"`
	Credentials bool    `json:"credentials" doc:"Allow requests with cookies; impossible, and ignored, with origin *"`
}

// Origins is a list of origins; in JSON it may be a single string.
type Origins []string

// anyOrigin stands for every origin.
const anyOrigin = "*"

// UnmarshalJSON accepts a string or a list of strings.
func (o *Origins) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = Origins{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil || many == nil {
		return errors.New("cors.origin must be a string or a list of strings")
	}
	*o = many
	return nil
}

// JSONSchema describes both forms.
func (Origins) JSONSchema() *jsonschema.Schema {
	text := &jsonschema.Schema{Type: "string"}
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", Items: text}}}
}

func (c *CORS) validate() []schema.Problem {
	if len(c.Origin) == 0 {
		return []schema.Problem{fault("/cors/origin", "no origin is named", `name the origins of the web pages, or "*", or leave cors out`)}
	}
	var problems []schema.Problem
	for i, o := range c.Origin {
		at := "/cors/origin"
		if len(c.Origin) > 1 {
			at = fmt.Sprintf("/cors/origin/%d", i)
		}
		if o == anyOrigin && len(c.Origin) > 1 {
			problems = append(problems, fault(at, `"*" beside other origins makes them meaningless`, `use "*" alone, or leave it out`))
		} else if _, err := normalOrigin(o); err != nil {
			problems = append(problems, fault(at, err.Error(), "write it as a browser sends it: scheme://host or scheme://host:port, such as https://app.example.com"))
		}
	}
	if c.Credentials && len(c.Origin) == 1 && c.Origin[0] == anyOrigin {
		problems = append(problems, caution("/cors", `browsers refuse credentials with origin "*": every origin is allowed, and credentials are never`, "list the origins if pages need cookies; tokens in the Authorization header work as it is"))
	}
	return problems
}

// normalOrigin returns an origin as browsers send it, or says why it never can be sent.
func normalOrigin(o string) (string, error) {
	switch {
	case o == anyOrigin:
		return o, nil
	case o == "":
		return "", errors.New("an origin is empty")
	case o == "null":
		return "", errors.New(`"null" is the origin of every sandboxed page and local file: allowing it allows anybody`)
	}
	u, err := url.Parse(o)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return "", fmt.Errorf("%.200q is not an origin", o)
	case u.Path != "" || strings.HasSuffix(o, "?") || strings.HasSuffix(o, "#"):
		return "", fmt.Errorf("%.200q has something after the host: an origin has no path and no trailing slash", o)
	case strings.Contains(u.Host, anyOrigin):
		return "", fmt.Errorf("%.200q: there are no patterns; origins are compared as they are", o)
	}
	host := strings.ToLower(u.Host)
	if (u.Scheme == "https" && u.Port() == "443") || (u.Scheme == "http" && u.Port() == "80") {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return strings.ToLower(u.Scheme) + "://" + host, nil
}

// Headers of CORS answers.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	corsHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, X-Request-Id"
	corsExposed = "Allow, Deprecation, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Sunset, " +
		"WWW-Authenticate, X-Request-Id"
	corsMaxAge = "600"
)

// corsPolicy decides about origins. The zero policy allows none but the API's own.
type corsPolicy struct {
	any         bool
	allowed     map[string]bool
	credentials bool
}

func newCORSPolicy(c *CORS) corsPolicy {
	var p corsPolicy
	if c == nil {
		return p
	}
	p.allowed = map[string]bool{}
	for _, o := range c.Origin {
		if n, err := normalOrigin(o); err == nil {
			p.allowed[n] = true
		}
	}
	p.any = p.allowed[anyOrigin]
	p.credentials = c.Credentials && !p.any
	return p
}

// mark sets the headers that let a page read the answer, whatever it is. It comes before everything else.
func (p corsPolicy) mark(rc *fasthttp.RequestCtx) {
	if len(p.allowed) == 0 {
		return
	}
	h, origin := &rc.Response.Header, string(rc.Request.Header.Peek(fiber.HeaderOrigin))
	if p.any {
		origin = anyOrigin // it holds for a request whose headers could not be read as well
	} else {
		h.Set(fiber.HeaderVary, fiber.HeaderOrigin) // even where there is none: a cache must not serve that answer to a page
	}
	if !p.allows(origin) {
		return
	}
	h.Set(fiber.HeaderAccessControlAllowOrigin, origin)
	h.Set(fiber.HeaderAccessControlExposeHeaders, corsExposed)
	if p.credentials {
		h.Set(fiber.HeaderAccessControlAllowCredentials, "true")
	}
}

// preflight answers preflights, before anybody is asked who they are.
func (p corsPolicy) preflight(c *fiber.Ctx) error {
	origin := c.Get(fiber.HeaderOrigin)
	if c.Method() != fiber.MethodOptions || origin == "" || c.Get(fiber.HeaderAccessControlRequestMethod) == "" {
		return c.Next()
	}
	c.Vary(fiber.HeaderAccessControlRequestMethod, fiber.HeaderAccessControlRequestHeaders)
	if p.allows(origin) {
		c.Set(fiber.HeaderAccessControlAllowMethods, corsMethods)
		c.Set(fiber.HeaderAccessControlAllowHeaders, corsHeaders)
		c.Set(fiber.HeaderAccessControlMaxAge, corsMaxAge)
	}
	return c.SendStatus(fiber.StatusNoContent)
}

// allows reports whether a page of that origin may read what it asks for.
func (p corsPolicy) allows(origin string) bool { return origin != "" && (p.any || p.allowed[origin]) }

// foreign reports whether the request comes from a web page that may not use the API at all: CORS only keeps a page from
// reading an answer, while a WebSocket, and a POST without a body, would reach us nevertheless.
func (p corsPolicy) foreign(origin, host string) bool {
	if origin == "" || p.allows(origin) {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, host)
}

package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

const (
	maxFailureBytes = 64 << 10 // of an answer that is an error
	maxSaidRunes    = 300      // of what the server says, in an error of ours
	minSecretBytes  = 6        // what is shorter is no secret, and may be a word
)

// Failure is an error that a server has answered with.
type Failure struct {
	Status     int // of HTTP; what comes in the middle of a stream has the one that its type means, or 0
	Type, Code string
	Message    string
	RetryAfter time.Duration
	Retry      *bool // whether the server says to try again
}

// ReadFailure reads the error in a JSON body, in any of the shapes that servers have for it: {"error": {"type", "code", "message"}},
// {"error": "…"}, {"message": "…"}, {"detail": "…"}, or the object of an error itself. A body that is none of them, such as the HTML
// page of a proxy, has nothing to say.
func ReadFailure(body []byte) Failure {
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return Failure{}
	}
	if inner, ok := outer["error"]; ok {
		if s := text(inner); s != "" {
			return Failure{Message: s}
		}
		outer = nil
		if json.Unmarshal(inner, &outer) != nil {
			return Failure{}
		}
	}
	f := Failure{Type: text(outer["type"]), Code: text(outer["code"]), Message: text(outer["message"])}
	for _, name := range []string{"detail", "title"} {
		if f.Message == "" {
			f.Message = text(outer[name])
		}
	}
	f.Status = f.status()
	return f
}

// text returns a JSON string or number as text, and "" for anything else.
func text(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	var s string
	switch {
	case len(raw) == 0:
		return ""
	case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
		return s
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		return string(raw)
	}
	return ""
}

// statusOf has what the types and codes of errors mean that come in the middle of a stream, where there is no status.
var statusOf = map[string]int{
	"invalid_request_error": 400, "authentication_error": 401, "invalid_api_key": 401, "billing_error": 402, "permission_error": 403,
	"not_found_error": 404, "model_not_found": 404, "request_too_large": 413, "rate_limit_error": 429, "rate_limit_exceeded": 429,
	"api_error": 500, "server_error": 500, "service_unavailable": 503, "timeout_error": 504, "overloaded_error": 529,
}

// status returns the status that the code, which may be one itself, or the type means; 0 = none that is known.
func (f Failure) status() int {
	if n, err := strconv.Atoi(f.Code); err == nil && 400 <= n && n <= 599 {
		return n
	}
	if n := statusOf[f.Code]; n != 0 {
		return n
	}
	return statusOf[f.Type]
}

// verdict is what an error says about trying again, and about the server.
type verdict struct {
	err   *schema.Error
	again bool // the same step may be tried again
	bad   bool // it is the server that failed
}

func (v *verdict) Error() string { return v.err.Error() }
func (v *verdict) Unwrap() error { return v.err }

// Failed returns the error of Think or Embed for what the server has answered.
func (c *Client) Failed(f Failure) error {
	code, what := c.meaning(f)
	e := schema.Errorf(code, "%s: %s%s", c.from(f), what, c.said(f))
	e.RetryAfter = f.RetryAfter
	v := &verdict{err: e, again: code.Retryable(), bad: f.Status >= 500 || f.Status == 0}
	if f.Retry != nil {
		v.again = *f.Retry
	}
	return v
}

func (c *Client) from(f Failure) string {
	if f.Status == 0 {
		return c.host
	}
	return fmt.Sprintf("%d from %s", f.Status, c.host)
}

// said returns what the server says, which for a key that is refused has a part of the key.
func (c *Client) said(f Failure) string {
	if f.Status == 401 || f.Message == "" {
		return ""
	}
	return ` (it says: "` + c.clean(f.Message) + `")`
}

// meaning returns the code of a failure, and what a person can do about it.
func (c *Client) meaning(f Failure) (schema.ErrorCode, string) {
	switch {
	case f.tooLong():
		return schema.CodeTooLarge, "the model takes no text as long as that; let the agent remember less, or give it another model"
	case f.Code == "insufficient_quota" || f.Status == 402:
		return schema.CodePermissionDenied, "what is paid for is used up; see the account of " + c.key("apiKey")
	case f.Status == 401 && c.keyless:
		return schema.CodeUnauthenticated, "it wants a key; set " + c.key("apiKey")
	case f.Status == 401:
		return schema.CodeUnauthenticated, "the key was refused; check " + c.key("apiKey")
	case f.Status == 403:
		return schema.CodePermissionDenied, "the key may not do that; check what its owner has allowed, and " + c.key("apiKey")
	case f.Status == 404:
		return schema.CodeInvalidArgument, "there is no such model, or nothing at that address; check the model of the agent, " + c.key("model") + " and " + c.key("baseUrl")
	case f.Status == 429:
		return schema.CodeRateLimited, "too many requests, or too many tokens, of this key"
	case f.Status == 529:
		return schema.CodeUnavailable, "it has too much to do"
	case f.Status == 408, f.Status == 409:
		return schema.CodeUnavailable, "it could not take the request now"
	case f.Status >= 500, f.Status == 0:
		return schema.CodeUnavailable, "it failed"
	case f.Status < 400:
		return schema.CodeInvalidArgument, "it sends elsewhere; check " + c.key("baseUrl")
	}
	return schema.CodeInvalidArgument, "it does not take the request; check the options of the agent's brain"
}

// tooLong reports whether the model takes no text as long as it got, which few servers have a code for.
func (f Failure) tooLong() bool {
	if f.Status == 413 || f.Code == "context_length_exceeded" || f.Type == "exceed_context_size_error" {
		return true
	}
	said := strings.ToLower(f.Message)
	return f.Status == 400 && (strings.Contains(said, "context length") || strings.Contains(said, "prompt is too long"))
}

// key returns the name of a key of the extension's block, as a person finds it.
func (c *Client) key(name string) string { return "extensions." + c.name + "." + name }

// clean returns a text of the server as one short line without a secret.
func (c *Client) clean(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "…")
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxSaidRunes {
		s = string(runes[:maxSaidRunes]) + "…"
	}
	return s
}

// Broken returns the error of an answer that cannot be read, or ended too early.
func (c *Client) Broken(format string, args ...any) error {
	e := schema.Errorf(schema.CodeUnavailable, "%s: "+format, append([]any{c.host}, args...)...)
	return &verdict{err: e, again: true, bad: true}
}

// Useless returns the error of an answer that can be read and not be used, which is the fault of the model: another one may do.
func (c *Client) Useless(format string, args ...any) error {
	e := schema.Errorf(schema.CodeUnavailable, "%s: "+format, append([]any{c.host}, args...)...)
	return &verdict{err: e, again: true}
}

// explain returns an error of whatever went wrong in a try as one with a code. ctx is that of the try.
func (c *Client) explain(ctx context.Context, err error) *verdict {
	var v *verdict
	var e *schema.Error
	switch {
	case ctx.Err() != nil:
		return &verdict{err: schema.AsError(context.Cause(ctx))}
	case errors.As(err, &v):
		return v
	case errors.As(err, &e):
		return &verdict{err: e}
	}
	return &verdict{err: c.unreachable(err), again: true, bad: true}
}

// unreachable returns the error for what is none of the server's own. The text of a *url.Error would have the whole address.
func (c *Client) unreachable(err error) *schema.Error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	var dns *net.DNSError
	what := "the connection broke"
	switch {
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		what = "it cannot be reached; does it run, and is " + c.key("baseUrl") + " right?"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		what = "the answer broke off"
	}
	return &schema.Error{Code: schema.CodeUnavailable, Message: c.host + ": " + what + " (" + c.clean(err.Error()) + ")", Cause: err}
}

package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// Challenges of a 401, see RFC 6750 §3.
const (
	challenge      = `Bearer realm="stagehouse"`
	challengeToken = challenge + `, error="invalid_token", error_description="The token is not valid"`
)

// handleError is the last word about every error of a request, whoever found it.
func (s *Server) handleError(c *fiber.Ctx, err error) error {
	p := s.problemOf(c, err)
	if p == nil {
		return nil
	}
	s.writeProblem(c.Context(), p)
	return nil
}

// problemOf words an error. Nil means that the request is answered already.
func (s *Server) problemOf(c *fiber.Ctx, err error) *problem.Problem {
	var p *problem.Problem
	var f *fiber.Error
	switch {
	case errors.As(err, &p):
		return p
	case !errors.As(err, &f):
		return problem.From(err)
	case f.Code == fiber.StatusMethodNotAllowed:
		c.Append(fiber.HeaderAllow, fiber.MethodOptions) // every path knows it, which Fiber does not
	}
	if f.Code == fiber.StatusMethodNotAllowed && c.Method() == fiber.MethodOptions {
		c.Context().Response.ResetBody()
		c.Status(fiber.StatusNoContent)
		return nil
	}
	p = problem.New(problem.CodeOfStatus(f.Code), s.textOf(c, f.Code))
	p.Status, p.Cause = f.Code, err
	return p
}

// textOf words what a library found wrong with a request: its own words speak of its insides.
func (s *Server) textOf(c *fiber.Ctx, status int) string {
	switch status {
	case fiber.StatusNotFound:
		return "There is nothing at this path. GET /openapi.json lists what there is, and /docs shows it."
	case fiber.StatusMethodNotAllowed:
		allow := string(c.Response().Header.Peek(fiber.HeaderAllow))
		return fmt.Sprintf("This path does not know the method %.20s; it knows %s.", c.Method(), allow)
	case fiber.StatusRequestEntityTooLarge:
		return fmt.Sprintf("The request body is over the limit of %d bytes.", s.Limits.BodyBytes)
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return "The request line and headers are too large together."
	case fiber.StatusRequestTimeout:
		return "The request did not arrive in time."
	case fiber.StatusUpgradeRequired:
		return "This is a WebSocket: open it with a WebSocket client, version 13."
	case fiber.StatusBadRequest:
		return "The request cannot be read as HTTP/1.1."
	default:
		return http.StatusText(status)
	}
}

// writeProblem answers with a problem document.
func (s *Server) writeProblem(rc *fasthttp.RequestCtx, p *problem.Problem) {
	st := stateOf(rc)
	p = s.complete(rc, p)
	b, err := json.Marshal(p)
	if err != nil { // a problem holds nothing that can fail
		b = []byte(`{"type":"about:blank","title":"Internal error","status":500,"code":"internal"}`)
	}
	rc.Response.ResetBody()
	rc.SetStatusCode(p.Status)
	rc.SetContentType(problem.MediaType)
	rc.SetBody(b)
	rc.Response.Header.Set(HeaderRequestID, st.id)
}

// complete adds what only the request knows, sets the headers that belong to the error, and logs what is our fault.
func (s *Server) complete(rc *fasthttp.RequestCtx, in *problem.Problem) *problem.Problem {
	p := *in
	st := stateOf(rc)
	p.RequestID = st.id
	detailed(&p)
	p.Instance = limited(string(rc.URI().PathOriginal()), maxInstance)
	h := &rc.Response.Header
	if p.RetryAfter > 0 && len(h.Peek(fiber.HeaderRetryAfter)) == 0 {
		h.Set(fiber.HeaderRetryAfter, seconds(p.RetryAfter))
	}
	if p.Status == fiber.StatusUnauthorized && len(h.Peek(fiber.HeaderWWWAuthenticate)) == 0 {
		h.Set(fiber.HeaderWWWAuthenticate, challenge)
	}
	s.logProblem(rc, st, &p)
	return &p
}

// detailed makes members of the details of an error.
func detailed(p *problem.Problem) {
	if len(p.Details) == 0 {
		return
	}
	b, err := json.Marshal(p.Details)
	if err != nil {
		return // they are for programs; the text says the same
	}
	var known struct {
		RunID      string                  `json:"runId"`
		Threshold  *float64                `json:"threshold"`
		Candidates []schema.RouteCandidate `json:"candidates"`
	}
	if json.Unmarshal(b, &known) != nil {
		return
	}
	p.RunID, p.Threshold, p.Candidates = cmp.Or(p.RunID, known.RunID), known.Threshold, known.Candidates
}

// logProblem logs what is not the client's fault.
func (s *Server) logProblem(rc *fasthttp.RequestCtx, st *state, p *problem.Problem) {
	level := slog.LevelWarn
	switch {
	case p.Status < 500 || p.Code == schema.CodeUnimplemented:
		return
	case p.Code == schema.CodeInternal:
		level = slog.LevelError
	}
	s.log.Log(s.base, level, "a request failed", "request", st.id, "method", limited(string(rc.Method()), maxMethod), "path", p.Instance, "code", p.Code, "error", p.Cause)
}

// Bounds of what an error says about its request, in bytes.
const (
	maxInstance = 1 << 10
	maxMethod   = 20
)

// limited returns at most n bytes of what a client has sent.
func limited(text string, n int) string {
	if len(text) > n {
		text = text[:n] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// seconds rounds up, so that who waits as long as it is told is not too early.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// transformError is what huma passes every response body through: it turns huma's own errors into ours, and completes ours.
func (s *Server) transformError(ctx huma.Context, _ string, v any) (any, error) {
	switch e := v.(type) {
	case *problem.Problem:
		return s.complete(humafiber.UnwrapV2(ctx).Context(), e), nil
	case *huma.ErrorModel:
		return s.complete(humafiber.UnwrapV2(ctx).Context(), fromHuma(e)), nil
	default:
		return v, nil
	}
}

// fromHuma words what huma found wrong. The values that it quotes stay here.
func fromHuma(e *huma.ErrorModel) *problem.Problem {
	var found []schema.FieldError
	for _, d := range e.Errors {
		if d != nil {
			found = append(found, schema.FieldError{Location: d.Location, Message: reworded(d.Message)})
		}
	}
	p := problem.New(problem.CodeOfStatus(e.Status), e.Detail)
	switch {
	case e.Status >= 500:
		return problem.From(errors.New(e.Error()))
	case e.Status == http.StatusUnsupportedMediaType:
		p.Detail = "The request body must be JSON: send Content-Type: application/json."
		return p
	case len(found) > 0:
		p.Detail = summary(found)
	}
	p.Errors = found
	return p
}

// reworded says what would be right, where huma does not or says it to those who know Go.
func reworded(message string) string {
	switch {
	case message == validation.MsgExpectedMatchExactlyOneSchema: // of all that is sent only a brain has several forms
		return "must be the name of a provider, or an object with that name as provider and its options beside it"
	case strings.HasPrefix(message, "invalid date/time"):
		return "must be a time of RFC 3339, such as 2026-01-31T12:00:00Z"
	}
	return message
}

// summary says what is wrong in one sentence.
func summary(found []schema.FieldError) string {
	text := found[0].Location + ": " + found[0].Message
	if n := len(found) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// within words an error of the host for a request whose values stand in place, "body" or "query", but for those that stand
// in the path.
func within(place string, err error, path ...string) error {
	if err == nil {
		return nil
	}
	p := problem.From(err)
	fields := make([]schema.FieldError, len(p.Errors))
	for i, f := range p.Errors {
		fields[i] = schema.FieldError{Location: place + "." + f.Location, Message: f.Message}
		if slices.Contains(path, f.Location) {
			fields[i].Location = "path." + f.Location
		}
	}
	if len(fields) > 0 {
		p.Errors = fields
	}
	return p
}

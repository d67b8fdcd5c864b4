package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// route is what the server and its document know of an operation, beside what the types of its input and its output say.
type route struct {
	id, method, path string
	tag, summary     string
	description      string                    // what it promises, as Markdown: order, pages, what happens when it is repeated
	scope            schema.Scope              // that a caller needs; "" = it is open to all, and counts against no limit
	codes            []schema.ErrorCode        // of errors that it can come to, beside those of every route
	status           int                       // of success; 0 = 200
	tagged           bool                      // its answer has an ETag, and it heeds If-None-Match
	parameters       []*huma.Param             // beside those that its input has
	sends            []example                 // bodies of requests; nil = it takes none
	answers          []example                 // bodies of its success; nil = it has none, or responses has them
	responses        map[string]*huma.Response // that its output does not describe
	deprecated       *deprecation              // nil = it is here to stay
}

// Groups of operations in the document.
const (
	tagAgents = "Agents"
	tagChat   = "Chat"
	tagMemory = "Memory"
	tagEvents = "Events"
	tagUsage  = "Usage"
	tagServer = "Server"
)

const securityScheme = "token"

// mergePatch is the media type of what changes a thing, see RFC 7396.
const mergePatch = "application/merge-patch+json"

// register adds a route whose calls to the host have a deadline, and whose errors are problems.
func register[I, O any](api huma.API, r route, timeout time.Duration, handler func(context.Context, *I) (*O, error)) {
	doc := api.OpenAPI()
	huma.Register(api, r.operation(doc.Components), func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		var p *problem.Problem
		if !errors.As(err, &p) {
			p = problem.From(err)
		}
		return nil, p
	})
	if r.method == http.MethodPatch {
		content := doc.Paths[r.path].Patch.RequestBody.Content
		content[mergePatch] = content[fiber.MIMEApplicationJSON] // huma reads whatever ends in +json
	}
}

// operation describes the route. huma adds what it finds in the types of the input and the output.
func (r route) operation(c *huma.Components) huma.Operation {
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Tags: []string{r.tag}, Summary: r.summary,
		Description: r.description, Security: []map[string][]string{},
		Parameters:         slices.Clone(r.parameters),
		DefaultStatus:      r.status,
		Responses:          r.allResponses(c),
		Deprecated:         r.deprecated != nil,
		MaxBodyBytes:       -1, // Fiber has counted already
		BodyReadTimeout:    -1, // and has the whole body before a handler runs
		SkipValidateParams: r.open(),
		Metadata:           map[string]any{deprecationKey: r.deprecated},
	}
	if !r.open() {
		op.Security = append(op.Security, map[string][]string{securityScheme: {}})
		op.Extensions = map[string]any{"x-scope": r.scope}
		op.Description += "\n\nNeeds the scope `" + string(r.scope) + "`."
	}
	if r.once() {
		op.Parameters = append(op.Parameters, onceParameter(c))
	}
	if r.tagged {
		op.Parameters = append(op.Parameters, noneMatchParameter(c))
	}
	if r.sends != nil {
		op.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{
			fiber.MIMEApplicationJSON: {Examples: shown(c, r.sends)},
		}}
	}
	return op
}

// open reports whether everybody may call the route, without a limit. Probes like to add something to the query, against
// caches.
func (r route) open() bool { return r.scope == "" }

// once reports whether an Idempotency-Key makes a difference.
func (r route) once() bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, r.method)
}

// errorCodes lists all errors that the route can come to.
func (r route) errorCodes() []schema.ErrorCode {
	codes := []schema.ErrorCode{schema.CodeMalformed, schema.CodeInternal}
	if !r.open() {
		codes = append(codes, schema.CodeUnauthenticated, schema.CodePermissionDenied, schema.CodeInvalidArgument,
			schema.CodeRateLimited, schema.CodeUnavailable, schema.CodeDeadlineExceeded)
	}
	if _, ok := serviceOf(r.tag); ok { // a runtime need not have every method
		codes = append(codes, schema.CodeUnimplemented)
	}
	codes = append(codes, r.codes...)
	if r.once() {
		codes = append(codes, schema.CodeKeyReused)
	}
	if r.sends != nil {
		codes = append(codes, schema.CodeTooLarge, schema.CodeUnsupportedMediaType)
	}
	return codes
}

// allResponses describes every answer.
func (r route) allResponses(c *huma.Components) map[string]*huma.Response {
	all := problemResponses(c, r.errorCodes())
	status := max(r.status, http.StatusOK)
	if r.responses == nil {
		success := &huma.Response{Description: http.StatusText(status)}
		if r.answers != nil {
			success.Content = map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {Examples: shown(c, r.answers)}}
		}
		all[strconv.Itoa(status)] = r.headed(success)
	}
	for status, response := range r.responses {
		all[status] = r.headed(response)
	}
	if r.tagged {
		all["304"] = r.headed(&huma.Response{
			Description: "Not Modified: you have it already",
			Headers:     map[string]*huma.Param{fiber.HeaderETag: headerRef(fiber.HeaderETag)},
		})
	}
	return all
}

// headed adds the headers that the answers of a route have in common.
func (r route) headed(response *huma.Response) *huma.Response {
	names := []string{HeaderRequestID}
	if !r.open() {
		names = append(names, headerRateLimit, headerRateLimitPolicy)
	}
	if r.once() {
		names = append(names, headerReplayed)
	}
	if response.Headers == nil {
		response.Headers = map[string]*huma.Param{}
	}
	for _, name := range names {
		if response.Headers[name] == nil {
			response.Headers[name] = headerRef(name)
		}
	}
	maps.Copy(response.Headers, r.deprecated.headers())
	return response
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk/handover"
)

// newApp returns everything that answers HTTP.
func (s *Server) newApp() *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:               "stagehouse",
		DisableStartupMessage: true, // a line on stdout breaks go-plugin's handshake
		Immutable:             true, // strings of Fiber are views into buffers that are used again
		UnescapePath:          true,
		CaseSensitive:         true,
		BodyLimit:             s.Limits.BodyBytes,
		ReadBufferSize:        headerBytes,
		ReadTimeout:           millis(s.Limits.ReadTimeoutMs),
		IdleTimeout:           millis(s.Limits.IdleTimeoutMs),
		WriteTimeout:          writeTimeout,
		ErrorHandler:          s.handleError,

		DisablePreParseMultipartForm: true,
	})
	server := app.Server()
	server.Handler = s.around(server.Handler)
	server.ErrorHandler = s.unreadable(server.ErrorHandler)
	server.ConnState = movable

	app.Use(readable, s.cors.preflight)
	r := &router{Router: app}
	api := newHuma(r, s.transformError)
	s.registerHealth(api)
	app.Use(s.identify, s.throttle)
	r.guard = s.guard
	s.registerAgents(api)
	s.registerChat(api)
	s.registerRuns(api)
	s.registerConversations(api)
	s.registerMemory(api)
	s.registerEvents(api)
	app.Get("/ws", s.upgrade)
	describeSocket(api.OpenAPI())
	document := marshalOpenAPI(api)
	app.Get("/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document)
	})
	return app
}

// movable lets a connection move to the next generation of the server between two requests. fasthttp reads again only when
// it has nothing left of what it has read.
func movable(c net.Conn, state fasthttp.ConnState) {
	moving := handover.Of(c)
	switch {
	case moving == nil:
	case state == fasthttp.StateActive:
		moving.Active()
	case state == fasthttp.StateIdle:
		moving.Idle()
	}
}

// around is what every request passes that could be read: it is named, and a panic in it is an error of it alone.
func (s *Server) around(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(rc *fasthttp.RequestCtx) {
		s.cors.mark(rc)
		defer s.seal(rc)
		defer func() {
			if v := recover(); v != nil {
				s.log.Error("panic in a request", "request", stateOf(rc).id, "panic", v, "stack", string(debug.Stack()))
				s.writeProblem(rc, problem.From(errors.New("panic")))
			}
		}()
		if !slices.Contains(fiber.DefaultMethods, string(rc.Method())) {
			s.writeProblem(rc, problem.New(schema.CodeUnimplemented, "This server does not know the method of the request."))
			return
		}
		next(rc)
	}
}

// unreadable answers requests that could not be read. Whose connection has broken is not told so by a 502.
func (s *Server) unreadable(next func(*fasthttp.RequestCtx, error)) func(*fasthttp.RequestCtx, error) {
	return func(rc *fasthttp.RequestCtx, err error) {
		lingerFor(rc)
		s.cors.mark(rc)
		defer s.seal(rc)
		var broken *net.OpError
		if errors.As(err, &broken) && !broken.Timeout() {
			err = fiber.NewError(fiber.StatusBadRequest, err.Error())
		}
		next(rc, err)
	}
}

// seal sets the headers that every answer has.
func (s *Server) seal(rc *fasthttp.RequestCtx) {
	h := &rc.Response.Header
	h.Set(HeaderRequestID, stateOf(rc).id)
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderCacheControl, "no-store") // what one caller sees is not for another
	if s.draining.Load() || last(rc) {
		rc.SetConnectionClose()
	}
}

// last reports whether the server leaves, and the connection of an answer cannot move. An upgrade is not the end of it.
func last(rc *fasthttp.RequestCtx) bool {
	c := handover.Of(rc.Conn())
	return c != nil && c.Last() && rc.Response.StatusCode() != fiber.StatusSwitchingProtocols
}

// router is the app as huma sees it: behind a guard, once there is one, and with a HEAD for every GET.
type router struct {
	fiber.Router
	guard fiber.Handler
}

func (r *router) Add(method, path string, handlers ...fiber.Handler) fiber.Router {
	if r.guard != nil {
		handlers = append([]fiber.Handler{r.guard}, handlers...)
	}
	if method == fiber.MethodGet {
		r.Router.Add(fiber.MethodHead, path, handlers...)
	}
	return r.Router.Add(method, path, handlers...)
}

// Groups of operations in the document.
const (
	tagAgents = "Agents"
	tagChat   = "Chat"
	tagMemory = "Memory"
	tagEvents = "Events"
	tagServer = "Server"
)

const securityScheme = "token"

func newHuma(r fiber.Router, transform huma.Transformer) huma.API {
	config := huma.DefaultConfig("stagehouse API", Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // the hook adds links to schemas that are not served
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	config.Formats = map[string]huma.Format{"application/json": format, "json": format}
	config.Transformers = []huma.Transformer{transform}
	config.Info.Description = "Agents of any runtime over REST and a WebSocket. Errors are RFC 9457 problem documents."
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Tags = []*huma.Tag{
		{Name: tagAgents, Description: "Look at agents, change, start and stop them"},
		{Name: tagChat, Description: "Talk to agents"},
		{Name: tagMemory, Description: "What agents remember"},
		{Name: tagEvents, Description: "What happens"},
		{Name: tagServer, Description: "The server itself"},
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityScheme: {Type: "http", Scheme: "bearer", Description: "A token of the host: `stagehouse token create`"},
	}
	registerAliases(config.Components.Schemas)
	api := humafiber.NewV2WithGroup(nil, r, config)
	api.UseMiddleware(negotiate, strict(api))
	return api
}

// negotiate decides what kind of answer the client likes best, for the one route that has two; all others are JSON whatever
// it accepts. huma must not see the header: it would choose from a list of one, and panics on "a, ;=,".
func negotiate(ctx huma.Context, next func(huma.Context)) {
	c := humafiber.UnwrapV2(ctx)
	stateOf(c.Context()).accepts = c.Accepts(fiber.MIMEApplicationJSON, eventStream)
	c.Request().Header.Del(fiber.HeaderAccept)
	next(ctx)
}

// unmarshal is json.Unmarshal, except that a number which fits no float64 is none the worse for it: what is free-form is
// passed through digit by digit, and huma looks at numbers only to compare them with bounds.
func unmarshal(data []byte, v any) error {
	into, ok := v.(*any)
	if !ok {
		return json.Unmarshal(data, v)
	}
	d := json.NewDecoder(bytes.NewReader(data)) // checkBody has seen that nothing follows
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	*into = withFloats(*into)
	return nil
}

func withFloats(v any) any {
	switch t := v.(type) {
	case json.Number:
		f, _ := t.Float64() // infinite if it is out of range
		return f
	case map[string]any:
		for k, e := range t {
			t[k] = withFloats(e)
		}
	case []any:
		for i, e := range t {
			t[i] = withFloats(e)
		}
	}
	return v
}

// operation is what the routes have in common.
func operation(id, method, path, tag, summary string, codes ...schema.ErrorCode) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary,
		Security:        []map[string][]string{{securityScheme: {}}},
		MaxBodyBytes:    -1, // Fiber has counted already
		BodyReadTimeout: -1, // and has the whole body before a handler runs
		Metadata:        map[string]any{codesKey: codes},
	}
}

const (
	codesKey = "codes"
	etagKey  = "etag" // true: the answer has an ETag
)

// tagged says that what an operation answers has an ETag.
func tagged(op huma.Operation) huma.Operation {
	op.Metadata[etagKey] = true
	return op
}

// conditional reports whether an operation knows If-None-Match.
func conditional(op huma.Operation) bool { return op.Metadata[etagKey] == true }

// register adds an operation whose calls to the host have a deadline, and whose errors are problems.
func register[I, O any](api huma.API, op huma.Operation, timeout time.Duration, handler func(context.Context, *I) (*O, error)) {
	codes, _ := op.Metadata[codesKey].([]schema.ErrorCode)
	if slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, op.Method) {
		codes = append(codes, schema.CodeKeyReused)
		op.Parameters = append(op.Parameters, onceParameter())
	}
	if conditional(op) {
		op.Parameters = append(op.Parameters, noneMatchParameter())
	}
	responses := problemResponses(api.OpenAPI().Components.Schemas, codes)
	if conditional(op) {
		responses["304"] = &huma.Response{Description: "Not Modified: you have it already"}
	}
	maps.Copy(responses, op.Responses) // what the route describes itself
	op.Responses = responses
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
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
	if op.Method == http.MethodPatch {
		content := api.OpenAPI().Paths[op.Path].Patch.RequestBody.Content
		content[mergePatch] = content[fiber.MIMEApplicationJSON] // huma reads whatever ends in +json
	}
}

// mergePatch is the media type of what changes a thing, see RFC 7396.
const mergePatch = "application/merge-patch+json"

// OpenAPI returns the OpenAPI 3.1 document of the API: the one that is served at /openapi.json.
func OpenAPI() []byte {
	s := New()
	s.prepare(context.Background(), schema.Services{}, slog.New(slog.DiscardHandler))
	rc := &fasthttp.RequestCtx{}
	rc.Request.Header.SetMethod(http.MethodGet)
	rc.Request.SetRequestURI("/openapi.json")
	s.app.Handler()(rc)
	return bytes.Clone(rc.Response.Body())
}

func marshalOpenAPI(api huma.API) []byte {
	schemas := api.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma registers its own model of an error, whether it is used or not
	delete(schemas, "ErrorDetail")
	for name, model := range schemas {
		if !slices.Contains([]string{"CreateAgentBody", "SendBody", "RouteBody", "StoreMemoryBody", "CreateConversationBody"}, name) {
			model.AdditionalProperties = nil // clients must not mind what a later version adds to an answer
		}
	}
	b, err := json.MarshalIndent(api.OpenAPI(), "", "  ")
	if err != nil {
		panic("api: encode the OpenAPI document: " + err.Error()) // it is the same at every start
	}
	return append(b, '\n')
}

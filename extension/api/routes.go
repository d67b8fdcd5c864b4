package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"runtime/debug"
	"slices"

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
	for _, of := range []struct {
		service  string
		register func(huma.API)
	}{
		{schema.ServiceAgents, s.registerAgents}, {schema.ServiceChat, s.registerChat}, {schema.ServiceChat, s.registerRuns},
		{schema.ServiceChat, s.registerConversations}, {schema.ServiceMemory, s.registerMemory}, {schema.ServiceEvents, s.registerEvents},
		{schema.ServiceUsage, s.registerUsage},
	} {
		if s.offers(of.service) {
			of.register(api)
		} else { // the routes are there, and in no document
			of.register(newHuma(&router{Router: app, guard: s.guard, instead: refuseAbsent(of.service)}, s.transformError))
		}
	}
	s.registerSocket(app, api.OpenAPI())
	describeDocument(api.OpenAPI())
	s.onlyOffered(api.OpenAPI())
	document := marshalOpenAPI(api.OpenAPI())
	app.Get("/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document)
	})
	serveDocs(app, document, s.asyncAPI)
	return app
}

// registerSocket adds the WebSocket and its document. Where there are no events there is nothing that it could tell.
func (s *Server) registerSocket(app fiber.Router, doc *huma.OpenAPI) {
	if !s.offers(schema.ServiceEvents) {
		app.Get("/ws", refuseAbsent(schema.ServiceEvents))
		app.Get(asyncAPIPath, refuseAbsent(schema.ServiceEvents))
		return
	}
	app.Get("/ws", s.upgrade)
	describeSocket(doc)
	s.serveAsyncAPI(app, doc)
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
	if len(h.Peek(fiber.HeaderCacheControl)) == 0 {
		h.Set(fiber.HeaderCacheControl, "no-store") // what one caller sees is not for another
	}
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
	guard   fiber.Handler
	instead fiber.Handler // nil = the handlers themselves answer
}

func (r *router) Add(method, path string, handlers ...fiber.Handler) fiber.Router {
	if r.instead != nil {
		handlers = []fiber.Handler{r.instead}
	}
	if r.guard != nil {
		handlers = append([]fiber.Handler{r.guard}, handlers...)
	}
	if method == fiber.MethodGet {
		r.Router.Add(fiber.MethodHead, path, handlers...)
	}
	return r.Router.Add(method, path, handlers...)
}

func newHuma(r fiber.Router, transform huma.Transformer) huma.API {
	config := huma.DefaultConfig("stagehouse API", Version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // the hook adds links to schemas that are not served
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshal}
	config.Formats = map[string]huma.Format{"application/json": format, "json": format}
	config.Transformers = []huma.Transformer{transform}
	describe(&config)
	registerAliases(config.Components.Schemas)
	api := humafiber.NewV2WithGroup(nil, r, config)
	api.UseMiddleware(negotiate, announce, strict(api))
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

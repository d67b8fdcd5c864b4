package api

import (
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/asyncapi"
	"github.com/stagehouse/stagehouse/schema"
)

const asyncAPIPath = "/asyncapi.json"

// AsyncAPI returns the AsyncAPI 3.0 document of the WebSocket: the one that is served at /asyncapi.json where the runtime offers
// everything.
func AsyncAPI() []byte { return asyncAPI(func(string) bool { return true }) }

func asyncAPI(offers func(service string) bool) []byte {
	r := huma.NewMapRegistry(asyncapi.SchemasAt, huma.DefaultSchemaNamer)
	registerAliases(r)
	return asyncapi.Document(Version, r, offers)
}

// asyncAPI returns the document of this server; nil where it has no WebSocket.
func (s *Server) asyncAPI() []byte {
	if !s.offers(schema.ServiceEvents) {
		return nil
	}
	return asyncAPI(s.offers)
}

// serveAsyncAPI serves the document to everybody, and says so in that of the REST side.
func (s *Server) serveAsyncAPI(app fiber.Router, doc *huma.OpenAPI) {
	document := sync.OnceValue(s.asyncAPI) // when somebody asks: a server that takes another one's place has no time to lose
	app.Get(asyncAPIPath, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document())
	})
	describeFile(doc, "get-asyncapi", asyncAPIPath, "asyncapi", asyncapi.FormatVersion, "Get the contract of the WebSocket",
		"Every frame of the WebSocket, with its JSON Schema, as AsyncAPI 3.0. It is the same for everybody, and needs no token.")
}

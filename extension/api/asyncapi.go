package api

import (
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/asyncapi"
)

// AsyncAPI returns the AsyncAPI 3.0 document of the WebSocket: the one that is served at /asyncapi.json.
func AsyncAPI() []byte {
	r := huma.NewMapRegistry(asyncapi.SchemasAt, huma.DefaultSchemaNamer)
	registerAliases(r)
	return asyncapi.Document(Version, r)
}

// serveAsyncAPI serves the document to everybody, and says so in that of the REST side.
func serveAsyncAPI(app fiber.Router, doc *huma.OpenAPI) {
	const path = "/asyncapi.json"
	document := sync.OnceValue(AsyncAPI) // when somebody asks: a server that takes another one's place has no time to lose
	app.Get(path, func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(document())
	})
	describeFile(doc, "get-asyncapi", path, "asyncapi", asyncapi.FormatVersion, "Get the contract of the WebSocket",
		"Every frame of the WebSocket, with its JSON Schema, as AsyncAPI 3.0. It is the same for everybody, and needs no token.")
}

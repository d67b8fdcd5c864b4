package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// introduction is what the document says before anything else, as Markdown.
const introduction = `Agents of any runtime over REST and a WebSocket.

**Tokens.** Every route but the open ones needs ` + "`Authorization: Bearer <token>`" + `, unless the server is configured without authentication. A token has
scopes, each of which covers the one before: ` + "`read`, `chat`, `admin`" + `. What may not be seen is not found (404); what may be seen and not done is forbidden (403).

**Errors** are problem documents (RFC 9457) with a stable ` + "`code`" + `, also those that HTTP itself comes to before any route does: 400, 405, 408, 413 and 431.

**Sending again.** POST, PUT and PATCH heed an ` + "`Idempotency-Key`" + `; GET and DELETE may be repeated as they are.

**Pages.** A list has a ` + "`nextCursor`, \"\"" + ` at its end; pass it as ` + "`cursor`" + `, with everything else as it was. The ` + "`Link`" + ` header has the same as whole paths.

**Changes.** ` + "`ETag`" + ` is a revision: ` + "`If-Match`" + ` makes a change fail (412) if there has been another one, ` + "`If-None-Match`" + ` makes a GET answer 304.

**Later versions** may add members to answers, values to enumerations of answers, and types of events: ignore what you do not know. Every GET is a HEAD, too.`

// describe says what the document is about, beside its routes.
func describe(config *huma.Config) {
	config.Info.Description = introduction
	config.Info.Contact = &huma.Contact{Name: "stagehouse", URL: "https://github.com/stagehouse/stagehouse"}
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Servers = []*huma.Server{{URL: "/", Description: "The server that this document comes from"}}
	config.Tags = []*huma.Tag{
		{Name: tagAgents, Description: "Look at agents; create, change, start, stop and delete them"},
		{Name: tagChat, Description: "Talk to agents: messages, the turns (runs) that they begin, and the conversations that they are part of"},
		{Name: tagMemory, Description: "What agents remember"},
		{Name: tagEvents, Description: "What happens, in the order of the event log"},
		{Name: tagUsage, Description: "What models have used, and what that has cost"},
		{Name: tagServer, Description: "The server itself: whether it is well, and what it offers"},
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		securityScheme: {
			Type: "http", Scheme: "bearer",
			Description: "A token of the host, made by `stagehouse token create`. Every operation names the scope that it needs (`x-scope`); `admin` covers `chat`, which covers `read`. Not needed where the " +
				"server is configured without authentication.",
		},
	}
	config.Components.Headers = headers()
	config.Components.Responses = map[string]*huma.Response{}
	config.Components.Parameters = map[string]*huma.Param{}
	config.Components.Examples = map[string]*huma.Example{}
}

// describeSocket adds the WebSocket, whose handshake is no operation as OpenAPI knows them: none of its answers is a 2xx.
func describeSocket(doc *huma.OpenAPI) {
	doc.Paths["/ws"] = &huma.PathItem{
		Summary: "Open a WebSocket",
		Description: "GET with the handshake of RFC 6455, version 13, is answered by 101; then both sides send JSON objects, one a frame; `/asyncapi.json` describes them. A good token in " +
			"`Authorization` authenticates the socket; without one, the first frame is `auth`. It is refused with a problem document: 401 (a bad token), 403 (a page " +
			"of another origin), 426 (not a handshake), 429, 503 (all sockets are taken).",
	}
}

// describeFile adds an open route that serves a contract as JSON: a document in a format, of which it says the version first.
func describeFile(doc *huma.OpenAPI, id, path, format, version, summary, description string) {
	responses := problemResponses(doc.Components, []schema.ErrorCode{
		schema.CodeMalformed, schema.CodeRateLimited, schema.CodeInternal, schema.CodeUnavailable,
	})
	responses["200"] = &huma.Response{
		Description: http.StatusText(http.StatusOK),
		Headers: map[string]*huma.Param{
			HeaderRequestID: headerRef(HeaderRequestID), headerRateLimit: headerRef(headerRateLimit), headerRateLimitPolicy: headerRef(headerRateLimitPolicy),
		},
		Content: map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {
			Schema: &huma.Schema{
				Type: huma.TypeObject, AdditionalProperties: true, Required: []string{format, "info"},
				Properties: map[string]*huma.Schema{
					format: {Type: huma.TypeString, Description: "The version of the format"},
					"info": {Type: huma.TypeObject, AdditionalProperties: true, Description: "What the document is about, and its version"},
				},
			},
			Examples: shown(doc.Components, []example{{"Document-" + format, "The beginning of the document", schema.Object{
				format: version, "info": schema.Object{"title": doc.Info.Title, "version": doc.Info.Version},
			}}}),
		}},
	}
	doc.AddOperation(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagServer}, Summary: summary, Description: description,
		Security: []map[string][]string{}, Responses: responses,
	})
}

// describeDocument adds the document itself.
func describeDocument(doc *huma.OpenAPI) {
	describeFile(doc, "get-openapi", "/openapi.json", "openapi", doc.OpenAPI, "Get this document",
		"The contract of this server as OpenAPI 3.1. It is the same for everybody, and needs no token.")
}

// codeTable lists the error codes, as Markdown.
func codeTable() string {
	var b strings.Builder
	b.WriteString("Stable name of the kind of error; depend on it, and not on the texts.\n\n| code | status | retryable |\n|---|---|---|\n")
	for _, c := range schema.ErrorCodes() {
		again := "no"
		if c.Retryable() {
			again = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s |\n", c, c.HTTPStatus(), again)
	}
	return b.String()
}

// onlyOffered leaves out of the document what is about services that are absent.
func (s *Server) onlyOffered(doc *huma.OpenAPI) {
	doc.Tags = slices.DeleteFunc(doc.Tags, func(t *huma.Tag) bool {
		service, ok := serviceOf(t.Name)
		return ok && !s.offers(service)
	})
	var absent []string
	for _, service := range schema.ServiceNames() {
		if service != schema.ServiceIdentity && !s.offers(service) {
			absent = append(absent, service)
		}
	}
	if len(absent) > 0 {
		doc.Info.Description += "\n\n**This server** has a runtime behind it that does not offer: " + strings.Join(absent, ", ") + ". Requests about that are answered by 501, `unimplemented`."
	}
}

// serviceOf returns the service that the operations of a group call; ok is false if it is none.
func serviceOf(tag string) (service string, ok bool) {
	service, ok = map[string]string{
		tagAgents: schema.ServiceAgents, tagChat: schema.ServiceChat, tagMemory: schema.ServiceMemory, tagEvents: schema.ServiceEvents,
		tagUsage: schema.ServiceUsage,
	}[tag]
	return service, ok
}

// OpenAPI returns the OpenAPI 3.1 document of the API: the one that is served at /openapi.json where the runtime offers everything.
func OpenAPI() []byte {
	s := New()
	s.prepare(context.Background(), complete(schema.Services{}), slog.New(slog.DiscardHandler))
	rc := &fasthttp.RequestCtx{}
	rc.Request.Header.SetMethod(http.MethodGet)
	rc.Request.SetRequestURI("/openapi.json")
	s.app.Handler()(rc)
	return bytes.Clone(rc.Response.Body())
}

func marshalOpenAPI(doc *huma.OpenAPI) []byte {
	schemas := doc.Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma registers its own model of an error, whether it is used or not
	delete(schemas, "ErrorDetail")
	for name, model := range schemas {
		if model.AdditionalProperties == false && !strings.HasSuffix(name, "Body") && !strings.HasSuffix(name, "Patch") {
			model.AdditionalProperties = nil // clients must not mind what a later version adds to an answer
		}
	}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Patch, item.Delete} {
			if op != nil {
				tidy(op)
			}
		}
	}
	b, all := encodeOpenAPI(doc), len(doc.Components.Headers)
	maps.DeleteFunc(doc.Components.Headers, func(name string, _ *huma.Header) bool {
		return !bytes.Contains(b, []byte(`"#/components/headers/`+name+`"`)) // of what is not offered
	})
	if len(doc.Components.Headers) < all {
		return encodeOpenAPI(doc)
	}
	return b
}

func encodeOpenAPI(doc *huma.OpenAPI) []byte {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		panic("api: encode the OpenAPI document: " + err.Error()) // it is the same at every start
	}
	return append(b, '\n')
}

// tidy moves to the parameters and headers of an operation what huma says of their schemas, which readers do not look at.
func tidy(op *huma.Operation) {
	all := slices.Clone(op.Parameters)
	for _, r := range op.Responses {
		all = slices.AppendSeq(all, maps.Values(r.Headers))
		for _, name := range []string{fiber.HeaderETag, fiber.HeaderLocation} {
			if h := r.Headers[name]; h != nil && h.Ref == "" {
				h.Required = true // an answer that can have it, has it
			}
		}
	}
	for _, p := range all {
		if p.Schema == nil {
			continue
		}
		p.Description, p.Schema.Description = cmp.Or(p.Description, p.Schema.Description), ""
		if len(p.Schema.Examples) > 0 {
			p.Example, p.Schema.Examples = p.Schema.Examples[0], nil
		}
	}
}

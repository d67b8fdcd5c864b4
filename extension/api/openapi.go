package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// registerAliases tells huma what types look like that encode themselves.
func registerAliases(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[schema.Brain](), reflect.TypeFor[brainDoc]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.Object](), reflect.TypeFor[objectDoc]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.ErrorCode](), reflect.TypeFor[codeDoc]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.Event](), reflect.TypeFor[event]())
}

// named keeps a schema that a type describes itself among the others, and returns a reference to it.
func named(r huma.Registry, name string, s *huma.Schema) *huma.Schema {
	s.PrecomputeMessages()
	r.Map()[name] = s
	return &huma.Schema{Ref: "#/components/schemas/" + name}
}

type brainDoc struct{}

// Schema implements huma.SchemaProvider.
func (brainDoc) Schema(huma.Registry) *huma.Schema { return brainSchema() }

func brainSchema() *huma.Schema {
	return &huma.Schema{
		Description: "What thinks for the agent: a provider's name, or an object with the provider's options beside it",
		Examples:    []any{"builtin"},
		OneOf: []*huma.Schema{
			{Type: huma.TypeString},
			{
				Type: huma.TypeObject, Required: []string{"provider"}, AdditionalProperties: true,
				Properties: map[string]*huma.Schema{"provider": {Type: huma.TypeString}},
			},
		},
	}
}

type objectDoc struct{}

// Schema implements huma.SchemaProvider.
func (objectDoc) Schema(huma.Registry) *huma.Schema { return objectSchema() }

func objectSchema() *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "A free-form JSON object"}
}

type codeDoc struct{}

// Schema implements huma.SchemaProvider.
func (codeDoc) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString, Description: codeTable()}
	for _, c := range schema.ErrorCodes() {
		s.Enum = append(s.Enum, string(c))
	}
	return s
}

// eventsResponse describes the two forms of an answer with events.
func eventsResponse(c *huma.Components) *huma.Response {
	return &huma.Response{
		Description: http.StatusText(http.StatusOK) + ": a page of events, or the events as they happen",
		Content: map[string]*huma.MediaType{
			fiber.MIMEApplicationJSON: {
				Schema:   c.Schemas.Schema(reflect.TypeFor[eventsPage](), true, "EventsPage"),
				Examples: shown(c, []example{exampleEventsPage()}),
			},
			eventStream: {
				Schema: &huma.Schema{
					Type: huma.TypeString,
					Description: "Server-sent events. The first one is named `subscribed`; its data is {type, agents, events, head}. Every event of the " +
						"log has no name, its id as the id, and the JSON of an Event as its data; so has a gap, whose data is {type: \"gap\", requested, " +
						"firstAvailable, head}. Comments come every 15 seconds, and last of all, to say why the stream ends.",
				},
				Examples: shown(c, []example{exampleEventStream()}),
			},
		},
	}
}

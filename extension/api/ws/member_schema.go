package ws

import (
	"fmt"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// What follows says of one member each what it may be, as far as a JSON Schema can. Its patterns mean the same in every
// dialect of regular expressions.

func textSchema(about string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, MinLength: new(1), Description: about}
}

// idSchema is schema.ValidID.
func idSchema(about string) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Description: about, MaxLength: new(schema.MaxIDBytes),
		Pattern: `^([A-Za-z0-9_~:-]|\.[A-Za-z0-9_~:-]|\.\.[A-Za-z0-9._~:-])[A-Za-z0-9._~:-]*$`, // not "." and not ".."
	}
}

// clientIDSchema is what readID reads.
func clientIDSchema() *huma.Schema {
	return &huma.Schema{
		Description: fmt.Sprintf("Your name for the command; it comes back on the answer. At most %d bytes, or characters of a number", maxClientID),
		AnyOf:       []*huma.Schema{{Type: huma.TypeString, MaxLength: new(maxClientID)}, {Type: huma.TypeNumber}},
	}
}

// placeSchema is schema.ParseCursor, but for the largest number there is.
func placeSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: `^[0-9a-z]{1,64}-(0|[1-9][0-9]{0,19})$`,
		Description: "A place in the event log that the server has named: the `id` of an event, or the `head` of a `subscribed` frame",
	}
}

func agentsSchema(about string) *huma.Schema {
	every := &huma.Schema{Type: huma.TypeString, Const: everything}
	return &huma.Schema{
		Type: huma.TypeArray, Description: about,
		Items: &huma.Schema{AnyOf: []*huma.Schema{every, idSchema("The id of an agent")}},
	}
}

func eventsSchema() *huma.Schema {
	names := &huma.Schema{Type: huma.TypeString}
	for _, name := range slices.Sorted(maps.Keys(newCatalogue().names)) {
		names.Enum = append(names.Enum, name)
	}
	return &huma.Schema{
		Type: huma.TypeArray, Items: names,
		Description: "Only these events: in full (`agent:thought`), short (`thought`), or by family (`chat:*`). Absent, or with `*` in it: all",
	}
}

func messageSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, MinLength: new(1), MaxLength: new(schema.MaxMessageBytes), Pattern: `\S`,
		Description: fmt.Sprintf("What you say, at most %d bytes of UTF-8", schema.MaxMessageBytes),
	}
}

func conversationSchema() *huma.Schema {
	return idSchema("The conversation to go on with; one that you have not used yet begins. Absent: a new one")
}

func contextSchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: true,
		Description: fmt.Sprintf("Hints for routing (`skill`, `skills`) and for the agent, at most %d bytes of JSON", schema.MaxObjectBytes),
	}
}

func onBusySchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Enum: []any{schema.BusyEnqueue, schema.BusyReject, schema.BusyInterrupt}, Default: schema.BusyEnqueue,
		Description: "What becomes of the message while another turn of its conversation is unfinished: it waits, is refused, or takes that one's place",
	}
}

func keySchema() *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, MinLength: new(1), MaxLength: new(schema.MaxOnceBytes), Pattern: `\S`,
		Description: fmt.Sprintf("Has the command happen once, however often it is sent within a day; at most %d bytes", schema.MaxOnceBytes),
	}
}

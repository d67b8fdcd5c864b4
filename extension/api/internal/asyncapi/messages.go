package asyncapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
)

// builder collects what the operations speak of.
type builder struct {
	registry huma.Registry
	offers   func(service string) bool
	messages map[string]message
	schemas  map[string]*huma.Schema // of the messages
}

// operations returns what the server receives, and what it sends without being asked.
func (b *builder) operations() map[string]operation {
	ops := map[string]operation{}
	for _, c := range ws.Commands() {
		if c.Service != "" && !b.offers(c.Service) {
			continue
		}
		b.addCommand(c)
		ops[keyOf(c.Type)] = operation{
			Action: "receive", Channel: to("channels", socket), Title: c.About, Summary: c.About, Tags: tagged(tagCommands),
			Description: c.Detail + "\n\nErrors: " + codeList(c.Codes) + ".",
			Messages:    sent(c.Type), Reply: &reply{to("channels", socket), sent(c.Answers...)}, ErrorCodes: c.Codes,
		}
	}
	var frames []string
	for _, f := range ws.Frames() {
		if f.Service != "" && !b.offers(f.Service) {
			continue
		}
		b.addFrame(f)
		if f.Unasked {
			frames = append(frames, f.Type)
		}
	}
	var events []string
	for _, k := range schema.EventKinds() {
		if !b.happens(k.Type) {
			continue
		}
		b.addEvent(k)
		events = append(events, string(k.Type))
	}
	ops["events"] = operation{
		Action: "send", Channel: to("channels", socket), Title: "Tell what happens", Summary: "Tell what happens", Tags: tagged(tagEvents),
		Description: "The events that the socket has subscribed to, and those of the turns that it has begun.", Messages: sent(events...),
	}
	ops["session"] = operation{
		Action: "send", Channel: to("channels", socket), Title: "Begin and end", Summary: "Begin and end the session", Tags: tagged(tagSocket),
		Description: "What the server says of itself about the socket: how it begins, and how it is going to end.", Messages: sent(frames...),
	}
	return ops
}

// happens reports whether there can be events of a type: those of turns come from chat, and those of agents from either.
func (b *builder) happens(t schema.EventType) bool {
	switch family, _, _ := strings.Cut(string(t), ":"); family {
	case "chat":
		return b.offers(schema.ServiceChat)
	case "agent":
		return b.offers(schema.ServiceAgents) || b.offers(schema.ServiceChat)
	}
	return true
}

// addCommand adds the message that a command is.
func (b *builder) addCommand(c ws.Command) {
	b.add(message{
		Name: c.Type, Summary: c.About, Description: c.Detail, Tags: tagged(tagCommands), Examples: []example{{c.Type, c.Example}},
	}, "Command", c.Schema)
}

// addFrame adds the message that an answer of the server is, or what it says by itself.
func (b *builder) addFrame(f ws.Frame) {
	model := b.frameSchema(f)
	m := message{Name: f.Type, Summary: f.About, Tags: tagged(tagCommands), Examples: []example{{f.Type, f.Example}}}
	if f.Unasked {
		m.Tags = tagged(tagCommands, tagSocket)
	}
	if model.Properties["code"] != nil {
		m.Description = errorCodes()
	}
	b.add(m, "Frame", model)
}

// addEvent adds the message that an event is.
func (b *builder) addEvent(k schema.EventKind) {
	b.add(message{
		Name: string(k.Type), Summary: k.About, Tags: tagged(tagEvents), Examples: []example{{string(k.Type), exampleOf(k)}},
	}, "Event", b.eventSchema(k))
}

// add names a message and its payload. A command has an id, and what answers it the same one; that of an event is another.
func (b *builder) add(m message, suffix string, payload *huma.Schema) {
	key := keyOf(m.Name)
	name := strings.ToUpper(key[:1]) + key[1:] + suffix
	m.Title, m.Payload = m.Name, ref{SchemasAt + name}
	if payload.Properties["id"] != nil && suffix != "Event" {
		id := to("components", "correlationIds", correlation)
		m.CorrelationID = &id
	}
	b.messages[key], b.schemas[name] = m, payload
}

func tagged(names ...string) []ref {
	refs := make([]ref, len(names))
	for i, n := range names {
		refs[i] = to("components", "tags", n)
	}
	return refs
}

// channelMessages refers to every message.
func (b *builder) channelMessages() map[string]ref {
	refs := map[string]ref{}
	for key := range b.messages {
		refs[key] = to("components", "messages", key)
	}
	return refs
}

// sent refers to messages as those of the channel.
func sent(types ...string) []ref {
	refs := make([]ref, len(types))
	for i, t := range types {
		refs[i] = to("channels", socket, "messages", keyOf(t))
	}
	return refs
}

// keyOf returns the name of a type of frame as a key may be: "chat:message" is chatMessage.
func keyOf(kind string) string {
	family, rest, ok := strings.Cut(kind, ":")
	if !ok {
		return kind
	}
	return family + strings.ToUpper(rest[:1]) + rest[1:]
}

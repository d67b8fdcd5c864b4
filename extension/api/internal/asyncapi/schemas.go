package asyncapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
)

// registerEnums tells the registry which values types of text have.
func registerEnums(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[schema.RunStatus](), reflect.TypeFor[runStatus]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.AgentStatus](), reflect.TypeFor[agentStatus]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.Scope](), reflect.TypeFor[scope]())
	r.RegisterTypeAlias(reflect.TypeFor[schema.EventType](), reflect.TypeFor[eventType]())
}

type (
	runStatus   struct{}
	agentStatus struct{}
	scope       struct{}
	eventType   struct{}
)

// Schema implements huma.SchemaProvider.
func (runStatus) Schema(huma.Registry) *huma.Schema { return enum(schema.RunStatuses()) }

// Schema implements huma.SchemaProvider.
func (agentStatus) Schema(huma.Registry) *huma.Schema { return enum(schema.AgentStatuses()) }

// Schema implements huma.SchemaProvider.
func (scope) Schema(huma.Registry) *huma.Schema { return enum(schema.Scopes()) }

// Schema implements huma.SchemaProvider.
func (eventType) Schema(huma.Registry) *huma.Schema { return enum(schema.EventTypes()) }

func enum[T ~string](values []T) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// allSchemas returns those of the messages, and those that they refer to. What the server sends is open: clients must not mind
// what a later version adds.
func (b *builder) allSchemas() map[string]*huma.Schema {
	all := b.registry.Map()
	for _, s := range all {
		s.AdditionalProperties = nil
	}
	maps.Copy(all, b.schemas)
	for _, s := range all {
		for name, p := range s.Properties {
			s.Properties[name] = aside(p)
		}
	}
	return all
}

// aside moves a reference that has a description away from it: what stands beside a $ref counts for nothing.
func aside(s *huma.Schema) *huma.Schema {
	if s.Ref == "" || s.Description == "" {
		return s
	}
	return &huma.Schema{Description: s.Description, AllOf: []*huma.Schema{{Ref: s.Ref}}}
}

// frameSchema is made of the struct that is sent.
func (b *builder) frameSchema(f ws.Frame) *huma.Schema {
	s := huma.SchemaFromType(b.registry, reflect.TypeOf(f.Example))
	s.AdditionalProperties, s.Description = nil, f.About
	s.Properties["type"] = constant(f.Type)
	if s.Properties["id"] != nil { // which is sent back as it came
		s.Properties["id"] = &huma.Schema{
			Description: "That of the command",
			AnyOf:       []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeNumber}},
		}
	}
	return s
}

func constant(value string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Const: value}
}

// envelope is what events have in common. Their payload stands beside it.
type envelope struct {
	Type           string    `json:"type"`
	ID             string    `json:"id" doc:"Its place in the event log: a cursor"`
	Seq            uint64    `json:"seq" doc:"The number in the id; absent where that is 0"`
	PrevSeq        uint64    `json:"prevSeq,omitempty" doc:"The seq of the place that you hold if you have missed nothing. Absent from events that are no place to resume from, and from pages of GET /api/events"`
	AgentID        string    `json:"agentId,omitempty" doc:"The agent that it is about"`
	ConversationID string    `json:"conversationId,omitempty" doc:"The conversation that it is part of"`
	RunID          string    `json:"runId,omitempty" doc:"The turn that it is part of"`
	Time           time.Time `json:"time" doc:"When it happened"`
}

// eventSchema joins the envelope with the payload.
func (b *builder) eventSchema(k schema.EventKind) *huma.Schema {
	s := huma.SchemaFromType(b.registry, reflect.TypeFor[envelope]())
	payload := huma.SchemaFromType(b.registry, reflect.TypeOf(k.Example))
	s.AdditionalProperties, s.Description = nil, k.About
	s.Properties["type"] = constant(string(k.Type))
	without := func(names ...string) {
		s.Required = slices.DeleteFunc(s.Required, func(n string) bool { return slices.Contains(names, n) })
	}
	switch family, _, _ := strings.Cut(string(k.Type), ":"); {
	case k.Type == schema.EventGap: // it stands for events, and is none
		without("seq", "time")
		for _, name := range []string{"prevSeq", "agentId", "conversationId", "runId"} {
			delete(s.Properties, name)
		}
	case k.Type.Terminal(): // it is told even when the log has it no more
		without("id", "seq")
		s.Required = append(s.Required, "agentId", "conversationId", "runId")
	case family == "chat":
		s.Required = append(s.Required, "agentId", "conversationId", "runId")
	case family == "agent":
		s.Required = append(s.Required, "agentId")
	default:
		for _, name := range []string{"agentId", "conversationId", "runId"} {
			delete(s.Properties, name)
		}
	}
	maps.Copy(s.Properties, payload.Properties)
	s.Required = append(s.Required, payload.Required...)
	return s
}

// exampleOf returns an event as a socket sends it.
func exampleOf(k schema.EventKind) json.RawMessage {
	e := schema.Event{Type: k.Type, Cursor: schema.Cursor{Epoch: "5lx45goyxmyo3jhj", Seq: 1042}, Payload: schema.NewPayload(k.Example)}
	family, _, _ := strings.Cut(string(k.Type), ":")
	if family == "agent" || family == "chat" {
		e.AgentID = "nyx"
	}
	if family == "chat" {
		e.ConversationID, e.RunID = "conv_01k9zq3v7kx8w2r5t4y6u7b3na", "run_01k9zq3v7m4c2d8e6f5g1h0jkm"
	}
	if k.Type == schema.EventGap {
		return schema.NewPayload(e)
	}
	e.Time = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	b := schema.NewPayload(e)
	return append(strconv.AppendUint(append(b[:len(b)-1], `,"prevSeq":`...), e.Cursor.Seq-1, 10), '}')
}

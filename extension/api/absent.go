package api

import (
	"context"
	"iter"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// notOffered says that the runtime does not have a service, or that the host does not grant it. It stands in for every service
// that is absent, so that a call of one is an error and never a nil pointer.
type notOffered struct{ service string }

func (n notOffered) err() error {
	return schema.Errorf(schema.CodeUnimplemented, "the runtime behind this server does not offer the service %q; GET /openapi.json lists what there is", n.service)
}

type (
	noAgents struct{ notOffered }
	noChat   struct{ notOffered }
	noMemory struct{ notOffered }
	noEvents struct{ notOffered }
	noUsage  struct{ notOffered }
)

// complete returns s with something in the place of every service of a runtime that is absent.
func complete(s schema.Services) schema.Services {
	if s.Agents == nil {
		s.Agents = noAgents{notOffered{schema.ServiceAgents}}
	}
	if s.Chat == nil {
		s.Chat = noChat{notOffered{schema.ServiceChat}}
	}
	if s.Memory == nil {
		s.Memory = noMemory{notOffered{schema.ServiceMemory}}
	}
	if s.Events == nil {
		s.Events = noEvents{notOffered{schema.ServiceEvents}}
	}
	if s.Usage == nil {
		s.Usage = noUsage{notOffered{schema.ServiceUsage}}
	}
	return s
}

// offers reports whether a service is there.
func (s *Server) offers(service string) bool { return slices.Contains(s.offered, service) }

// refuseAbsent answers in the place of a route whose service is absent, once the guard has let the request through.
func refuseAbsent(service string) fiber.Handler {
	return func(*fiber.Ctx) error { return notOffered{service}.err() }
}

func (n noAgents) List(context.Context, schema.AgentQuery) (schema.AgentPage, error) {
	return schema.AgentPage{}, n.err()
}
func (n noAgents) Get(context.Context, string) (schema.Agent, error) { return schema.Agent{}, n.err() }
func (n noAgents) Create(context.Context, schema.NewAgent) (schema.Agent, error) {
	return schema.Agent{}, n.err()
}
func (n noAgents) Delete(context.Context, string, int64) error { return n.err() }
func (n noAgents) Update(context.Context, string, schema.AgentPatch) (schema.Agent, error) {
	return schema.Agent{}, n.err()
}
func (n noAgents) Start(context.Context, string) (schema.Agent, error) {
	return schema.Agent{}, n.err()
}
func (n noAgents) Stop(context.Context, string) (schema.Agent, error) { return schema.Agent{}, n.err() }

func (n noChat) Send(context.Context, schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) { yield(schema.ChatEvent{}, n.err()) }
}
func (n noChat) Route(context.Context, schema.RouteRequest) (schema.RouteDecision, error) {
	return schema.RouteDecision{}, n.err()
}
func (n noChat) Conversation(context.Context, schema.ConversationQuery) (schema.Conversation, error) {
	return schema.Conversation{}, n.err()
}
func (n noChat) Conversations(context.Context, schema.ConversationsQuery) (schema.ConversationPage, error) {
	return schema.ConversationPage{}, n.err()
}
func (n noChat) CreateConversation(context.Context, schema.NewConversation) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{}, n.err()
}
func (n noChat) UpdateConversation(context.Context, string, schema.ConversationPatch) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{}, n.err()
}
func (n noChat) DeleteConversation(context.Context, string, int64) error { return n.err() }
func (n noChat) Runs(context.Context, schema.RunsQuery) (schema.RunPage, error) {
	return schema.RunPage{}, n.err()
}
func (n noChat) Run(context.Context, string) (schema.Run, error)    { return schema.Run{}, n.err() }
func (n noChat) Cancel(context.Context, string) (schema.Run, error) { return schema.Run{}, n.err() }

func (n noMemory) Store(context.Context, schema.NewMemory) (schema.MemoryItem, error) {
	return schema.MemoryItem{}, n.err()
}
func (n noMemory) Search(context.Context, schema.MemoryQuery) ([]schema.MemoryHit, error) {
	return nil, n.err()
}
func (n noMemory) Get(context.Context, string, string) (schema.MemoryItem, error) {
	return schema.MemoryItem{}, n.err()
}
func (n noMemory) Delete(context.Context, string, string) error { return n.err() }

func (n noEvents) Subscribe(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) { yield(schema.Event{}, n.err()) }
}
func (n noEvents) Head(context.Context) (schema.Cursor, error) { return schema.Cursor{}, n.err() }

func (n noUsage) Report(context.Context, schema.UsageQuery) (schema.UsageReport, error) {
	return schema.UsageReport{}, n.err()
}

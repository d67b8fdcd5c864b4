package sdktest

import (
	"context"

	"github.com/stagehouse/stagehouse/schema"
)

// What a Host does not do. The services have these methods of their own where it does.
type (
	noAgents struct{}
	noChat   struct{}
	noMemory struct{}
)

func absent[T any](method string) (none T, err error) {
	return none, schema.Errorf(schema.CodeUnimplemented, "sdktest.Host does not do %s; give sdktest.Start services of your own", method)
}

func (noAgents) Create(context.Context, schema.NewAgent) (schema.Agent, error) {
	return absent[schema.Agent]("Agents.Create")
}

func (noAgents) Update(context.Context, string, schema.AgentPatch) (schema.Agent, error) {
	return absent[schema.Agent]("Agents.Update")
}

func (noAgents) Delete(context.Context, string, int64) error {
	_, err := absent[struct{}]("Agents.Delete")
	return err
}

func (noChat) Route(context.Context, schema.RouteRequest) (schema.RouteDecision, error) {
	return absent[schema.RouteDecision]("Chat.Route")
}

func (noChat) Conversation(context.Context, schema.ConversationQuery) (schema.Conversation, error) {
	return absent[schema.Conversation]("Chat.Conversation")
}

func (noChat) Conversations(context.Context, schema.ConversationsQuery) (schema.ConversationPage, error) {
	return absent[schema.ConversationPage]("Chat.Conversations")
}

func (noChat) CreateConversation(context.Context, schema.NewConversation) (schema.ConversationSummary, error) {
	return absent[schema.ConversationSummary]("Chat.CreateConversation")
}

func (noChat) UpdateConversation(context.Context, string, schema.ConversationPatch) (schema.ConversationSummary, error) {
	return absent[schema.ConversationSummary]("Chat.UpdateConversation")
}

func (noChat) DeleteConversation(context.Context, string, int64) error {
	_, err := absent[struct{}]("Chat.DeleteConversation")
	return err
}

func (noChat) Runs(context.Context, schema.RunsQuery) (schema.RunPage, error) {
	return absent[schema.RunPage]("Chat.Runs")
}

func (noChat) Run(context.Context, string) (schema.Run, error) {
	return absent[schema.Run]("Chat.Run")
}

func (noChat) Cancel(context.Context, string) (schema.Run, error) {
	return absent[schema.Run]("Chat.Cancel")
}

func (noMemory) Get(context.Context, string, string) (schema.MemoryItem, error) {
	return absent[schema.MemoryItem]("Memory.Get")
}

func (noMemory) Delete(context.Context, string, string) error {
	_, err := absent[struct{}]("Memory.Delete")
	return err
}

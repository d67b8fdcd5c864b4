package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	conversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation"`
		Since          string `query:"since" doc:"Id of a message: only those after it, in order. Not with cursor"`
		Paging
	}
	conversationOutput struct {
		ETag string `header:"ETag" doc:"The revision of the conversation, quoted"`
		Links
		Body schema.Conversation
	}

	conversationsInput struct {
		Text     string `query:"q" doc:"Only conversations that have each of these words in their title or a message; plain words, nothing in them is an operator" example:"sea"`
		AgentID  string `query:"agentId" doc:"Only conversations with this agent"`
		Archived string `query:"archived" enum:"true,any" doc:"true: only those that are archived. any: those too. Absent: only those that are not"`
		Paging
	}
	conversationsOutput struct {
		Links
		Body schema.ConversationPage
	}
)

const (
	conversationsPath = "/api/chat/conversations"
	conversationRoute = conversationsPath + "/{conversationId}"
)

func (s *Server) registerConversations(api huma.API) {
	register(api, tagged(operation("get-conversation", http.MethodGet, conversationRoute, tagChat, "Get conversation", schema.CodeNotFound)), callTimeout, s.getConversation)
	register(api, operation("list-conversations", http.MethodGet, conversationsPath, tagChat, "List conversations"), callTimeout, s.listConversations)
	s.registerConversationChanges(api)
}

func (s *Server) getConversation(ctx context.Context, in *conversationInput) (*conversationOutput, error) {
	c, err := s.services.Chat.Conversation(ctx, schema.ConversationQuery{
		ID: in.ConversationID, Since: in.Since, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, within("query", err, "conversationId")
	}
	if c.Messages == nil {
		c.Messages = []schema.Message{}
	}
	return &conversationOutput{ETag: etag(c.Revision), Links: in.links(c.NextCursor, c.PrevCursor), Body: c}, nil
}

func (s *Server) listConversations(ctx context.Context, in *conversationsInput) (*conversationsOutput, error) {
	found, err := s.services.Chat.Conversations(ctx, schema.ConversationsQuery{
		Text: in.Text, AgentID: in.AgentID, Archived: schema.Archived(in.Archived), Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, within("query", err)
	}
	if found.Conversations == nil {
		found.Conversations = []schema.ConversationSummary{}
	}
	return &conversationsOutput{Links: in.links(found.NextCursor, ""), Body: found}, nil
}

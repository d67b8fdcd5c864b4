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
		Limit          int    `query:"limit" minimum:"1" maximum:"200" doc:"How many at most; 50 if absent"`
		Cursor         string `query:"cursor" maxLength:"1024" doc:"nextCursor of the page before"`
	}
	conversationOutput struct{ Body schema.Conversation }

	conversationsInput struct {
		AgentID string `query:"agentId" doc:"Only conversations with this agent"`
		Limit   int    `query:"limit" minimum:"1" maximum:"200" doc:"How many at most; 50 if absent"`
		Cursor  string `query:"cursor" maxLength:"1024" doc:"nextCursor of the page before"`
	}
	conversationsOutput struct{ Body schema.ConversationPage }
)

func (s *Server) registerConversations(api huma.API) {
	register(api, operation("get-conversation", http.MethodGet, "/api/chat/conversations/{conversationId}", tagChat, "Get conversation", schema.CodeNotFound), callTimeout, s.getConversation)
	register(api, operation("list-conversations", http.MethodGet, "/api/chat/conversations", tagChat, "List conversations"), callTimeout, s.listConversations)
}

func (s *Server) getConversation(ctx context.Context, in *conversationInput) (*conversationOutput, error) {
	c, err := s.services.Chat.Conversation(ctx, schema.ConversationQuery{ID: in.ConversationID, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, within("query", err, "conversationId")
	}
	if c.Messages == nil {
		c.Messages = []schema.Message{}
	}
	return &conversationOutput{Body: c}, nil
}

func (s *Server) listConversations(ctx context.Context, in *conversationsInput) (*conversationsOutput, error) {
	found, err := s.services.Chat.Conversations(ctx, schema.ConversationsQuery{AgentID: in.AgentID, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, within("query", err)
	}
	if found.Conversations == nil {
		found.Conversations = []schema.ConversationSummary{}
	}
	return &conversationsOutput{Body: found}, nil
}

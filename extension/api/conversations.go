package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	conversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation" example:"conv_01m87vmwg93pcqy3jm88wmqy3q"`
		Since          string `query:"since" doc:"Id of a message: only those after it, in order. Not with cursor" example:"msg_01m87vmwgfg0e04htxcahtvm6a"`
		Paging
	}
	conversationOutput struct {
		ETag string `header:"ETag" doc:"The revision of the conversation, quoted" example:"\"3\""`
		Links
		Body schema.Conversation
	}

	conversationsInput struct {
		Text     string `query:"q" doc:"Only conversations that have each of these words in their title or a message; plain words, nothing in them is an operator" example:"sea"`
		AgentID  string `query:"agentId" doc:"Only conversations with this agent" example:"nyx"`
		Archived string `query:"archived" enum:"true,any" doc:"true: only those that are archived. any: those too. Absent: only those that are not" example:"any"`
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
	register(api, route{
		id: "get-conversation", method: http.MethodGet, path: conversationRoute, tag: tagChat, summary: "Get conversation", scope: schema.ScopeRead, tagged: true,
		description: "A conversation of your own, with a page of its messages: the newest ones, those that a cursor leads to, or those after the one that `since` names. " +
			"Each page is in the order in which they were written; `nextCursor` leads to older ones, `prevCursor` back to newer ones, and so do the links `next` and `prev`. " +
			"The `ETag` changes with every message.",
		codes: []schema.ErrorCode{schema.CodeNotFound}, answers: []example{exampleConversation()},
	}, callTimeout, s.getConversation)
	register(api, route{
		id: "list-conversations", method: http.MethodGet, path: conversationsPath, tag: tagChat, summary: "List conversations", scope: schema.ScopeRead,
		description: "Your conversations, the last changed first, page by page; for the scope `admin`, everybody's. With `q`, those that have each of its words, in any form of them.",
		answers:     []example{exampleConversationPage()},
	}, callTimeout, s.listConversations)
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

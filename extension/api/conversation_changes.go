package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	createConversationInput struct{ Body createConversationBody }
	createConversationBody  struct {
		ID      string `json:"id,omitempty" doc:"An id of your own choice. Absent: one that the server gives" example:"optional-id"`
		Title   string `json:"title,omitempty" doc:"What to call it. Absent: the beginning of its first message" example:"Whales"`
		AgentID string `json:"agentId,omitempty" doc:"Whom its messages are for that name nobody. Absent: whoever fits the first one best" example:"nyx"`
	}
	createConversationOutput struct {
		Location string `header:"Location" doc:"Path of the conversation" example:"/api/chat/conversations/optional-id"`
		ETag     string `header:"ETag" doc:"The revision of the conversation, quoted" example:"\"3\""`
		Body     schema.ConversationSummary
	}

	updateConversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation" example:"conv_01m87vmwg93pcqy3jm88wmqy3q"`
		Condition
		Body conversationPatch
	}
	updateConversationOutput struct {
		ETag string `header:"ETag" doc:"The revision of the conversation, quoted" example:"\"3\""`
		Body schema.ConversationSummary
	}

	deleteConversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation" example:"conv_01m87vmwg93pcqy3jm88wmqy3q"`
		Condition
	}
)

// conversationPatch is schema.ConversationPatch with a description of its JSON.
type conversationPatch struct{ schema.ConversationPatch }

// Schema implements huma.SchemaProvider.
func (conversationPatch) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Description: "What to change: an absent member stays as it is, null clears it",
		Properties: map[string]*huma.Schema{
			"title":    {Type: huma.TypeString, Nullable: true, Description: "What to call it. Null: the beginning of its first message"},
			"archived": {Type: huma.TypeBoolean, Nullable: true, Description: "Whether lists leave it out, until somebody writes to it. Null: they do not"},
		},
	}
	return named(r, "ConversationPatch", s)
}

func (s *Server) registerConversationChanges(api huma.API) {
	register(api, route{
		id: "create-conversation", method: http.MethodPost, path: conversationsPath, tag: tagChat, summary: "Create conversation", scope: schema.ScopeChat,
		description: "Begins a conversation without a message. There is no need to: a message to an id that you have not used yet begins one too. An id that you have " +
			"used is a 409; an agent that does not exist a 404.",
		codes: []schema.ErrorCode{schema.CodeNotFound, schema.CodeAlreadyExists}, status: http.StatusCreated,
		sends: exampleNewConversations(), answers: []example{exampleNewConversation()},
	}, callTimeout, s.createConversation)
	register(api, route{
		id: "update-conversation", method: http.MethodPatch, path: conversationRoute, tag: tagChat, summary: "Rename or archive conversation", scope: schema.ScopeChat,
		description: "Changes what is given of a conversation of your own, as a JSON merge patch (RFC 7396): an absent member stays as it is, null clears it. What is " +
			"archived is left out of lists until somebody writes to it. With `If-Match` it is made only if the conversation is still as you have seen it.",
		codes: []schema.ErrorCode{schema.CodeNotFound, schema.CodeRevisionMismatch},
		sends: exampleConversationPatches(), answers: []example{exampleConversationSummary()},
	}, callTimeout, s.updateConversation)
	register(api, route{
		id: "delete-conversation", method: http.MethodDelete, path: conversationRoute, tag: tagChat, summary: "Delete conversation", scope: schema.ScopeChat,
		description: "Deletes a conversation of your own with its messages and runs. Unfinished runs are cancelled first. What was told of it as events stays in the event " +
			"log, and its id is free again. Repeated, it is a 404.",
		codes: []schema.ErrorCode{schema.CodeNotFound, schema.CodeRevisionMismatch}, status: http.StatusNoContent,
	}, callTimeout, s.deleteConversation)
}

func conversationPath(id string) string { return conversationsPath + "/" + url.PathEscape(id) }

func (s *Server) createConversation(ctx context.Context, in *createConversationInput) (*createConversationOutput, error) {
	c, err := s.services.Chat.CreateConversation(ctx, schema.NewConversation{ID: in.Body.ID, Title: in.Body.Title, AgentID: in.Body.AgentID})
	if err != nil {
		return nil, within("body", err)
	}
	return &createConversationOutput{Location: conversationPath(c.ID), ETag: etag(c.Revision), Body: c}, nil
}

func (s *Server) updateConversation(ctx context.Context, in *updateConversationInput) (*updateConversationOutput, error) {
	patch := in.Body.ConversationPatch
	revision, err := in.demanded(s.revisionOf(ctx, in.ConversationID))
	if err != nil {
		return nil, err
	}
	patch.IfRevision = revision
	c, err := s.services.Chat.UpdateConversation(ctx, in.ConversationID, patch)
	if err != nil {
		return nil, within("body", changedBefore(err, "conversation"), "conversationId")
	}
	return &updateConversationOutput{ETag: etag(c.Revision), Body: c}, nil
}

func (s *Server) deleteConversation(ctx context.Context, in *deleteConversationInput) (*struct{}, error) {
	revision, err := in.demanded(s.revisionOf(ctx, in.ConversationID))
	if err == nil {
		err = s.services.Chat.DeleteConversation(ctx, in.ConversationID, revision)
	}
	return nil, within("path", changedBefore(err, "conversation"))
}

// revisionOf returns what tells the revision that a conversation has.
func (s *Server) revisionOf(ctx context.Context, id string) func() (int64, error) {
	return func() (int64, error) {
		c, err := s.services.Chat.Conversation(ctx, schema.ConversationQuery{ID: id, Limit: 1})
		return c.Revision, err
	}
}

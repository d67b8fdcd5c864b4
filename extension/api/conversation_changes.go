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
		Title   string `json:"title,omitempty" doc:"What to call it. Absent: the beginning of its first message"`
		AgentID string `json:"agentId,omitempty" doc:"Whom its messages are for that name nobody. Absent: whoever fits the first one best" example:"nyx"`
	}
	createConversationOutput struct {
		Location string `header:"Location" doc:"Path of the conversation"`
		ETag     string `header:"ETag" doc:"The revision of the conversation, quoted"`
		Body     schema.ConversationSummary
	}

	updateConversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation"`
		Condition
		Body conversationPatch
	}
	updateConversationOutput struct {
		ETag string `header:"ETag" doc:"The revision of the conversation, quoted"`
		Body schema.ConversationSummary
	}

	deleteConversationInput struct {
		ConversationID string `path:"conversationId" doc:"Id of the conversation"`
		Condition
	}
)

// conversationPatch is schema.ConversationPatch with a description of its JSON.
type conversationPatch struct{ schema.ConversationPatch }

// Schema implements huma.SchemaProvider.
func (conversationPatch) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Description: "What to change: an absent member stays as it is, null clears it",
		Properties: map[string]*huma.Schema{
			"title":    {Type: huma.TypeString, Nullable: true, Description: "Null: the beginning of its first message"},
			"archived": {Type: huma.TypeBoolean, Nullable: true, Description: "Whether lists leave it out, until somebody writes to it"},
		},
	}
	s.PrecomputeMessages()
	return s
}

func (s *Server) registerConversationChanges(api huma.API) {
	create := operation("create-conversation", http.MethodPost, conversationsPath, tagChat, "Create conversation",
		schema.CodeNotFound, schema.CodeAlreadyExists, schema.CodeTooLarge, schema.CodeUnsupportedMediaType)
	create.DefaultStatus = http.StatusCreated
	create.Description = "Begins a conversation without a message. There is no need to: a message to an id that you have not used yet begins one too."
	register(api, create, callTimeout, s.createConversation)
	register(api, operation("update-conversation", http.MethodPatch, conversationRoute, tagChat, "Rename or archive conversation",
		schema.CodeNotFound, schema.CodeRevisionMismatch, schema.CodeTooLarge, schema.CodeUnsupportedMediaType), callTimeout, s.updateConversation)
	remove := operation("delete-conversation", http.MethodDelete, conversationRoute, tagChat, "Delete conversation",
		schema.CodeNotFound, schema.CodeRevisionMismatch)
	remove.Description = "Deletes a conversation of your own with its messages and runs. Unfinished runs are cancelled first. What was told of it as events stays in the event log."
	register(api, remove, callTimeout, s.deleteConversation)
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

package wire

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToConversationSummary converts a conversation without its messages.
func ToConversationSummary(c schema.ConversationSummary) *pb.ConversationSummary {
	return &pb.ConversationSummary{
		Id: c.ID, Principal: c.Principal, Title: c.Title, AgentId: c.AgentID, MessageCount: c.MessageCount,
		CreatedAt: toTime(c.CreatedAt), UpdatedAt: toTime(c.UpdatedAt), Archived: c.Archived, Revision: c.Revision,
	}
}

// FromConversationSummary converts a conversation without its messages; nil is an error.
func FromConversationSummary(m *pb.ConversationSummary) (schema.ConversationSummary, error) {
	if m == nil {
		return schema.ConversationSummary{}, errMissing("conversation")
	}
	created, err := fromTime("created_at", m.GetCreatedAt())
	if err != nil {
		return schema.ConversationSummary{}, err
	}
	updated, err := fromTime("updated_at", m.GetUpdatedAt())
	if err != nil {
		return schema.ConversationSummary{}, err
	}
	return schema.ConversationSummary{
		ID: m.GetId(), Principal: m.GetPrincipal(), Title: m.GetTitle(), AgentID: m.GetAgentId(),
		MessageCount: m.GetMessageCount(), CreatedAt: created, UpdatedAt: updated,
		Archived: m.GetArchived(), Revision: m.GetRevision(),
	}, nil
}

// ToConversation converts a conversation with a page of its messages.
func ToConversation(c schema.Conversation) *pb.GetConversationResponse {
	out := &pb.GetConversationResponse{
		Conversation: ToConversationSummary(c.ConversationSummary), NextCursor: c.NextCursor, PrevCursor: c.PrevCursor,
	}
	for _, m := range c.Messages {
		out.Messages = append(out.Messages, ToMessage(m))
	}
	return out
}

// FromConversation converts a conversation with a page of its messages.
func FromConversation(m *pb.GetConversationResponse) (schema.Conversation, error) {
	summary, err := FromConversationSummary(m.GetConversation())
	if err != nil {
		return schema.Conversation{}, err
	}
	messages, err := each(m.GetMessages(), FromMessage)
	if err != nil {
		return schema.Conversation{}, fmt.Errorf("messages: %w", err)
	}
	return schema.Conversation{
		ConversationSummary: summary, Messages: messages, NextCursor: m.GetNextCursor(), PrevCursor: m.GetPrevCursor(),
	}, nil
}

// ToConversationPage converts a page of conversations.
func ToConversationPage(p schema.ConversationPage) *pb.ListConversationsResponse {
	out := &pb.ListConversationsResponse{NextCursor: p.NextCursor}
	for _, c := range p.Conversations {
		out.Conversations = append(out.Conversations, ToConversationSummary(c))
	}
	return out
}

// FromConversationPage converts a page of conversations.
func FromConversationPage(m *pb.ListConversationsResponse) (schema.ConversationPage, error) {
	conversations, err := each(m.GetConversations(), FromConversationSummary)
	if err != nil {
		return schema.ConversationPage{}, fmt.Errorf("conversations: %w", err)
	}
	return schema.ConversationPage{Conversations: conversations, NextCursor: m.GetNextCursor()}, nil
}

// ToConversationQuery converts a query.
func ToConversationQuery(q schema.ConversationQuery) *pb.GetConversationRequest {
	return &pb.GetConversationRequest{Id: q.ID, Limit: toInt32(q.Limit), Cursor: q.Cursor, Since: q.Since}
}

// FromConversationQuery converts a query.
func FromConversationQuery(m *pb.GetConversationRequest) schema.ConversationQuery {
	return schema.ConversationQuery{ID: m.GetId(), Limit: int(m.GetLimit()), Cursor: m.GetCursor(), Since: m.GetSince()}
}

// ToConversationsQuery converts a query.
func ToConversationsQuery(q schema.ConversationsQuery) *pb.ListConversationsRequest {
	return &pb.ListConversationsRequest{
		Text: q.Text, AgentId: q.AgentID, Archived: string(q.Archived), Limit: toInt32(q.Limit), Cursor: q.Cursor,
	}
}

// FromConversationsQuery converts a query.
func FromConversationsQuery(m *pb.ListConversationsRequest) schema.ConversationsQuery {
	return schema.ConversationsQuery{
		Text: m.GetText(), AgentID: m.GetAgentId(), Archived: schema.Archived(m.GetArchived()),
		Limit: int(m.GetLimit()), Cursor: m.GetCursor(),
	}
}

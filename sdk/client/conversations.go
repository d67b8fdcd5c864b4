package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

const conversationsPath = "/api/chat/conversations"

// Conversation returns a conversation with a page of its messages: the newest ones, those that a cursor leads to, or those after
// q.Since. Its NextCursor leads to older ones, its PrevCursor to newer ones.
func (c *Client) Conversation(ctx context.Context, q schema.ConversationQuery) (found schema.Conversation, err error) {
	query := page(q.Limit, q.Cursor, "since", q.Since)
	err = c.call(ctx, request{verb: "get conversation", method: http.MethodGet, path: conversationPath(q.ID), ids: []string{q.ID}, query: query}, &found)
	return found, err
}

// AllMessages returns the messages of a conversation, the newest first; or, with a q.Since, those after it, in order.
func (c *Client) AllMessages(ctx context.Context, q schema.ConversationQuery) iter.Seq2[schema.Message, error] {
	onward := q.Since != ""
	return each(q.Cursor, func(cursor string) ([]schema.Message, string, error) {
		if q.Cursor = cursor; cursor != "" {
			q.Since = ""
		}
		found, err := c.Conversation(ctx, q)
		if onward {
			return found.Messages, found.PrevCursor, err
		}
		slices.Reverse(found.Messages)
		return found.Messages, found.NextCursor, err
	})
}

// Conversations returns one page of conversations, the last changed first.
func (c *Client) Conversations(ctx context.Context, q schema.ConversationsQuery) (found schema.ConversationPage, err error) {
	query := page(q.Limit, q.Cursor, "q", q.Text, "agentId", q.AgentID, "archived", string(q.Archived))
	err = c.call(ctx, request{verb: "list conversations", method: http.MethodGet, path: conversationsPath, query: query}, &found)
	return found, err
}

// AllConversations returns the conversations of all pages from that of the query on.
func (c *Client) AllConversations(ctx context.Context, q schema.ConversationsQuery) iter.Seq2[schema.ConversationSummary, error] {
	return each(q.Cursor, func(cursor string) ([]schema.ConversationSummary, string, error) {
		q.Cursor = cursor
		found, err := c.Conversations(ctx, q)
		return found.Conversations, found.NextCursor, err
	})
}

// CreateConversation begins a conversation without a message. There is no need to: a message to a new id begins one too.
func (c *Client) CreateConversation(ctx context.Context, n schema.NewConversation) (made schema.ConversationSummary, err error) {
	body := struct {
		ID      string `json:"id,omitempty"`
		Title   string `json:"title,omitempty"`
		AgentID string `json:"agentId,omitempty"`
	}(n)
	err = c.call(ctx, request{verb: "create conversation", method: http.MethodPost, path: conversationsPath, body: body}, &made)
	return made, err
}

// UpdateConversation changes the title of a conversation, or whether it is archived, and returns it as it is then. With IfRevision it
// is CodeRevisionMismatch if the conversation has changed since.
func (c *Client) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (changed schema.ConversationSummary, err error) {
	r := request{verb: "update conversation", method: http.MethodPatch, path: conversationPath(id), ids: []string{id}, header: ifMatch(p.IfRevision), body: p}
	err = c.call(ctx, r, &changed)
	return changed, err
}

// DeleteConversation deletes a conversation with its messages and runs; unfinished ones are cancelled. With an ifRevision other than 0 it
// is CodeRevisionMismatch if the conversation has changed since.
func (c *Client) DeleteConversation(ctx context.Context, id string, ifRevision int64) error {
	return c.call(ctx, request{verb: "delete conversation", method: http.MethodDelete, path: conversationPath(id), ids: []string{id}, header: ifMatch(ifRevision)}, nil)
}

func conversationPath(id string) string { return conversationsPath + "/" + url.PathEscape(id) }

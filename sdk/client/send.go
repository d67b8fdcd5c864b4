package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/stagehouse/stagehouse/schema"
)

// Message is something to say to an agent.
type Message struct {
	AgentID        string        // whom it is for; "" = see Send and Chat
	ConversationID string        // the conversation to go on with; "" = a new one. An id that is not used yet begins one
	Text           string        // what to say
	Context        schema.Object // hints for routing ("skill", "skills") and for the brain
}

// check returns what is wrong with the message, so that it is found before anything is sent.
func (m Message) check() error {
	return schema.SendRequest{AgentID: m.AgentID, ConversationID: m.ConversationID, Message: m.Text, Context: m.Context}.Validate()
}

// Answer is what became of a message that was sent by Send.
type Answer struct {
	ConversationID string                `json:"conversationId"`
	RunID          string                `json:"runId"`
	AgentID        string                `json:"agentId"`
	Message        schema.Message        `json:"message"`         // as it was stored
	Reply          schema.Message        `json:"reply"`           // what the agent said
	Route          *schema.RouteDecision `json:"route,omitempty"` // how the agent was chosen, when it was
}

// Send sends a message by REST and waits for the reply. Without an AgentID it is for the agent that the conversation is with,
// in a new one for whoever fits best. An *Error with a RunID means that the message was accepted; with CodeDeadlineExceeded
// the turn goes on, and its reply will be in the conversation. ErrUnknownOutcome means that it may have been accepted.
func (c *Client) Send(ctx context.Context, m Message) (a Answer, err error) {
	if err := m.check(); err != nil {
		return a, err
	}
	body := struct {
		AgentID        string        `json:"agentId,omitempty"`
		Message        string        `json:"message"`
		ConversationID string        `json:"conversationId,omitempty"`
		Context        schema.Object `json:"context,omitempty"`
	}{m.AgentID, m.Text, m.ConversationID, m.Context}
	err = c.call(ctx, request{verb: "send message", method: http.MethodPost, path: "/api/chat/send", body: body, once: true}, &a)
	return a, err
}

// Conversation returns a conversation with a page of its messages, the newest ones first page by page.
func (c *Client) Conversation(ctx context.Context, q schema.ConversationQuery) (found schema.Conversation, err error) {
	path := "/api/chat/conversations/" + url.PathEscape(q.ID)
	err = c.call(ctx, request{verb: "get conversation", method: http.MethodGet, path: path, ids: []string{q.ID}, query: page(q.Limit, q.Cursor)}, &found)
	return found, err
}

// Conversations returns a page of conversations, the last changed first.
func (c *Client) Conversations(ctx context.Context, q schema.ConversationsQuery) (found schema.ConversationPage, err error) {
	query := page(q.Limit, q.Cursor, "agentId", q.AgentID)
	err = c.call(ctx, request{verb: "list conversations", method: http.MethodGet, path: "/api/chat/conversations", query: query}, &found)
	return found, err
}

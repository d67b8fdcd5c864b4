package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// answerMargin is what is left to answer that the turn takes too long.
const answerMargin = 5 * time.Second

type (
	sendInput  struct{ Body sendBody }
	sendOutput struct{ Body sendAnswer }

	sendBody struct {
		AgentID        string        `json:"agentId,omitempty" doc:"Whom the message is for. Absent: the agent that the conversation is with; in a new one, whoever fits best" example:"nyx"`
		Message        string        `json:"message" doc:"What to say" example:"Hello!"`
		ConversationID string        `json:"conversationId,omitempty" doc:"The conversation to go on with. Absent: a new one. An id that you have not used yet begins a conversation of that id"`
		Context        schema.Object `json:"context,omitempty" doc:"Hints for routing (skill, skills) and for the brain"`
	}
	sendAnswer struct {
		ConversationID string                `json:"conversationId"`
		RunID          string                `json:"runId"`
		AgentID        string                `json:"agentId"`
		Message        schema.Message        `json:"message" doc:"Your message, as stored"`
		Reply          schema.Message        `json:"reply" doc:"What the agent said"`
		Route          *schema.RouteDecision `json:"route,omitempty" doc:"How the agent was chosen, when it was"`
	}

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

func (s *Server) registerChat(api huma.API) {
	send := operation("send-message", http.MethodPost, "/api/chat/send", tagChat, "Send message",
		schema.CodeNotFound, schema.CodeAgentNotRunning, schema.CodeNoAgentFits, schema.CodeBusy, schema.CodeTooLarge,
		schema.CodeUnsupportedMediaType, schema.CodeCancelled)
	send.Description = "Waits for the reply. An error with a `runId` means that the message was accepted: with `deadline_exceeded` " +
		"the turn goes on, and its reply will be in the conversation; with `internal`, `unavailable`, `agent_not_running` or " +
		"`cancelled` the turn has failed or was cancelled, or what became of it could not be seen. Sending again would begin another turn."
	register(api, send, millis(s.Limits.TurnTimeoutMs)+answerMargin, s.sendMessage)
	register(api, operation("get-conversation", http.MethodGet, "/api/chat/conversations/{conversationId}", tagChat, "Get conversation", schema.CodeNotFound), callTimeout, s.getConversation)
	register(api, operation("list-conversations", http.MethodGet, "/api/chat/conversations", tagChat, "List conversations"), callTimeout, s.listConversations)
}

// sendMessage sends a message and waits for the end of its turn.
func (s *Server) sendMessage(ctx context.Context, in *sendInput) (*sendOutput, error) {
	req := schema.SendRequest{
		RunID: "run_" + strings.ToLower(ulid.Make().String()), AgentID: in.Body.AgentID,
		ConversationID: in.Body.ConversationID, Message: in.Body.Message, Context: in.Body.Context,
	}
	if err := req.Validate(); err != nil {
		return nil, within("body", err)
	}
	ctx, cancel := context.WithTimeout(ctx, millis(s.Limits.TurnTimeoutMs))
	defer cancel()
	var took *schema.Accepted
	for e, err := range s.services.Chat.Send(ctx, req) {
		switch {
		case err != nil && took == nil:
			return nil, notAccepted(ctx, err)
		case err != nil:
			return nil, notSeen(ctx, err, took)
		case e.Accepted != nil:
			took = e.Accepted
		case e.Event != nil && e.Event.Type.Terminal() && took != nil:
			return ended(took, e.Event)
		}
	}
	if took == nil {
		return nil, schema.Errorf(schema.CodeInternal, "the runtime did not say that it accepted the message")
	}
	return nil, notSeen(ctx, schema.Errorf(schema.CodeInternal, "the stream of the turn ended before the turn"), took)
}

// notAccepted words an error that came instead of an acceptance.
func notAccepted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return schema.Errorf(schema.CodeDeadlineExceeded, "send message: %w", err)
	}
	return within("body", err)
}

// notSeen words an error that kept us from seeing the end of a turn that was accepted.
func notSeen(ctx context.Context, err error, a *schema.Accepted) error {
	code := schema.CodeOf(err)
	detail := "The turn was accepted and goes on, but what becomes of it cannot be seen from here. Its reply will be in the conversation."
	if ctx.Err() != nil || code == schema.CodeDeadlineExceeded {
		code = schema.CodeDeadlineExceeded
		detail = "The agent has not replied in time. The turn goes on: its reply will be in the conversation, and comes as chat:reply to a WebSocket that has subscribed to it."
	} else if code != schema.CodeUnavailable {
		code = schema.CodeInternal
	}
	return ofTurn(problem.New(code, detail), a, err)
}

// ended returns the answer to a turn that is over.
func ended(a *schema.Accepted, e *schema.Event) (*sendOutput, error) {
	switch e.Type {
	case schema.EventReply:
		var p schema.Reply
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return nil, ofTurn(problem.From(err), a, err)
		}
		return &sendOutput{Body: sendAnswer{
			ConversationID: a.ConversationID, RunID: a.RunID, AgentID: a.AgentID,
			Message: a.Message, Reply: p.Reply, Route: a.Route,
		}}, nil
	case schema.EventFailed:
		var p schema.Failed
		_ = json.Unmarshal(e.Payload, &p) // without a reason it has failed all the same
		detail := "The turn failed: " + p.Reason + "."
		if p.Error != "" {
			detail += " " + p.Error
		}
		return nil, ofTurn(problem.New(codeOfReason(p.Reason, schema.CodeInternal), detail), a, nil)
	default:
		var p schema.Cancelled
		_ = json.Unmarshal(e.Payload, &p)
		return nil, ofTurn(problem.New(codeOfReason(p.Reason, schema.CodeCancelled), "The turn was cancelled: "+p.Reason+"."), a, nil)
	}
}

// codeOfReason says what kind of error it is that a turn did not come to its reply.
func codeOfReason(reason string, otherwise schema.ErrorCode) schema.ErrorCode {
	switch reason {
	case schema.ReasonAgentStopped:
		return schema.CodeAgentNotRunning
	case schema.ReasonShutdown, schema.ReasonHostRestarted:
		return schema.CodeUnavailable
	default:
		return otherwise
	}
}

// ofTurn says which turn a problem is about.
func ofTurn(p *problem.Problem, a *schema.Accepted, cause error) error {
	p.RunID, p.ConversationID, p.AgentID = a.RunID, a.ConversationID, a.AgentID
	if cause != nil {
		p.Cause = cause
	}
	return p
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

package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// answerMargin is what is left to answer when the turn takes too long.
const answerMargin = 5 * time.Second

// disconnectCancels is what onDisconnect may be, beside continue.
const disconnectCancels = "cancel"

type (
	sendInput struct {
		Prefer      string `header:"Prefer" doc:"respond-async: do not wait for the reply. wait=N: wait for N seconds at the longest. Then the answer is a 202" example:"wait=30"`
		LastEventID string `header:"Last-Event-ID" doc:"With Accept: text/event-stream and the Idempotency-Key of an earlier request, the last event that you have seen of its turn" example:"lq2jjkl6rav73lom-34"`
		Body        sendBody

		prefers []string // lines of Prefer
		accepts string   // the media type that the client likes best
		token   string
		conn    net.Conn

		preference preference
	}

	sendBody struct {
		AgentID        string        `json:"agentId,omitempty" doc:"Whom the message is for. Absent: the agent that the conversation is with; in a new one, whoever fits best" example:"nyx"`
		Message        string        `json:"message" doc:"What to say, up to 64 KiB" example:"Hello!"`
		ConversationID string        `json:"conversationId,omitempty" doc:"The conversation to go on with. Absent: a new one. An id that you have not used yet begins a conversation of that id" example:"optional-id"`
		Context        schema.Object `json:"context,omitempty" doc:"Hints for routing (skill, skills) and for the brain"`
		OnBusy         string        `json:"onBusy,omitempty" enum:"enqueue,reject,interrupt" doc:"What to do while a turn of the conversation is unfinished: wait behind it (the default), answer 409 with its runId, or cancel it"`
		OnDisconnect   string        `json:"onDisconnect,omitempty" enum:"continue,cancel" doc:"What becomes of the turn when you go away before its reply: it goes on (the default), or is cancelled"`
	}
	sendAnswer struct {
		ConversationID string                `json:"conversationId" doc:"The conversation that it is part of now"`
		RunID          string                `json:"runId" doc:"The run that it began"`
		AgentID        string                `json:"agentId" doc:"The agent that was asked"`
		Message        schema.Message        `json:"message" doc:"Your message, as stored"`
		Reply          *schema.Message       `json:"reply,omitempty" doc:"What the agent said; absent in a 202"`
		Route          *schema.RouteDecision `json:"route,omitempty" doc:"How the agent was chosen, when it was"`
	}
)

var _ huma.Resolver = (*sendInput)(nil)

// Resolve implements huma.Resolver: it takes what only the request knows.
func (in *sendInput) Resolve(ctx huma.Context) []error {
	rc := humafiber.UnwrapV2(ctx).Context()
	st := stateOf(rc)
	in.accepts, in.token, in.conn = st.accepts, st.token, rc.Conn()
	ctx.EachHeader(func(name, value string) {
		if strings.EqualFold(name, headerPrefer) {
			in.prefers = append(in.prefers, value)
		}
	})
	return nil
}

func (s *Server) registerChat(api huma.API) {
	send := route{
		id: "send-message", method: http.MethodPost, path: "/api/chat/send", tag: tagChat, summary: "Send message", scope: schema.ScopeChat,
		description: "Waits for the reply, for as long as `Prefer: wait` says and the server allows; after that, and at once with `Prefer: respond-async`, the " +
			"answer is a 202, and the run at its `Location` has the reply later. With `Accept: text/event-stream` the turn is told as it happens. " +
			"Turns of one conversation run one at a time, in the order of their acceptance. " +
			"A turn goes on when its client goes away, unless `onDisconnect` says otherwise.\n\nAn error with a `runId` means that the message was accepted: with `internal`, " +
			"`unavailable`, `agent_not_running`, `budget_exceeded` or `cancelled` the turn has failed or was cancelled, or what became of it could not be seen. " +
			"Sending again begins another turn, unless it has the same `Idempotency-Key`.",
		codes: []schema.ErrorCode{
			schema.CodeNotFound, schema.CodeAgentNotRunning, schema.CodeNoAgentFits, schema.CodeConversationBusy, schema.CodeBusy, schema.CodeCancelled,
			schema.CodeBudgetExceeded,
		},
		sends:     exampleMessages(),
		responses: sendResponses(api.OpenAPI().Components),
	}
	register(api, send, millis(s.Limits.TurnTimeoutMs)+answerMargin, s.sendMessage)
}

// errEnough ends the waiting for a turn.
var errEnough = errors.New("the client does not want to wait longer")

// sendMessage sends a message and waits for the end of its turn, or for as long as the client wants to.
func (s *Server) sendMessage(ctx context.Context, in *sendInput) (*huma.StreamResponse, error) {
	req := schema.SendRequest{
		RunID: "run_" + strings.ToLower(ulid.Make().String()), AgentID: in.Body.AgentID, ConversationID: in.Body.ConversationID,
		Message: in.Body.Message, Context: in.Body.Context, OnBusy: schema.OnBusy(in.Body.OnBusy),
	}
	if err := req.Validate(); err != nil {
		return nil, within("body", err)
	}
	in.preference = preferred(in.prefers, millis(s.Limits.TurnTimeoutMs))
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	enough := time.AfterFunc(millis(s.Limits.TurnTimeoutMs), func() { stop(errEnough) })
	defer enough.Stop()
	var took *schema.Accepted
	for e, err := range s.services.Chat.Send(ctx, req) {
		switch {
		case err != nil && took == nil:
			return nil, notAccepted(ctx, err)
		case err != nil && errors.Is(context.Cause(ctx), errEnough):
			return later(in, took)
		case err != nil:
			return nil, notSeen(err, took)
		case e.Accepted != nil && in.accepts == eventStream:
			return s.streamTurn(ctx, in, e.Accepted)
		case e.Accepted != nil && in.preference.wait == 0:
			return later(in, e.Accepted)
		case e.Accepted != nil:
			took = e.Accepted
			enough.Reset(in.preference.wait)
			defer s.cancelWith(ctx, in, took.RunID)()
		case e.Event != nil && e.Event.Type.Terminal() && took != nil:
			return ended(in, took, e.Event)
		}
	}
	if took == nil {
		return nil, schema.Errorf(schema.CodeInternal, "the runtime did not say that it accepted the message")
	}
	return nil, notSeen(schema.Errorf(schema.CodeInternal, "the stream of the turn ended before the turn"), took)
}

// notAccepted words an error that came instead of an acceptance.
func notAccepted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return schema.Errorf(schema.CodeDeadlineExceeded, "send message: %w", err)
	}
	return within("body", err)
}

// later answers that a turn was accepted, and where to look for its reply.
func later(in *sendInput, a *schema.Accepted) (*huma.StreamResponse, error) {
	return answer(http.StatusAccepted, http.Header{
		fiber.HeaderLocation: {runPath(a.RunID)}, headerApplied: {in.preference.applied},
	}, answerOf(a, nil))
}

func answerOf(a *schema.Accepted, reply *schema.Message) sendAnswer {
	return sendAnswer{
		ConversationID: a.ConversationID, RunID: a.RunID, AgentID: a.AgentID, Message: a.Message, Reply: reply, Route: a.Route,
	}
}

// notSeen words an error that kept us from seeing the end of a turn that was accepted.
func notSeen(err error, a *schema.Accepted) error {
	code := schema.CodeOf(err)
	if code != schema.CodeUnavailable && code != schema.CodeDeadlineExceeded {
		code = schema.CodeInternal
	}
	const detail = "The turn was accepted and goes on, but what becomes of it cannot be seen from here. Its reply will be in the conversation."
	return ofTurn(problem.New(code, detail), a, err)
}

// ended returns the answer to a turn that is over.
func ended(in *sendInput, a *schema.Accepted, e *schema.Event) (*huma.StreamResponse, error) {
	switch e.Type {
	case schema.EventReply:
		var p schema.Reply
		if err := json.Unmarshal(e.Payload, &p); err != nil {
			return nil, ofTurn(problem.From(err), a, err)
		}
		return answer(http.StatusOK, http.Header{headerApplied: {in.preference.applied}}, answerOf(a, &p.Reply))
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
	case schema.ReasonBudget:
		return schema.CodeBudgetExceeded
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

// answer returns v as JSON, with a status and headers of its own. Headers without a value are left out.
func answer(status int, header http.Header, v any) (*huma.StreamResponse, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		rc := humafiber.UnwrapV2(ctx).Context()
		for name := range header {
			if value := header.Get(name); value != "" {
				rc.Response.Header.Set(name, value)
			}
		}
		rc.SetStatusCode(status)
		rc.SetContentType(fiber.MIMEApplicationJSON)
		rc.SetBody(b)
	}}, nil
}

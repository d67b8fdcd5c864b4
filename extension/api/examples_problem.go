package api

import (
	"cmp"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// exampleProblem returns a problem document of a code.
func exampleProblem(code schema.ErrorCode) example {
	p := problem.From(&schema.Error{Code: code, Message: problemDetail(code)})
	p.Instance, p.RequestID = cmp.Or(problemInstance(code), "/api/chat/send"), "req_01m87vmwg66adtxbkb3wkzwbz8"
	switch code {
	case schema.CodeInvalidArgument:
		p = invalidProblem("body.message", "must not be empty")
		p.Instance, p.RequestID = "/api/chat/send", "req_01m87vmwg66adtxbkb3wkzwbz8"
	case schema.CodeConversationBusy:
		p.RunID = sampleRunID
	case schema.CodeNoAgentFits:
		threshold := sampleDecision().Threshold
		p.Threshold = &threshold
		p.Candidates = []schema.RouteCandidate{{AgentID: "aria", Score: 0.02, Reasons: []string{"is busy"}}}
	case schema.CodeBudgetExceeded:
		p.RunID, p.ConversationID, p.AgentID = sampleRunID, sampleConversationID, "nyx"
	case schema.CodeCancelled:
		p.Detail = "The turn was cancelled: " + schema.ReasonInterrupted + "."
		p.RunID, p.ConversationID, p.AgentID = sampleRunID, sampleConversationID, "nyx"
	}
	return example{"Problem" + componentName(code), p.Title, p}
}

// problemDetail returns what is told of an error. Where it is "", package problem has words of its own.
func problemDetail(code schema.ErrorCode) string {
	return map[schema.ErrorCode]string{
		schema.CodeMalformed:            "the request body cannot be read: the text is not JSON: it ends too early, near byte 1",
		schema.CodeUnsupportedMediaType: "the request body must be JSON, sent as Content-Type: application/json",
		schema.CodeNotAcceptable:        "events come as application/json or as text/event-stream; Accept allows neither",
		schema.CodeUnauthenticated:      "a token is needed: send Authorization: Bearer <token>",
		schema.CodePermissionDenied:     `this needs the scope "admin", which the caller does not have`,
		schema.CodeNotFound:             `there is no agent "nobody"`,
		schema.CodeUnimplemented:        "the runtime behind this server has a fixed set of agents, and cannot make more",
		schema.CodeAlreadyExists:        "you have a conversation optional-id already; send messages to it, or choose another id",
		schema.CodeFailedPrecondition:   "agent nyx is declared in the configuration and cannot be deleted here; remove it there, or stop it",
		schema.CodeAgentNotRunning:      "agent nyx is stopped; start it, or send to another one",
		schema.CodeIllegalTransition:    "agent nyx is starting and cannot be stopped now; try again when that is over",
		schema.CodeNoAgentFits:          "no agent reaches the threshold; name the agent that shall answer",
		schema.CodeConversationBusy:     "a turn of this conversation is unfinished; wait for it, or send with onBusy enqueue or interrupt",
		schema.CodeKeyReused: "the idempotency key \"k-1\" belongs to another request; choose a new key for every request, and repeat one with the same " +
			"key only as it was",
		schema.CodeRevisionMismatch: "the ETag of the agent is none of those in If-Match; read it again, and decide again",
		schema.CodeTooLarge:         "The request body is over the limit of 1048576 bytes.",
		schema.CodeRateLimited:      "At most 100 requests in 1m0s are allowed; wait as long as Retry-After says.",
		schema.CodeBudgetExceeded: "The turn failed: budget_exceeded. the budget of each principal per day is used up: it allows 100000 tokens per day, and 100214 tokens were " +
			"used; it begins anew at 2026-11-21T00:00:00Z. Whoever runs this host can raise it in usage.budgets of its configuration",
		schema.CodeBusy: "16 turns of this conversation wait already; wait for one of them",
	}[code]
}

// problemInstance returns the path of a request that comes to an error, where it is not that of most of them.
func problemInstance(code schema.ErrorCode) string {
	return map[schema.ErrorCode]string{
		schema.CodeNotAcceptable:      "/api/events",
		schema.CodePermissionDenied:   "/api/agents/nyx/start",
		schema.CodeNotFound:           "/api/agents/nobody",
		schema.CodeUnimplemented:      "/api/agents",
		schema.CodeAlreadyExists:      "/api/chat/conversations",
		schema.CodeFailedPrecondition: "/api/agents/nyx",
		schema.CodeIllegalTransition:  "/api/agents/nyx/stop",
		schema.CodeRevisionMismatch:   "/api/agents/nyx",
	}[code]
}

// Package problem words errors for clients: one shape for REST, where it is an RFC 9457 problem document, and for the
// error frames of a WebSocket. It is the only place that decides which error texts a client may read.
package problem

import (
	"net/http"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// typePrefix makes a code the URI that RFC 9457 asks for.
const typePrefix = "urn:stagehouse:problem:"

// Problem is what a client is told about an error.
type Problem struct {
	Type      string              `json:"type" doc:"The code as a URI" example:"urn:stagehouse:problem:not_found"`
	Title     string              `json:"title" doc:"What kind of error it is; the same for every error of a code" example:"Not found"`
	Status    int                 `json:"status" doc:"The HTTP status" example:"404"`
	Detail    string              `json:"detail" doc:"What happened this time, for a person"`
	Instance  string              `json:"instance,omitempty" doc:"The path of the request"`
	Code      schema.ErrorCode    `json:"code" example:"not_found"`
	Retryable bool                `json:"retryable" doc:"Whether the same request may succeed later"`
	Errors    []schema.FieldError `json:"errors,omitempty" nullable:"false" doc:"Every value that is wrong"`
	RequestID string              `json:"requestId,omitempty" doc:"Also in the header X-Request-Id; it finds the request in the log"`

	// Of a turn that was accepted and whose reply cannot be given.
	RunID          string `json:"runId,omitempty" doc:"The turn that was accepted nevertheless; with conversation_busy, the one that is in the way"`
	ConversationID string `json:"conversationId,omitempty" doc:"Where its reply will be found"`
	AgentID        string `json:"agentId,omitempty" doc:"The agent that was asked"`

	// Of a routing that found nobody.
	Threshold  *float64                `json:"threshold,omitempty" doc:"The score that an agent needs"`
	Candidates []schema.RouteCandidate `json:"candidates,omitempty" nullable:"false" doc:"The agents that were considered, best first"`

	Details    schema.Object `json:"-"` // of the error, by the names of package schema
	RetryAfter time.Duration `json:"-"` // when to try again; 0 = unknown. The header Retry-After.
	Cause      error         `json:"-"` // for the log
}

// From words err. The texts of errors that are about us and not about the request stay here, and are left to Cause.
func From(err error) *Problem {
	p := Own(err)
	if text, own := ownText[p.Code]; own {
		p.Detail = text
	}
	return p
}

// Own words an error whose text is ours, and meant for clients, whatever its code is.
func Own(err error) *Problem {
	e := schema.AsError(err)
	p := New(e.Code, e.Message)
	p.Errors, p.RetryAfter, p.Details, p.Cause = e.Fields, e.RetryAfter, e.Details, err
	return p
}

// New returns a problem of a known code; an unknown one is CodeInternal.
func New(code schema.ErrorCode, detail string) *Problem {
	if _, known := titles[code]; !known {
		code, detail = schema.CodeInternal, ownText[schema.CodeInternal]
	}
	return &Problem{
		Type: typePrefix + string(code), Title: titles[code], Status: code.HTTPStatus(), Detail: detail,
		Code: code, Retryable: code.Retryable(),
	}
}

// Error returns the detail.
func (p *Problem) Error() string { return p.Detail }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// GetStatus returns the HTTP status; with it, a Problem is an error of huma's.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType returns the media type of a problem document where JSON is asked for.
func (p *Problem) ContentType(string) string { return MediaType }

// MediaType is that of a problem document.
const MediaType = "application/problem+json"

// CodeOfStatus returns the code for a status that a library chose.
func CodeOfStatus(status int) schema.ErrorCode {
	switch status {
	case http.StatusRequestTimeout:
		return schema.CodeDeadlineExceeded
	case http.StatusUpgradeRequired:
		return schema.CodeFailedPrecondition
	case http.StatusRequestHeaderFieldsTooLarge, http.StatusRequestURITooLong:
		return schema.CodeTooLarge
	default:
		return schema.CodeOfHTTP(status)
	}
}

// titles words every code.
var titles = map[schema.ErrorCode]string{
	schema.CodeMalformed:            "Malformed request",
	schema.CodeInvalidArgument:      "Invalid value",
	schema.CodeUnauthenticated:      "Authentication needed",
	schema.CodePermissionDenied:     "Not permitted",
	schema.CodeNotFound:             "Not found",
	schema.CodeMethodNotAllowed:     "Method not allowed",
	schema.CodeNotAcceptable:        "Not acceptable",
	schema.CodeAlreadyExists:        "Already exists",
	schema.CodeFailedPrecondition:   "Not possible now",
	schema.CodeAgentNotRunning:      "Agent not running",
	schema.CodeIllegalTransition:    "Illegal transition",
	schema.CodeNoAgentFits:          "No agent fits",
	schema.CodeConversationBusy:     "Conversation busy",
	schema.CodeKeyReused:            "Idempotency key reused",
	schema.CodeRevisionMismatch:     "Changed by somebody else",
	schema.CodeTooLarge:             "Too large",
	schema.CodeUnsupportedMediaType: "Unsupported media type",
	schema.CodeRateLimited:          "Too many requests",
	schema.CodeBusy:                 "Busy",
	schema.CodeBudgetExceeded:       "Budget used up",
	schema.CodeCancelled:            "Cancelled",
	schema.CodeInternal:             "Internal error",
	schema.CodeUnimplemented:        "Not offered",
	schema.CodeUnavailable:          "Unavailable",
	schema.CodeDeadlineExceeded:     "Took too long",
}

// ownText replaces the texts of errors that may name addresses, files or goroutines of ours.
var ownText = map[schema.ErrorCode]string{
	schema.CodeInternal:         "Something went wrong on our side. It has been logged.",
	schema.CodeUnavailable:      "The agent runtime cannot be reached right now. Try again in a moment.",
	schema.CodeCancelled:        "The request was cancelled before it was finished.",
	schema.CodeDeadlineExceeded: "The agent runtime did not answer in time. What was asked for may have happened nevertheless.",
}

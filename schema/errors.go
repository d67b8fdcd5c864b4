package schema

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrorCode is a stable name for a kind of failure. Clients may depend on it; the text beside it may change.
type ErrorCode string

// The codes. Their gRPC and HTTP status stand in one table below.
const (
	CodeMalformed            ErrorCode = "malformed"              // the input cannot be read at all
	CodeInvalidArgument      ErrorCode = "invalid_argument"       // it can be read, and a value in it is wrong
	CodeUnauthenticated      ErrorCode = "unauthenticated"        // nobody is known to be calling
	CodePermissionDenied     ErrorCode = "permission_denied"      // the caller's scopes do not cover the act
	CodeNotFound             ErrorCode = "not_found"              // there is no such thing, or the caller may not see it
	CodeMethodNotAllowed     ErrorCode = "method_not_allowed"     // the place exists and does not know the method
	CodeNotAcceptable        ErrorCode = "not_acceptable"         // no representation that the client accepts
	CodeAlreadyExists        ErrorCode = "already_exists"         // an id is taken
	CodeFailedPrecondition   ErrorCode = "failed_precondition"    // the state of things does not allow it
	CodeAgentNotRunning      ErrorCode = "agent_not_running"      // the agent is not running
	CodeIllegalTransition    ErrorCode = "illegal_transition"     // the agent cannot go there from its present state
	CodeNoAgentFits          ErrorCode = "no_agent_fits"          // routing found nobody
	CodeConversationBusy     ErrorCode = "conversation_busy"      // a turn of the conversation is unfinished, and the request does not want to wait
	CodeKeyReused            ErrorCode = "idempotency_key_reused" // the key belongs to another request
	CodeRevisionMismatch     ErrorCode = "revision_mismatch"      // somebody else changed it first
	CodeTooLarge             ErrorCode = "too_large"              // more than the limit
	CodeUnsupportedMediaType ErrorCode = "unsupported_media_type" // the body is not JSON
	CodeRateLimited          ErrorCode = "rate_limited"           // too many requests of this client
	CodeBusy                 ErrorCode = "busy"                   // a bounded queue is full
	CodeBudgetExceeded       ErrorCode = "budget_exceeded"        // a budget of tokens or money is used up
	CodeCancelled            ErrorCode = "cancelled"              // the caller gave up
	CodeInternal             ErrorCode = "internal"               // our fault
	CodeUnimplemented        ErrorCode = "unimplemented"          // this runtime does not offer it
	CodeUnavailable          ErrorCode = "unavailable"            // not now; try again
	CodeDeadlineExceeded     ErrorCode = "deadline_exceeded"      // it took too long
)

// FieldError is one thing that is wrong with an input.
type FieldError struct {
	Location string `json:"location" doc:"Where: a path such as body.message, or a JSON pointer"`
	Message  string `json:"message" doc:"What is wrong and what would be right"`
}

// Error is a failure with a stable code. It is the only error type that crosses the boundary whole.
type Error struct {
	Code       ErrorCode
	Message    string        // for a person: what happened, where, what to do next; never a secret or a message's text
	Fields     []FieldError  // every wrong value, for CodeInvalidArgument
	Details    Object        // what else a program wants to know, by the names below; nil = nothing
	RetryAfter time.Duration // when it makes sense to try again; 0 = unknown
	Cause      error         // what is underneath; does not cross the boundary
}

// Names in the details of an error.
const (
	DetailRunID      = "runId"      // string: the run that is in the way (CodeConversationBusy)
	DetailThreshold  = "threshold"  // number: of the routing that found nobody (CodeNoAgentFits)
	DetailCandidates = "candidates" // list of RouteCandidate: whom it looked at, best first
)

// Errorf returns an *Error; a %w verb sets its cause.
func Errorf(code ErrorCode, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Invalid returns a CodeInvalidArgument error for one value.
func Invalid(location, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Code: CodeInvalidArgument, Message: location + ": " + msg, Fields: []FieldError{{location, msg}}}
}

// Error returns the message with its code before it.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error of the same code, so that errors.Is(err, &Error{Code: CodeNotFound}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// CodeOf returns the code of err: its own if there is an *Error in its chain, CodeCancelled and CodeDeadlineExceeded for
// the errors of a context, CodeInternal otherwise, and "" for nil.
func CodeOf(err error) ErrorCode {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return CodeCancelled
	case errors.Is(err, context.DeadlineExceeded):
		return CodeDeadlineExceeded
	default:
		return CodeInternal
	}
}

// AsError returns err as an *Error, making one of the code that CodeOf finds if there is none. Nil stays nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	default:
		return &Error{Code: CodeOf(err), Message: err.Error(), Cause: err}
	}
}

// codeRow is one line of the error table.
type codeRow struct {
	code      ErrorCode
	grpc      uint32 // google.golang.org/grpc/codes
	http      int
	retryable bool
}

// codeTable maps every code to its gRPC and HTTP status. Where several codes share a status, the first line is what that
// status alone, without our detail, is read as.
var codeTable = []codeRow{
	{CodeInvalidArgument, 3, 422, false},
	{CodeMalformed, 3, 400, false},
	{CodeUnsupportedMediaType, 3, 415, false},
	{CodeNotAcceptable, 3, 406, false},
	{CodeUnauthenticated, 16, 401, false},
	{CodePermissionDenied, 7, 403, false},
	{CodeNotFound, 5, 404, false},
	{CodeUnimplemented, 12, 501, false},
	{CodeMethodNotAllowed, 12, 405, false},
	{CodeAlreadyExists, 6, 409, false},
	{CodeFailedPrecondition, 9, 409, false},
	{CodeAgentNotRunning, 9, 409, false},
	{CodeIllegalTransition, 9, 409, false},
	{CodeNoAgentFits, 9, 409, false},
	{CodeConversationBusy, 9, 409, false},
	{CodeKeyReused, 3, 422, false},
	{CodeRevisionMismatch, 10, 412, false},
	{CodeTooLarge, 11, 413, false},
	{CodeRateLimited, 8, 429, true},
	{CodeBusy, 8, 429, true},
	{CodeBudgetExceeded, 8, 402, false},
	{CodeCancelled, 1, 499, true},
	{CodeInternal, 13, 500, false},
	{CodeUnavailable, 14, 503, true},
	{CodeDeadlineExceeded, 4, 504, true},
}

// ErrorCodes lists every code.
func ErrorCodes() []ErrorCode {
	codes := make([]ErrorCode, len(codeTable))
	for i, r := range codeTable {
		codes[i] = r.code
	}
	return codes
}

func (c ErrorCode) row() codeRow {
	for _, r := range codeTable {
		if r.code == c {
			return r
		}
	}
	return codeRow{CodeInternal, 13, 500, false}
}

// HTTPStatus returns the HTTP status of the code; an unknown code is 500.
func (c ErrorCode) HTTPStatus() int { return c.row().http }

// GRPCStatus returns the number of the gRPC status of the code; an unknown code is 13 (Internal).
func (c ErrorCode) GRPCStatus() uint32 { return c.row().grpc }

// Retryable reports whether the same request may succeed later without being changed.
func (c ErrorCode) Retryable() bool { return c.row().retryable }

// CodeOfHTTP returns the code that an HTTP status means when nothing else is known.
func CodeOfHTTP(status int) ErrorCode {
	for _, r := range codeTable {
		if r.http == status {
			return r.code
		}
	}
	switch {
	case status < 400:
		return ""
	case status < 500:
		return CodeMalformed
	default:
		return CodeInternal
	}
}

// CodeOfGRPC returns the code that a gRPC status means when nothing else is known; 0 (OK) is "".
func CodeOfGRPC(status uint32) ErrorCode {
	if status == 0 {
		return ""
	}
	for _, r := range codeTable {
		if r.grpc == status {
			return r.code
		}
	}
	return CodeInternal
}

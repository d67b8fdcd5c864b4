package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// ErrUnknownOutcome says that nobody here knows whether something was done: what was sent may have arrived, and the asking has ended
// before an answer came; the package's documentation says when. Look, or send the message again with the same IdempotencyKey.
var ErrUnknownOutcome = errors.New("client: it is not known whether it was done")

// unknownOutcome marks an error that came instead of an answer.
func unknownOutcome(err error) error { return fmt.Errorf("%w: %w", ErrUnknownOutcome, err) }

// Error is what the server answered instead of doing what it was asked. It unwraps to an *schema.Error, so that
// schema.CodeOf and errors.Is know its code.
type Error struct {
	Code       schema.ErrorCode
	Message    string              // for a person
	Fields     []schema.FieldError // every wrong value
	Details    schema.Object       // what else came with an error frame, by the names of package schema; nil = nothing
	Retryable  bool                // whether the same request may succeed later
	RetryAfter time.Duration       // when it makes sense to try again; 0 = unknown
	RequestID  string              // finds the request in the log of the server

	// Of a turn: with Send, one that was accepted and whose reply could not be given; with CodeConversationBusy, the one in the way.
	RunID, ConversationID, AgentID string

	// Of a routing that found nobody, which is CodeNoAgentFits.
	Threshold  float64                 // the score that an agent needs
	Candidates []schema.RouteCandidate // who was looked at, best first
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the error without what only clients know.
func (e *Error) Unwrap() error {
	return &schema.Error{Code: e.Code, Message: e.Message, Fields: e.Fields, Details: e.Details, RetryAfter: e.RetryAfter}
}

// final reports whether coming again with the same request would end the same way.
func (e *Error) final() bool { return !e.Retryable && e.Code != schema.CodeInternal }

// notSent is an error that came before the server had all of what was to be sent: nothing can have been done.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// neverLeft reports whether the server cannot have had all of what was to be sent.
func neverLeft(err error) bool {
	var n notSent
	return errors.As(err, &n)
}

// problem is an error on the wire: a problem document of REST, or an error frame, which has the details in a member of that name.
type problem struct {
	Code           schema.ErrorCode    `json:"code"`
	Detail         string              `json:"detail"`
	Errors         []schema.FieldError `json:"errors"`
	Retryable      *bool               `json:"retryable"`
	RetryAfterMs   int64               `json:"retryAfterMs"`
	RequestID      string              `json:"requestId"`
	ConversationID string              `json:"conversationId"`
	AgentID        string              `json:"agentId"`
	details
	Details schema.Object `json:"details"`
}

// details are those that are known here.
type details struct {
	RunID      string                  `json:"runId"`
	Threshold  float64                 `json:"threshold"`
	Candidates []schema.RouteCandidate `json:"candidates"`
}

func (p problem) err() *Error {
	e := &Error{
		Code: p.Code, Message: p.Detail, Fields: p.Errors, Details: p.Details, Retryable: p.Code.Retryable(),
		RetryAfter: time.Duration(p.RetryAfterMs) * time.Millisecond, RequestID: p.RequestID,
		ConversationID: p.ConversationID, AgentID: p.AgentID,
	}
	if p.Retryable != nil {
		e.Retryable = *p.Retryable
	}
	known := p.details
	if b, err := json.Marshal(p.Details); err == nil {
		_ = json.Unmarshal(b, &known) // what is of another form is still in Details
	}
	e.RunID, e.Threshold, e.Candidates = known.RunID, known.Threshold, known.Candidates
	return e
}

// problemMediaType is that of an error document, see RFC 9457.
const problemMediaType = "application/problem+json"

// refused words an HTTP answer that is an error; body is what could be read of it.
func refused(resp *http.Response, body []byte) *Error {
	var p problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != problemMediaType || json.Unmarshal(body, &p) != nil || p.Code == "" {
		p = problem{
			Code:   codeOfStatus(resp.StatusCode),
			Detail: fmt.Sprintf("the answer is %s, and not one of stagehouse: is the URL right, and does a proxy stand in front of it?", resp.Status),
		}
	}
	e := p.err()
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// codeOfStatus says what the status of something that stands in front of the server means.
func codeOfStatus(status int) schema.ErrorCode {
	switch status {
	case http.StatusBadGateway:
		return schema.CodeUnavailable
	case http.StatusRequestTimeout:
		return schema.CodeDeadlineExceeded
	}
	if code := schema.CodeOfHTTP(status); code != "" {
		return code
	}
	return schema.CodeMalformed // it should have been an error
}

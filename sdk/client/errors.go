package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// ErrUnknownOutcome says that nobody here can know whether something was done that would be done twice if it was asked for
// again: the answer to a message, or to a memory to store, has been lost. Look at the conversation, or the memories, before
// you ask again.
var ErrUnknownOutcome = errors.New("client: it is not known whether it was done")

// unknownOutcome marks an error that came instead of an answer.
func unknownOutcome(err error) error { return fmt.Errorf("%w: %w", ErrUnknownOutcome, err) }

// Error is what the server answered instead of doing what it was asked. It unwraps to an *schema.Error, so that
// schema.CodeOf and errors.Is know its code.
type Error struct {
	Code       schema.ErrorCode
	Message    string              // for a person
	Fields     []schema.FieldError // every wrong value
	RetryAfter time.Duration       // when it makes sense to try again; 0 = unknown
	RequestID  string              // finds the request in the log of the server

	// Of a turn: with Send, one that was accepted and whose reply could not be given.
	RunID, ConversationID, AgentID string
}

// Error returns the code and the message.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the error without what only clients know.
func (e *Error) Unwrap() error {
	return &schema.Error{Code: e.Code, Message: e.Message, Fields: e.Fields, RetryAfter: e.RetryAfter}
}

// final reports whether coming again with the same request would end the same way.
func (e *Error) final() bool { return !e.Code.Retryable() && e.Code != schema.CodeInternal }

// unsure reports whether an error of that code leaves open if something was done.
func unsure(code schema.ErrorCode) bool {
	switch code {
	case schema.CodeInternal, schema.CodeUnavailable, schema.CodeDeadlineExceeded, schema.CodeCancelled:
		return true
	default:
		return false
	}
}

// notSent is an error that came before the server had all of what was to be sent: nothing can have been done.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// neverLeft reports whether the server cannot have had all of what was to be sent.
func neverLeft(err error) bool {
	var n notSent
	var op *net.OpError
	return errors.As(err, &n) || errors.As(err, &op) && op.Op == "dial"
}

// problem is an error on the wire: a problem document of REST, or an error frame.
type problem struct {
	Code           schema.ErrorCode    `json:"code"`
	Detail         string              `json:"detail"`
	Errors         []schema.FieldError `json:"errors"`
	RetryAfterMs   int64               `json:"retryAfterMs"`
	RequestID      string              `json:"requestId"`
	RunID          string              `json:"runId"`
	ConversationID string              `json:"conversationId"`
	AgentID        string              `json:"agentId"`
}

func (p problem) err() *Error {
	return &Error{
		Code: p.Code, Message: p.Detail, Fields: p.Errors, RetryAfter: time.Duration(p.RetryAfterMs) * time.Millisecond,
		RequestID: p.RequestID, RunID: p.RunID, ConversationID: p.ConversationID, AgentID: p.AgentID,
	}
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

package ws

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// Protocol is the version of the frames, which the welcome frame names.
const Protocol = 1

// Frames that the server sends, beside the events.
type (
	welcomeFrame struct {
		Type         string        `json:"type"`
		Protocol     int           `json:"protocol"`
		Limits       welcomeLimits `json:"limits"`
		AuthRequired bool          `json:"authRequired"`
		Epoch        string        `json:"epoch"`
	}
	welcomeLimits struct {
		FrameBytes    int   `json:"frameBytes"`
		QueueBytes    int   `json:"queueBytes"`
		AuthTimeoutMs int64 `json:"authTimeoutMs"`
		HeartbeatMs   int64 `json:"heartbeatMs"`
	}
	authFrame struct {
		Type      string          `json:"type"`
		ID        json.RawMessage `json:"id,omitempty"`
		Principal string          `json:"principal"`
		Scopes    []schema.Scope  `json:"scopes"`
	}
	subscribedFrame struct {
		Type      string             `json:"type"`
		ID        json.RawMessage    `json:"id,omitempty"`
		Agents    []string           `json:"agents"`
		Events    []schema.EventType `json:"events"`
		Head      string             `json:"head"`
		Recovered *bool              `json:"recovered,omitempty"`
	}
	ackFrame struct {
		Type           string                `json:"type"`
		ID             json.RawMessage       `json:"id,omitempty"`
		ConversationID string                `json:"conversationId"`
		RunID          string                `json:"runId"`
		AgentID        string                `json:"agentId"`
		Route          *schema.RouteDecision `json:"route,omitempty"`
		Status         schema.RunStatus      `json:"status,omitempty"` // of a turn that was to be cancelled, as is the next one
		Reason         string                `json:"reason,omitempty"`
		Replayed       bool                  `json:"replayed,omitempty"` // this was done before, and nothing was done now
	}
	pongFrame struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"id,omitempty"`
	}
	drainingFrame struct {
		Type         string `json:"type"`
		Resume       string `json:"resume,omitempty"` // a cursor; absent without a subscription
		RetryAfterMs int64  `json:"retryAfterMs"`
	}
	errorFrame struct {
		Type         string              `json:"type"`
		ID           json.RawMessage     `json:"id,omitempty"`
		Code         schema.ErrorCode    `json:"code"`
		Title        string              `json:"title"`
		Detail       string              `json:"detail"`
		Retryable    bool                `json:"retryable"`
		RetryAfterMs int64               `json:"retryAfterMs,omitempty"`
		RunID        string              `json:"runId,omitempty"`
		RequestID    string              `json:"requestId"`
		Errors       []schema.FieldError `json:"errors,omitempty"`
		Details      schema.Object       `json:"details,omitempty"`
	}
)

// problem words err as REST does, and logs what is not the client's fault. kind is "error" or "auth:error". Every error has
// a request id of its own, by which it is found in the log: a frame has nothing to bring one along in.
func (s *session) problem(kind string, id json.RawMessage, err error) errorFrame {
	p := problem.From(err)
	f := errorFrame{
		Type: kind, ID: id, Code: p.Code, Title: p.Title, Detail: p.Detail, Retryable: p.Retryable,
		RetryAfterMs: millis(p.RetryAfter), RequestID: "req_" + strings.ToLower(ulid.Make().String()), Errors: p.Errors, Details: p.Details,
	}
	switch {
	case p.Status < 500 || p.Code == schema.CodeUnimplemented:
	case p.Code == schema.CodeInternal:
		s.log.Error("a WebSocket command failed", "request", f.RequestID, "code", p.Code, "error", p.Cause)
	default:
		s.log.Warn("a WebSocket command failed", "request", f.RequestID, "code", p.Code, "error", p.Cause)
	}
	return f
}

// millis rounds up, so that who waits as long as it is told is not too early.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// encode returns v as the bytes of one text frame. It panics on a value that cannot be JSON, which none of ours is.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ws: encode %T: %v", v, err))
	}
	return textFrame(b)
}

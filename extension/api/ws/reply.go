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

// Types of the frames that the server sends, beside the events.
const (
	frameWelcome      = "welcome"
	frameAuthOK       = "auth:ok"
	frameAuthError    = "auth:error"
	frameSubscribed   = "subscribed"
	frameUnsubscribed = "unsubscribed"
	frameAck          = "ack"
	framePong         = "pong"
	frameError        = "error"
	frameDraining     = "server:draining"
)

// Those frames. Clients are told what stands in the tags.
type (
	welcomeFrame struct {
		Type         string        `json:"type"`
		Protocol     int           `json:"protocol" doc:"The version of the frames"`
		Limits       welcomeLimits `json:"limits"`
		AuthRequired bool          `json:"authRequired" doc:"Whether an auth frame must come first"`
		Epoch        string        `json:"epoch" doc:"That of the event log; another one than before means that the log was made anew"`
	}
	welcomeLimits struct {
		FrameBytes    int   `json:"frameBytes" doc:"How long a frame of yours may be"`
		QueueBytes    int   `json:"queueBytes" doc:"How much may wait for you to read it before you are cut off"`
		AuthTimeoutMs int64 `json:"authTimeoutMs" doc:"By when an auth frame must have come"`
		HeartbeatMs   int64 `json:"heartbeatMs" doc:"How often the server pings"`
	}
	authFrame struct {
		Type      string          `json:"type"`
		ID        json.RawMessage `json:"id,omitempty"`
		Principal string          `json:"principal" doc:"Who you are"`
		Scopes    []schema.Scope  `json:"scopes" nullable:"false" doc:"What you may do"`
	}
	subscribedFrame struct {
		Type      string             `json:"type"`
		ID        json.RawMessage    `json:"id,omitempty"`
		Agents    []string           `json:"agents" nullable:"false" doc:"The agents that the command was about; * for all"`
		Events    []schema.EventType `json:"events" nullable:"false" doc:"The events that it was about, in full"`
		Head      string             `json:"head" doc:"The place in the event log from which on the command holds"`
		Recovered *bool              `json:"recovered,omitempty" nullable:"false" doc:"Of a subscribe: whether the log reaches back to its since"`
	}
	ackFrame struct {
		Type           string                `json:"type"`
		ID             json.RawMessage       `json:"id,omitempty"`
		ConversationID string                `json:"conversationId" doc:"The conversation of the turn"`
		RunID          string                `json:"runId" doc:"The run that the turn is"`
		AgentID        string                `json:"agentId" doc:"Who answers"`
		Route          *schema.RouteDecision `json:"route,omitempty"`
		Status         schema.RunStatus      `json:"status,omitempty" doc:"Of a chat:cancel: what has become of the run"`
		Reason         string                `json:"reason,omitempty" doc:"Of a chat:cancel: why the run failed or was cancelled"`
		Replayed       bool                  `json:"replayed,omitempty" doc:"Whether this was done before, and nothing was done now"`
	}
	pongFrame struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"id,omitempty"`
	}
	drainingFrame struct {
		Type         string `json:"type"`
		Resume       string `json:"resume,omitempty" doc:"The place up to which everything was sent; absent without a subscription"`
		RetryAfterMs int64  `json:"retryAfterMs" doc:"How long to wait before you connect again"`
	}
	errorFrame struct {
		Type         string              `json:"type"`
		ID           json.RawMessage     `json:"id,omitempty"`
		Code         schema.ErrorCode    `json:"code" doc:"Stable name of the kind of error; depend on it"`
		Title        string              `json:"title" doc:"What kind of error it is; the same for every error of a code"`
		Detail       string              `json:"detail" doc:"What happened this time, for a person"`
		Retryable    bool                `json:"retryable" doc:"Whether the same command may succeed later"`
		RetryAfterMs int64               `json:"retryAfterMs,omitempty" doc:"When to try again"`
		RunID        string              `json:"runId,omitempty" doc:"The run that the command may have begun nevertheless"`
		RequestID    string              `json:"requestId" doc:"Finds the error in the log of the server"`
		Errors       []schema.FieldError `json:"errors,omitempty" nullable:"false" doc:"Every value that is wrong"`
		Details      schema.Object       `json:"details,omitempty" doc:"What a program may want to know: runId, the run that is in the way; threshold and candidates, of a routing that found nobody"`
	}
)

// problem words err as REST does, and logs what is not the client's fault. kind is frameError or frameAuthError. Every error has
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

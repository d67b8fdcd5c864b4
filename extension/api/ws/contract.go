package ws

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// Command is a type of frame that clients send, for whoever describes it.
type Command struct {
	Type    string
	Service string // without which it is not offered; "" = it always is
	About   string // in one line
	Detail  string
	Schema  *huma.Schema       // closed: the server refuses what does not match
	Answers []string           // types of frames; one of them answers the command
	Codes   []schema.ErrorCode // of the errors that it can come to
	Example json.RawMessage
}

// Commands lists every type of command, ordered by type.
func Commands() []Command {
	var commands []Command
	forms := grammar()
	for _, kind := range slices.Sorted(maps.Keys(forms)) {
		f := forms[kind]
		commands = append(commands, Command{
			Type: kind, Service: f.service, About: f.about, Detail: f.detail, Schema: f.schema(kind), Codes: append(commonCodes(), f.codes...),
			Answers: slices.Compact([]string{f.answer, f.refusal, frameError}), Example: json.RawMessage(f.example),
		})
	}
	return commands
}

// schema returns what the frames of the type are.
func (f form) schema(kind string) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false, Description: f.about, Required: []string{"type"},
		Properties: map[string]*huma.Schema{"type": {Type: huma.TypeString, Const: kind}, "id": clientIDSchema()},
	}
	for _, name := range slices.Sorted(maps.Keys(f.members)) {
		m := f.members[name]
		s.Properties[name] = m.schema
		if m.required {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

// commonCodes can come from every command.
func commonCodes() []schema.ErrorCode {
	return []schema.ErrorCode{
		schema.CodeInvalidArgument, schema.CodeUnauthenticated, schema.CodePermissionDenied, schema.CodeRateLimited,
		schema.CodeInternal, schema.CodeUnimplemented, schema.CodeUnavailable, schema.CodeDeadlineExceeded,
	}
}

// Frame is a type of frame that the server sends, for whoever describes it.
type Frame struct {
	Type    string
	Service string // without which it is not sent; "" = it always may be
	About   string // in one line
	Unasked bool   // it may come without a command that it answers
	Example any    // of the struct that is sent
}

// Frames lists every type of frame that the server sends beside the events, in the order in which a client meets them.
func Frames() []Frame {
	id := json.RawMessage("2")
	return []Frame{
		{frameWelcome, "", "The first frame of every socket", true, welcomeFrame{
			Type: frameWelcome, Protocol: Protocol, AuthRequired: true, Epoch: exampleEpoch,
			Limits: welcomeLimits{FrameBytes: 256 << 10, QueueBytes: 256 * frameRoom, AuthTimeoutMs: 5_000, HeartbeatMs: 30_000},
		}},
		{frameAuthOK, "", "The socket is yours: after a good auth frame, or at once where the upgrade request has shown who you are", true, authFrame{
			Type: frameAuthOK, ID: id, Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat},
		}},
		{frameAuthError, "", "The token is not good, or good no longer, or did not come in time", true, errorFrame{
			Type: frameAuthError, ID: id, Code: schema.CodeUnauthenticated, Title: "Authentication needed", Detail: "the token is not valid", RequestID: exampleRequest,
		}},
		{frameSubscribed, "", "The socket follows these events", false, subscribedFrame{
			Type: frameSubscribed, ID: id, Agents: []string{"nyx"}, Events: []schema.EventType{schema.EventThought}, Head: exampleEpoch + "-1041", Recovered: new(true),
		}},
		{frameUnsubscribed, "", "The socket does not follow these events any more", false, subscribedFrame{
			Type: frameUnsubscribed, ID: id, Agents: []string{"nyx"}, Events: []schema.EventType{schema.EventThought}, Head: exampleEpoch + "-1044",
		}},
		{frameAck, schema.ServiceChat, "A chat command was carried out", false, ackFrame{
			Type: frameAck, ID: id, ConversationID: exampleConversation, RunID: exampleRun, AgentID: "nyx",
			Route: &schema.RouteDecision{
				AgentID: "nyx", Reason: "nyx declares the skill programming", Threshold: 0.2,
				Candidates: []schema.RouteCandidate{{AgentID: "nyx", Score: 0.8, Reasons: []string{"skill programming"}}},
			},
		}},
		{framePong, "", "The answer to a ping", false, pongFrame{Type: framePong, ID: id}},
		{frameError, "", "A command was refused, or failed, or the frame was none and the socket is closed next", true, errorFrame{
			Type: frameError, ID: id, Code: schema.CodeConversationBusy, Title: "Conversation busy", Detail: "a turn of the conversation is unfinished",
			RequestID: exampleRequest, Details: schema.Object{schema.DetailRunID: exampleRun},
		}},
		{frameDraining, "", "The server goes and closes the socket next: connect again, and resume", true, drainingFrame{
			Type: frameDraining, Resume: exampleEpoch + "-1041", RetryAfterMs: drainRetry.Milliseconds(),
		}},
	}
}

// What the examples speak of.
const (
	exampleEpoch        = "5lx45goyxmyo3jhj"
	exampleConversation = "conv_01k9zq3v7kx8w2r5t4y6u7b3na"
	exampleRun          = "run_01k9zq3v7m4c2d8e6f5g1h0jkm"
	exampleRequest      = "req_01k9zq3v8s0d1f2g3h4j5k6m7n"
)

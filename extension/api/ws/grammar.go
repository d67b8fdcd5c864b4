package ws

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// Types of the frames that a client sends.
const (
	typeAuth        = "auth"
	typeSubscribe   = "subscribe"
	typeUnsubscribe = "unsubscribe"
	typeMessage     = "chat:message"
	typeRoute       = "chat:route"
	typeCancel      = "chat:cancel"
	typePing        = "ping"
)

// form is one type of command: what a client may say, and what it is told about that.
type form struct {
	service string             // of the runtime, without which it cannot be carried out; "" = none
	about   string             // what it is for, in one line
	detail  string             // what else there is to know
	members map[string]member  // beside type and id
	answer  string             // the type of the frame that says that it was carried out
	refusal string             // and of the one that says that it was not
	codes   []schema.ErrorCode // of the errors that it can come to, beside those of every command
	example string
}

// member is one member of a command. Its schema lets pass whatever may be carried out; what it cannot express, such as a
// length in bytes, stands in its description.
type member struct {
	required bool
	schema   *huma.Schema
	read     func(c *command, raw json.RawMessage) error
}

// grammar says which types of command there are. The parser reads by it, and what clients are told is made of it.
func grammar() map[string]form {
	return map[string]form{
		typeAuth:        authForm(),
		typeSubscribe:   subscribeForm(),
		typeUnsubscribe: unsubscribeForm(),
		typeMessage:     messageForm(),
		typeRoute:       routeForm(),
		typeCancel:      cancelForm(),
		typePing:        pingForm(),
	}
}

func authForm() form {
	return form{
		about: "Say who you are",
		detail: "Needed within `limits.authTimeoutMs` of a `welcome` that says `authRequired`. Allowed at any time later, to go on with another token " +
			"of the same principal. A token that is not good is answered by `auth:error`; the socket is closed with 4401 then.",
		members: map[string]member{
			"token": {true, textSchema("A token of the host"), func(c *command, raw json.RawMessage) error { return readText(&c.Token, raw) }},
		},
		answer: frameAuthOK, refusal: frameAuthError,
		codes:   []schema.ErrorCode{schema.CodeFailedPrecondition},
		example: `{"type":"auth","id":1,"token":"your-auth-token"}`,
	}
}

func subscribeForm() form {
	return form{
		about: "Follow events",
		detail: "Adds to what the socket follows: the events of these types that are about these agents. The answer comes first. With `since`, which is " +
			"for the first subscribe of a socket, what has happened since that place is sent before what happens; if the log does not reach back " +
			"to it, `recovered` is false and a `gap` comes next.",
		members: map[string]member{
			"agents": agentsMember("Only these agents, which must exist, at most 256. Absent, or with `*` in it: every agent, later ones included, and none"),
			"events": eventsMember(),
			"since":  {false, placeSchema(), func(c *command, raw json.RawMessage) error { return readPlace(&c.Since, raw) }},
		},
		answer: frameSubscribed, refusal: frameError,
		codes:   []schema.ErrorCode{schema.CodeNotFound},
		example: `{"type":"subscribe","id":2,"agents":["nyx"],"events":["thought","chat:*"],"since":"5lx45goyxmyo3jhj-1041"}`,
	}
}

func unsubscribeForm() form {
	return form{
		about:  "Follow less",
		detail: "Takes away from what the socket follows. The `chat:*` frames of its own turns come nevertheless.",
		members: map[string]member{
			"agents": agentsMember("Only these agents, at most 256. Absent, or with `*` in it: every agent, and none"),
			"events": eventsMember(),
		},
		answer: frameUnsubscribed, refusal: frameError,
		example: `{"type":"unsubscribe","id":3,"agents":["nyx"],"events":["thought"]}`,
	}
}

func messageForm() form {
	members := turnMembers()
	members["agentId"] = member{true, idSchema("Whom it is for"), func(c *command, raw json.RawMessage) error { return readText(&c.AgentID, raw) }}
	return form{
		service: schema.ServiceChat,
		about:   "Say something to an agent",
		detail: "The `ack` says that the message is durable, and names its run. The `chat:*` frames of the run follow it on this socket, subscribed or not. " +
			"An error with a `runId` leaves open whether the message was accepted; if it was, its frames will come.",
		members: members,
		answer:  frameAck, refusal: frameError,
		codes:   []schema.ErrorCode{schema.CodeNotFound, schema.CodeAgentNotRunning, schema.CodeConversationBusy, schema.CodeBusy, schema.CodeKeyReused},
		example: `{"type":"chat:message","id":"m-1","agentId":"nyx","message":"Can you hack this?","idempotencyKey":"0d1c9f1e-5c0e-4a8e-9f0b-3f3f3d0c4b52"}`,
	}
}

func routeForm() form {
	return form{
		service: schema.ServiceChat,
		about:   "Say something to the agent that it suits best",
		detail:  "As `chat:message`, to the agent that fits best; `route` in the `ack` says who was chosen, and why.",
		members: turnMembers(),
		answer:  frameAck, refusal: frameError,
		codes:   append(messageForm().codes, schema.CodeNoAgentFits),
		example: `{"type":"chat:route","id":"m-2","message":"I need help with coding","context":{"skill":"programming"}}`,
	}
}

// turnMembers are those of every command that begins a turn.
func turnMembers() map[string]member {
	return map[string]member{
		"message":        {true, messageSchema(), func(c *command, raw json.RawMessage) error { return readText(&c.Message, raw) }},
		"conversationId": {false, conversationSchema(), func(c *command, raw json.RawMessage) error { return readText(&c.ConversationID, raw) }},
		"context":        {false, contextSchema(), func(c *command, raw json.RawMessage) error { return readObject(&c.Context, raw) }},
		"onBusy":         {false, onBusySchema(), func(c *command, raw json.RawMessage) error { return readOnBusy(&c.OnBusy, raw) }},
		"idempotencyKey": keyMember(),
	}
}

func cancelForm() form {
	return form{
		service: schema.ServiceChat,
		about:   "Cancel a turn",
		detail:  "The `ack` has what has become of the run. To cancel one that is over changes nothing.",
		members: map[string]member{
			"runId":          {true, textSchema("The run, as an `ack` has named it"), func(c *command, raw json.RawMessage) error { return readText(&c.RunID, raw) }},
			"idempotencyKey": keyMember(),
		},
		answer: frameAck, refusal: frameError,
		codes:   []schema.ErrorCode{schema.CodeNotFound, schema.CodeKeyReused},
		example: `{"type":"chat:cancel","id":"c-1","runId":"run_01k9zq3v7m4c2d8e6f5g1h0jkm"}`,
	}
}

func pingForm() form {
	return form{
		about:  "See whether the server is there",
		detail: "Answered at once, ahead of commands that wait for their turn.",
		answer: framePong, refusal: frameError,
		example: `{"type":"ping","id":7}`,
	}
}

func agentsMember(about string) member {
	return member{false, agentsSchema(about), func(c *command, raw json.RawMessage) error { return readList(&c.Agents, raw) }}
}

func eventsMember() member {
	return member{false, eventsSchema(), func(c *command, raw json.RawMessage) error { return readList(&c.Events, raw) }}
}

func keyMember() member {
	return member{false, keySchema(), func(c *command, raw json.RawMessage) error { return readKey(&c.IdempotencyKey, raw) }}
}

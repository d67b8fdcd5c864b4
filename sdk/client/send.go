package client

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Message is something to say to an agent.
type Message struct {
	AgentID        string        // whom it is for; "" = see Send and Chat
	ConversationID string        // the conversation to go on with; "" = a new one. An id that is not used yet begins one
	Text           string        // what to say
	Context        schema.Object // hints for routing ("skill", "skills") and for the brain
	OnBusy         schema.OnBusy // what becomes of it while the conversation has an unfinished turn; "" = it waits

	// IdempotencyKey names the message, 1 to 255 visible characters: one that is sent again within a day with the same key is
	// the one that was sent before, if it is sent by the same method. "" = a new random one, with which the call sends it as
	// often as it has to.
	IdempotencyKey string
	// CancelOnDisconnect has the turn cancelled when the connection on which Send waits for it is gone: when ctx ends, but also
	// when the network breaks. Chat ignores it.
	CancelOnDisconnect bool
}

// check returns what is wrong with the message, so that it is found before anything is sent.
func (m Message) check() error {
	return schema.SendRequest{AgentID: m.AgentID, ConversationID: m.ConversationID, Message: m.Text, Context: m.Context, OnBusy: m.OnBusy}.Validate()
}

// Answer is what became of a message that was sent over REST.
type Answer struct {
	ConversationID string                `json:"conversationId"`
	RunID          string                `json:"runId"`
	AgentID        string                `json:"agentId"`
	Message        schema.Message        `json:"message"`         // as it was stored
	Reply          *schema.Message       `json:"reply,omitempty"` // what the agent said; nil = nothing yet
	Route          *schema.RouteDecision `json:"route,omitempty"` // how the agent was chosen, when it was
}

// Send sends a message over REST, once, and waits for the reply for as long as ctx lives. Without an AgentID it is for the agent
// that the conversation is with, in a new one for whoever fits best.
//
// An *Error with a RunID, unless it is CodeConversationBusy, means that the message was accepted: its turn has failed or was
// cancelled. Where ctx has ended first, the turn goes on, and the Answer has its RunID if that is known.
func (c *Client) Send(ctx context.Context, m Message) (Answer, error) {
	if m.IdempotencyKey == "" {
		m.IdempotencyKey = newKey()
	}
	var took Answer
	for { // the server waits for a while only; the next request waits for the same turn
		a, err := c.send(ctx, m, "")
		if err != nil || a.Reply != nil {
			if a.RunID == "" {
				a = took
			}
			return a, err
		}
		took = a
	}
}

// SendFor is Send that waits for the reply for the given time at the most, in whole seconds, and not at all if that is 0: the answer
// has no Reply then, and WaitRun has it later. The message is durable in any case.
func (c *Client) SendFor(ctx context.Context, m Message, wait time.Duration) (Answer, error) {
	if wait < time.Second {
		return c.send(ctx, m, "respond-async")
	}
	return c.send(ctx, m, "wait="+strconv.FormatInt(int64(wait/time.Second), 10))
}

func (c *Client) send(ctx context.Context, m Message, prefer string) (a Answer, err error) {
	if err := m.check(); err != nil {
		return a, err
	}
	body := struct {
		AgentID        string        `json:"agentId,omitempty"`
		Message        string        `json:"message"`
		ConversationID string        `json:"conversationId,omitempty"`
		Context        schema.Object `json:"context,omitempty"`
		OnBusy         schema.OnBusy `json:"onBusy,omitempty"`
		OnDisconnect   string        `json:"onDisconnect,omitempty"`
	}{m.AgentID, m.Text, m.ConversationID, m.Context, m.OnBusy, ""}
	if m.CancelOnDisconnect {
		body.OnDisconnect = "cancel"
	}
	r := request{verb: "send message", method: http.MethodPost, path: "/api/chat/send", body: body, key: m.IdempotencyKey, goesOn: c.turnGoesOn}
	if prefer != "" {
		r.header = http.Header{"Prefer": {prefer}}
	}
	err = c.call(ctx, r, &a)
	return a, err
}

// turnGoesOn reports whether an error about a turn that was accepted only says that its end could not be seen, and the reply is
// still to come, or there by now: the same request has it then.
func (c *Client) turnGoesOn(ctx context.Context, e *Error) bool {
	if !unsure(e.Code) {
		return false
	}
	run, err := c.Run(ctx, e.RunID)
	return err == nil && (!run.Status.Terminal() || run.Status == schema.RunCompleted)
}

package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/coder/websocket"

	"github.com/stagehouse/stagehouse/schema"
)

// protocol is the version of the frames that the package knows.
const protocol = 1

// Types of frames.
const (
	typeWelcome   = "welcome"
	typeAuth      = "auth"
	typeAuthOK    = "auth:ok"
	typeAuthError = "auth:error"
	typeSubscribe = "subscribe"
	typeMessage   = "chat:message"
	typeRoute     = "chat:route"
	typeError     = "error"
	typeDraining  = "server:draining"
)

// command is a frame that is sent. A nil list is absent, which is not the same as an empty one.
type command struct {
	Type           string             `json:"type"`
	ID             string             `json:"id"`
	Token          string             `json:"token,omitempty"`
	Agents         []string           `json:"agents,omitzero"`
	Events         []schema.EventType `json:"events,omitzero"`
	Since          string             `json:"since,omitempty"`
	AgentID        string             `json:"agentId,omitempty"`
	ConversationID string             `json:"conversationId,omitempty"`
	Message        string             `json:"message,omitempty"`
	Context        schema.Object      `json:"context,omitempty"`
	OnBusy         schema.OnBusy      `json:"onBusy,omitempty"`
	IdempotencyKey string             `json:"idempotencyKey,omitempty"`
}

// Frames that come, beside events and errors.
type (
	welcome struct {
		Protocol int `json:"protocol"`
		Limits   struct {
			FrameBytes int `json:"frameBytes"`
		} `json:"limits"`
		AuthRequired bool `json:"authRequired"`
	}
	subscribed struct {
		Head      string `json:"head"`
		Recovered bool   `json:"recovered"`
	}
	ack struct {
		ConversationID string                `json:"conversationId"`
		RunID          string                `json:"runId"`
		AgentID        string                `json:"agentId"`
		Route          *schema.RouteDecision `json:"route"`
		Replayed       bool                  `json:"replayed"`
	}
)

// frame is one frame of the server, of which only the head has been read.
type frame struct {
	Type    string          `json:"type"`
	ID      json.RawMessage `json:"id"`
	PrevSeq *uint64         `json:"prevSeq"` // of an event that is a place
	RunID   string          `json:"runId"`
	raw     []byte
}

// parse reads the head of a frame.
func parse(kind websocket.MessageType, b []byte) (frame, error) {
	f := frame{raw: b}
	if kind != websocket.MessageText {
		return f, faulty("a frame is binary")
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, faulty("a frame cannot be read: %w", err)
	}
	if f.Type == "" {
		return f, faulty("a frame has no type")
	}
	return f, nil
}

// answers reports whether the frame is the answer to the command of that id.
func (f frame) answers(id string) bool { return string(f.ID) == strconv.Quote(id) }

// isPlace reports whether the frame stands for a place in the log.
func (f frame) isPlace() bool { return f.PrevSeq != nil || f.Type == string(schema.EventGap) }

// isEvent reports whether the frame is an event. Those of a turn that was asked for again need not be places.
func (f frame) isEvent() bool {
	return f.isPlace() || f.RunID != "" && strings.HasPrefix(f.Type, "chat:")
}

// untold reports whether the frame says that the server does not know any more what became of the run.
func (f frame) untold(run string) bool { return f.Type == typeError && f.ID == nil && f.RunID == run }

// wanted reports whether somebody may wait for the frame.
func (f frame) wanted() bool {
	return f.Type == typeWelcome || f.ID != nil || f.isEvent() || f.Type == typeError && f.RunID != ""
}

// as reads the frame into a value.
func (f frame) as(v any) error {
	if err := json.Unmarshal(f.raw, v); err != nil {
		return faulty("a %s cannot be read: %w", f.Type, err)
	}
	return nil
}

// refusal returns the error that the frame is.
func (f frame) refusal() error {
	var p problem
	if err := f.as(&p); err != nil {
		return err
	}
	return p.err()
}

// event returns the event that the frame is, without the member that is about the socket.
func (f frame) event() (e schema.Event, err error) {
	if err := f.as(&e); err != nil {
		return e, err
	}
	if e.Cursor.IsZero() && f.isPlace() {
		return e, faulty("a %s has no id", f.Type)
	}
	if f.PrevSeq != nil {
		e.Payload, err = without(e.Payload, "prevSeq")
	}
	return e, err
}

// without returns a JSON object without one of its members. The server puts the one that we ask for at the end.
func without(object json.RawMessage, member string) (json.RawMessage, error) {
	name := strconv.Quote(member) + ":"
	if i := bytes.LastIndex(object, []byte(name)); i > 0 && onlyDigits(object[i+len(name):len(object)-1]) {
		return append(bytes.TrimRight(object[:i], ","), '}'), nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	delete(members, member)
	return json.Marshal(members)
}

func onlyDigits(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, "0123456789")) == 0 }

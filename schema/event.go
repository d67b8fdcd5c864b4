package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"
)

// EventType names a kind of event. Everything before the colon is its family.
type EventType string

// The types of events, with their payloads.
const (
	EventThought EventType = "agent:thought" // payload Thought
	EventEmotion EventType = "agent:emotion" // payload EmotionChange
	EventAction  EventType = "agent:action"  // payload Action
	EventStatus  EventType = "agent:status"  // payload StatusChange
	EventUpdated EventType = "agent:updated" // payload Updated
	EventCreated EventType = "agent:created" // payload Created; the first event of an agent
	EventDeleted EventType = "agent:deleted" // payload Deleted; the last one

	EventQueued    EventType = "chat:queued"    // payload Queued
	EventStarted   EventType = "chat:started"   // payload Started
	EventDelta     EventType = "chat:delta"     // payload Delta
	EventReply     EventType = "chat:reply"     // payload Reply; terminal
	EventFailed    EventType = "chat:failed"    // payload Failed; terminal
	EventCancelled EventType = "chat:cancelled" // payload Cancelled; terminal

	// What happens to the extensions of the host. Their Principal is PrincipalHost.
	EventReloaded EventType = "extension:reloaded" // payload Reloaded
	EventCrashed  EventType = "extension:crashed"  // payload Crashed
	EventBreaker  EventType = "extension:breaker"  // payload Breaker

	// EventGap is never stored: Subscribe yields it when events that were asked for are no longer there. Payload Gap.
	EventGap EventType = "gap"
)

// Terminal reports whether an event of this type ends a run.
func (t EventType) Terminal() bool {
	return t == EventReply || t == EventFailed || t == EventCancelled
}

// Payloads of the events. Their members stand beside the members of the event itself in its JSON form.
type (
	// Thought is what goes through an agent's mind.
	Thought struct {
		Thought string `json:"thought" doc:"What goes through the mind of the agent"`
	}
	// EmotionChange is what an agent feels from now on.
	EmotionChange struct {
		Emotion   string  `json:"emotion" doc:"What the feeling is called"`
		Intensity float64 `json:"intensity" minimum:"0" maximum:"1" doc:"How strong it is, 0 to 1"`
		Valence   float64 `json:"valence" minimum:"-1" maximum:"1" doc:"Unpleasant (-1) to pleasant (1)"`
		Arousal   float64 `json:"arousal" minimum:"0" maximum:"1" doc:"Calm (0) to excited (1)"`
	}
	// Action is something that an agent did.
	Action struct {
		Action string `json:"action" doc:"What the agent did, such as memory.store"`
		Input  Object `json:"input" doc:"What it did it with"`
		Result Object `json:"result" doc:"What came of it"`
	}
	// StatusChange is an agent's new state.
	StatusChange struct {
		Status   AgentStatus `json:"status" enum:"stopped,starting,running,stopping,failed" doc:"The state that the agent is in now"`
		Previous AgentStatus `json:"previous" enum:"stopped,starting,running,stopping,failed" doc:"The one that it was in before"`
		Reason   string      `json:"reason,omitempty" doc:"Why, for a person"`
		Revision int64       `json:"revision" doc:"That of the agent, which has grown"`
	}
	// Updated says that the mutable fields of an agent changed.
	Updated struct {
		Revision int64 `json:"revision" doc:"That of the agent, which has grown"`
	}
	// Created says that there is a new agent.
	Created struct {
		Revision int64 `json:"revision" doc:"The first one of the agent"`
	}
	// Deleted says that an agent is no longer, and which revision was its last one.
	Deleted struct {
		Revision int64 `json:"revision" doc:"The last one of the agent"`
	}
	// Queued says that a turn was accepted.
	Queued struct {
		Position int     `json:"position" minimum:"0" doc:"How many turns of the same conversation are before it"`
		Message  Message `json:"message"`
	}
	// Started says that a turn's work began.
	Started struct {
		MessageID string `json:"messageId" doc:"The message that began the turn"`
	}
	// Delta is a piece of a reply as it is formed; Index counts the pieces of a run from 0.
	Delta struct {
		Delta string `json:"delta" doc:"The next piece of the reply"`
		Index int    `json:"index" minimum:"0" doc:"Counts the pieces of a run from 0"`
	}
	// Reply is the whole reply.
	Reply struct {
		Reply Message `json:"reply"`
	}
	// Failed says why a turn failed.
	Failed struct {
		Reason string `json:"reason" doc:"Why it failed, for a program, such as host_restarted"`
		Error  string `json:"error,omitempty" doc:"What went wrong, for a person"`
	}
	// Cancelled says why a turn was cancelled.
	Cancelled struct {
		Reason string   `json:"reason" doc:"Why it was cancelled, for a program, such as interrupted"`
		Reply  *Message `json:"reply,omitempty"` // what had been said, now a partial message of the conversation
	}
	// Reloaded says that a generation of an extension has taken the place of another one.
	Reloaded struct {
		Extension  string `json:"extension" doc:"The name of the extension"`
		Generation uint64 `json:"generation" doc:"The one that serves now"`
		Previous   uint64 `json:"previous" doc:"The one whose place it has taken; 0 if none was running, the same if it has taken another configuration in place"`
	}
	// Crashed says that a generation of an extension died, hung, or did not start in the place of one that did.
	Crashed struct {
		Extension  string `json:"extension" doc:"The name of the extension"`
		Generation uint64 `json:"generation" doc:"The one that is no more"`
		Error      string `json:"error" doc:"What happened to it, for a person"`
	}
	// Breaker says that an extension is given up, because it crashed again and again, or is no longer.
	Breaker struct {
		Extension string       `json:"extension" doc:"The name of the extension"`
		State     BreakerState `json:"state" enum:"open,closed" doc:"open: it is not started any more. closed: somebody has reloaded it"`
		Error     string       `json:"error,omitempty" doc:"That of the last crash; not when it closes"`
	}
	// Gap says that events between Requested and FirstAvailable are not there any more.
	Gap struct {
		Requested      string `json:"requested" doc:"The place in the log that was asked for"`
		FirstAvailable string `json:"firstAvailable" doc:"That of the oldest event that there is"`
		Head           string `json:"head" doc:"That of the newest event"`
	}
)

// BreakerState is whether an extension is given up.
type BreakerState string

// The states of a breaker.
const (
	BreakerOpen   BreakerState = "open"   // the extension is not started any more
	BreakerClosed BreakerState = "closed" // somebody has reloaded it
)

// PrincipalHost owns what is the host's own. It is no valid id, so that no caller has it: only ScopeAdmin sees such things.
const PrincipalHost = "@host"

// Cursor is a place in the event log: everything up to and including Seq of that epoch has been seen. The zero Cursor
// means now, that is, the head of the log.
type Cursor struct {
	Epoch string // identifies the log; changes only when the log is made anew
	Seq   uint64 // 0 = before the first event
}

// IsZero reports whether the cursor means now.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// String returns "<epoch>-<seq>", or "" for the zero cursor.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return c.Epoch + "-" + strconv.FormatUint(c.Seq, 10)
}

// maxEpoch bounds the length of an epoch, which a client sends back to us.
const maxEpoch = 64

// ParseCursor is the inverse of String. It accepts exactly what String makes.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	epoch, digits, ok := strings.Cut(s, "-")
	if !ok || epoch == "" || len(epoch) > maxEpoch || strings.Trim(epoch, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return Cursor{}, Errorf(CodeInvalidArgument, "cursor %.80q is not of the form <epoch>-<seq>; pass back an id that the server sent", s)
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || strconv.FormatUint(seq, 10) != digits {
		return Cursor{}, Errorf(CodeInvalidArgument, "cursor %.80q does not end in a sequence number; pass back an id that the server sent", s)
	}
	return Cursor{Epoch: epoch, Seq: seq}, nil
}

// Event is one entry of the log. Its JSON form is one flat object: type, id ("<epoch>-<seq>"), seq, agentId?,
// conversationId?, runId?, time, and the members of the payload beside them.
type Event struct {
	Cursor         Cursor
	Type           EventType
	AgentID        string // whom it is about; "" = none
	ConversationID string // "" = none
	RunID          string // "" = none
	Principal      string // who may see it beside ScopeAdmin; "" = every reader. Never part of the JSON form.
	Time           time.Time
	Payload        json.RawMessage // a JSON object without members of the names above, or prevSeq; empty = {}
}

// NewPayload encodes one of the payload types. It panics on anything that encoding/json refuses, which none of them is.
func NewPayload(p any) json.RawMessage {
	b, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("schema: encode event payload: %v", err))
	}
	return b
}

type eventEnvelope struct {
	Type           EventType  `json:"type"`
	ID             string     `json:"id,omitempty"`
	Seq            uint64     `json:"seq,omitempty"`
	AgentID        string     `json:"agentId,omitempty"`
	ConversationID string     `json:"conversationId,omitempty"`
	RunID          string     `json:"runId,omitempty"`
	Time           *time.Time `json:"time,omitempty"`
}

// MarshalJSON returns the flat form that clients see.
func (e Event) MarshalJSON() ([]byte, error) {
	env := eventEnvelope{
		Type: e.Type, ID: e.Cursor.String(), Seq: e.Cursor.Seq,
		AgentID: e.AgentID, ConversationID: e.ConversationID, RunID: e.RunID,
	}
	if !e.Time.IsZero() {
		t := e.Time.UTC()
		env.Time = &t
	}
	b, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	p := bytes.TrimSpace(e.Payload)
	if len(p) == 0 {
		return b, nil
	}
	if len(p) < 2 || p[0] != '{' || p[len(p)-1] != '}' {
		return nil, fmt.Errorf("payload of %s event %s is not a JSON object", e.Type, e.Cursor)
	}
	if len(bytes.TrimSpace(p[1:len(p)-1])) == 0 {
		return b, nil
	}
	b[len(b)-1] = ','
	return append(b, p[1:]...), nil
}

// UnmarshalJSON reads the flat form back: what is not a member of the event itself is its payload, in the order in which
// it stands there.
func (e *Event) UnmarshalJSON(b []byte) error {
	if bytes.Equal(bytes.TrimSpace(b), []byte("null")) {
		return nil
	}
	var env eventEnvelope
	payload, err := env.split(b)
	if err != nil {
		return fmt.Errorf("read event: %w", err)
	}
	c, err := ParseCursor(env.ID)
	if err != nil {
		return err
	}
	*e = Event{
		Cursor: c, Type: env.Type, AgentID: env.AgentID, ConversationID: env.ConversationID, RunID: env.RunID,
		Payload: payload,
	}
	if env.Time != nil {
		e.Time = env.Time.UTC()
	}
	return nil
}

// split reads the members of the envelope out of a flat event and returns an object of the others. Names are compared
// exactly, unlike encoding/json does, because a payload may have a member that differs in case only.
func (env *eventEnvelope) split(b []byte) (json.RawMessage, error) {
	members := map[string]any{
		"type": &env.Type, "id": &env.ID, "seq": &env.Seq, "agentId": &env.AgentID,
		"conversationId": &env.ConversationID, "runId": &env.RunID, "time": &env.Time,
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	payload := []byte{'{'}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if to, ok := members[name.(string)]; ok {
			if err := json.Unmarshal(value, to); err != nil {
				return nil, fmt.Errorf("member %q: %w", name, err)
			}
			continue
		}
		if len(payload) > 1 {
			payload = append(payload, ',')
		}
		payload = append(append(payload, NewPayload(name)...), ':')
		payload = append(payload, value...)
	}
	return append(payload, '}'), nil
}

// EventQuery selects events.
type EventQuery struct {
	Since  Cursor      // the last event seen; zero = from now on
	Until  Cursor      // the last event wanted; zero = there is none
	Agents []string    // empty = every agent, and events about none
	Types  []EventType // empty = every type; a gap is told whatever the types
	RunID  string      // "" = every run
}

// Events is the log of everything that happens.
type Events interface {
	// Subscribe replays what follows q.Since and then goes on with what happens, without a seam, in the order of the log.
	// A cursor that is older than the log, beyond its head, or of another epoch, yields one EventGap first, whose own cursor
	// is the place just before the oldest event, and then the oldest events that are there. Only events that the caller may
	// see are yielded (see Caller.MaySee). A reader that is too slow to be followed gets an EventGap, or CodeUnavailable and
	// may subscribe again from its last cursor; it is never skipped silently.
	//
	// With q.Until the sequence ends, without an error, as soon as the log has been read up to there, whether the last
	// events match or not. One that is not after q.Since leaves nothing but the gap, if there is one; so does one of another
	// epoch. Otherwise the sequence ends with an error only; a cancelled ctx is CodeCancelled. Needs ScopeRead.
	Subscribe(ctx context.Context, q EventQuery) iter.Seq2[Event, error]
	// Head returns the cursor of the newest event. Needs ScopeRead.
	Head(ctx context.Context) (Cursor, error)
}

package schema

import "time"

// EventKind is a type of event, and what its events tell.
type EventKind struct {
	Type    EventType
	About   string // in one line, for a person
	Example any    // a payload, of the type that the payloads are
}

// EventKinds lists every type, in the order in which they are documented. The last one is EventGap, which no log has.
func EventKinds() []EventKind {
	return []EventKind{
		{EventThought, "A thought of an agent", Thought{"They want to know how a lock is picked"}},
		{EventEmotion, "What an agent feels from now on", EmotionChange{Emotion: "curious", Intensity: 0.6, Valence: 0.4, Arousal: 0.5}},
		{EventAction, "Something that an agent did", Action{"memory.recall", Object{"query": "locks"}, Object{"found": 2}}},
		{EventStatus, "An agent is in another state", StatusChange{Status: AgentRunning, Previous: AgentStarting, Revision: 3}},
		{EventUpdated, "The mutable fields of an agent have changed", Updated{Revision: 4}},
		{EventCreated, "There is a new agent: its first event", Created{Revision: 1}},
		{EventDeleted, "An agent is no longer: its last event", Deleted{Revision: 9}},
		{EventQueued, "A turn was accepted: its first event", Queued{Message: exampleMessage(RoleUser, "Can you hack this?")}},
		{EventStarted, "The work of a turn began", Started{MessageID: exampleMessage(RoleUser, "").ID}},
		{EventDelta, "A piece of a reply as it is formed", Delta{Delta: "I can ", Index: 0}},
		{EventReply, "The whole reply: the last event of its turn", Reply{exampleMessage(RoleAgent, "I can show you how.")}},
		{EventFailed, "A turn failed: its last event", Failed{Reason: ReasonBrainError, Error: "the model did not answer"}},
		{EventCancelled, "A turn was cancelled: its last event", Cancelled{Reason: ReasonInterrupted}},
		{EventReloaded, "A generation of an extension has taken the place of another one; for admins", Reloaded{Extension: "api", Generation: 3, Previous: 2}},
		{EventCrashed, "A generation of an extension died, hung, or did not start in the place of one that did; for admins",
			Crashed{Extension: "api", Generation: 3, Error: "signal: killed"}},
		{EventBreaker, "An extension is given up, because it crashed again and again, or is no longer; for admins",
			Breaker{Extension: "api", State: BreakerOpen, Error: "signal: killed"}},
		{EventGap, "Events that were asked for are not there any more: read the state anew",
			Gap{Requested: "5lx45goyxmyo3jhj-12", FirstAvailable: "5lx45goyxmyo3jhj-1000", Head: "5lx45goyxmyo3jhj-1041"}},
	}
}

// EventTypes lists the types that a runtime stores, in the order in which they are documented.
func EventTypes() []EventType {
	var types []EventType
	for _, k := range EventKinds() {
		if k.Type != EventGap {
			types = append(types, k.Type)
		}
	}
	return types
}

func exampleMessage(from Role, text string) Message {
	return Message{
		ID: "msg_01k9zq3v7p6q8r0s2t4v5w6x7y", ConversationID: "conv_01k9zq3v7kx8w2r5t4y6u7b3na", RunID: "run_01k9zq3v7m4c2d8e6f5g1h0jkm",
		Role: from, AgentID: "nyx", Content: text, CreatedAt: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
	}
}

package api

import (
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Names of the things that the examples are about.
const (
	sampleRunID          = "run_01m87vmwg66adtxbkb3ynedvr1"
	sampleConversationID = "conv_01m87vmwg93pcqy3jm88wmqy3q"
	sampleMessageID      = "msg_01m87vmwgfg0e04htxcahtvm6a"
	sampleReplyID        = "msg_01m87vmwhe1yyen7r8svxax23m"
	sampleMemoryID       = "mem_01m87vmz2c5d8e6f4g3h1jkm0n"
	sampleEpoch          = "lq2jjkl6rav73lom"
)

// sampleTime returns the moment so many milliseconds after the examples begin.
func sampleTime(ms int) time.Time {
	return time.Date(2026, 11, 20, 9, 15, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
}

func sampleNyx() schema.Agent {
	return schema.Agent{
		ID: "nyx", Name: "Nyx", Status: schema.AgentRunning, Skills: []string{"programming", "security"}, Declared: true,
		Description: "A programmer with a security mindset: debugs code, reviews designs and thinks about how systems break.",
		Brain:       schema.Brain{Provider: "builtin"}, Persona: "You are Nyx. You are precise, dry and direct.",
		Metadata: schema.Object{"team": "platform"}, Emotion: schema.Emotion{Name: "curious", Intensity: 0.4, Valence: 0.3, Arousal: 0.5},
		Revision: 7, CreatedAt: sampleTime(-86_400_000), UpdatedAt: sampleTime(-3_600_000),
	}
}

func sampleVera() schema.Agent {
	return schema.Agent{
		ID: "vera", Name: "Vera", Status: schema.AgentRunning, Skills: []string{"biology"},
		Description: "Knows the sea and what lives in it", Persona: "You are Vera. You say where you know things from.",
		Brain: schema.Brain{Provider: "builtin"}, Emotion: schema.Emotion{Name: "calm", Valence: 0.1, Arousal: 0.15},
		Revision: 3, CreatedAt: sampleTime(0), UpdatedAt: sampleTime(2),
	}
}

func sampleMessage() schema.Message {
	return schema.Message{
		ID: sampleMessageID, ConversationID: sampleConversationID, Role: schema.RoleUser, Content: "I need help with coding",
		AgentID: "nyx", RunID: sampleRunID, CreatedAt: sampleTime(0),
	}
}

func sampleReply() schema.Message {
	return schema.Message{
		ID: sampleReplyID, ConversationID: sampleConversationID, Role: schema.RoleAgent,
		Content: "Tell me the language, what you expected, and what happened instead.",
		AgentID: "nyx", RunID: sampleRunID, Emotion: &schema.Emotion{Name: "curious", Intensity: 0.4, Valence: 0.3, Arousal: 0.5},
		CreatedAt: sampleTime(30),
	}
}

func sampleDecision() schema.RouteDecision {
	return schema.RouteDecision{
		AgentID: "nyx", Reason: "nyx: the message is about its skill programming (“coding”); is idle", Threshold: 0.1,
		Candidates: []schema.RouteCandidate{
			{AgentID: "nyx", Score: 0.808, Reasons: []string{"the message is about its skill programming (“coding”)", "is idle"}},
			{AgentID: "aria", Score: 0.2, Reasons: []string{"is idle"}},
		},
	}
}

func sampleAccepted() *schema.Accepted {
	return &schema.Accepted{
		RunID: sampleRunID, ConversationID: sampleConversationID, AgentID: "nyx", Message: sampleMessage(),
		Since: schema.Cursor{Epoch: sampleEpoch, Seq: 32},
	}
}

func sampleRun() schema.Run {
	started, finished, reply := sampleTime(6), sampleTime(30), sampleReply()
	return schema.Run{
		ID: sampleRunID, ConversationID: sampleConversationID, AgentID: "nyx", Principal: "alice", Status: schema.RunCompleted,
		MessageID: sampleMessageID, ReplyID: sampleReplyID, Reply: &reply, Since: sampleAccepted().Since.String(),
		QueuedAt: sampleTime(0), StartedAt: &started, FinishedAt: &finished, Usage: new(sampleUsage()),
	}
}

func sampleUsage() schema.UsageSum {
	return schema.UsageSum{Steps: 2, TokenUsage: schema.TokenUsage{InputTokens: 1830, CachedTokens: 1024, OutputTokens: 214}, CostMicros: 5435}
}

func sampleMemory() schema.MemoryItem {
	return schema.MemoryItem{
		ID: sampleMemoryID, AgentID: "nyx", Principal: "alice", Content: "My cat is called Miro", Metadata: schema.Object{"source": "import"},
		Tags: []string{"pets"}, Importance: 0.8, CreatedAt: sampleTime(0),
	}
}

func sampleConversation() schema.ConversationSummary {
	return schema.ConversationSummary{
		ID: sampleConversationID, Principal: "alice", Title: "I need help with coding", AgentID: "nyx", MessageCount: 2, Revision: 3,
		CreatedAt: sampleTime(0), UpdatedAt: sampleTime(30),
	}
}

// sampleTurn is what happens in the turn of the examples.
func sampleTurn() []schema.Event {
	payloads := []struct {
		kind    schema.EventType
		payload any
	}{
		{schema.EventQueued, schema.Queued{Message: sampleMessage()}},
		{schema.EventStarted, schema.Started{MessageID: sampleMessageID}},
		{schema.EventThought, schema.Thought{Thought: "It is about code, which is my field."}},
		{schema.EventReply, schema.Reply{Reply: sampleReply()}},
	}
	events := make([]schema.Event, len(payloads))
	for i, p := range payloads {
		events[i] = schema.Event{
			Cursor: schema.Cursor{Epoch: sampleEpoch, Seq: sampleAccepted().Since.Seq + 1 + uint64(i)}, Type: p.kind, AgentID: "nyx",
			ConversationID: sampleConversationID, RunID: sampleRunID, Time: sampleTime(10 * i), Payload: schema.NewPayload(p.payload),
		}
	}
	return events
}

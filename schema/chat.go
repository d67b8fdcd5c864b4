package schema

import (
	"context"
	"iter"
	"time"
)

// Role says who wrote a message.
type Role string

// The roles.
const (
	RoleUser   Role = "user"
	RoleAgent  Role = "agent"
	RoleSystem Role = "system"
)

// Message is one entry of a conversation. It never changes once it is written.
type Message struct {
	ID             string    `json:"id" doc:"Ids sort in the order in which messages were written"`
	ConversationID string    `json:"conversationId" doc:"The conversation that it is part of"`
	Role           Role      `json:"role" enum:"user,agent,system" doc:"Who wrote it"`
	Content        string    `json:"content" doc:"What was said"`
	AgentID        string    `json:"agentId,omitempty" doc:"The agent that wrote it, or that it was written to"`
	RunID          string    `json:"runId,omitempty" doc:"The run that it began or ended"`
	Emotion        *Emotion  `json:"emotion,omitempty" doc:"What the agent felt when it wrote it"`
	Partial        bool      `json:"partial,omitempty" doc:"Whether the agent was cut off: it is what it had said until then"`
	CreatedAt      time.Time `json:"createdAt" doc:"When it was written"`
}

// RunStatus is the state of a turn: queued → running → completed | failed | cancelled. A queued run may also fail or be cancelled.
type RunStatus string

// The states of a turn.
const (
	RunQueued    RunStatus = "queued"
	RunRunning   RunStatus = "running"
	RunCompleted RunStatus = "completed"
	RunFailed    RunStatus = "failed"
	RunCancelled RunStatus = "cancelled"
)

// RunStatuses lists every status.
func RunStatuses() []RunStatus {
	return []RunStatus{RunQueued, RunRunning, RunCompleted, RunFailed, RunCancelled}
}

// Terminal reports whether the run is over.
func (s RunStatus) Terminal() bool { return s == RunCompleted || s == RunFailed || s == RunCancelled }

// Reasons for which a run fails or is cancelled.
const (
	ReasonHostRestarted = "host_restarted"       // it was unfinished when the host died
	ReasonAgentStopped  = "agent_stopped"        // its agent was stopped
	ReasonCancelled     = "cancelled"            // somebody cancelled it
	ReasonInterrupted   = "interrupted"          // a later message of its conversation took its place
	ReasonDeleted       = "conversation_deleted" // its conversation was deleted
	ReasonBrainError    = "brain_error"          // the brain failed; Run.Error says how
	ReasonShutdown      = "host_shutdown"        // the host was told to stop and did not wait longer
	ReasonBudget        = "budget_exceeded"      // a budget of its principal, its agent or the host is used up; Run.Error says which
)

// Run is one turn: a message accepted, and what became of it.
type Run struct {
	ID             string     `json:"id" doc:"Stable id"`
	ConversationID string     `json:"conversationId" doc:"The conversation that it is a turn of"`
	AgentID        string     `json:"agentId" doc:"The agent that was asked"`
	Principal      string     `json:"principal" doc:"Who sent the message"`
	Status         RunStatus  `json:"status" enum:"queued,running,completed,failed,cancelled" doc:"The last three are its end"`
	Reason         string     `json:"reason,omitempty" doc:"Why it failed or was cancelled, for a program, such as host_restarted, agent_stopped, brain_error, budget_exceeded, cancelled or interrupted"`
	Error          string     `json:"error,omitempty" doc:"What went wrong, for a person"`
	MessageID      string     `json:"messageId" doc:"The message that began it"`
	ReplyID        string     `json:"replyId,omitempty" doc:"The message that ended it: the reply, or what had been said of it"`
	Reply          *Message   `json:"reply,omitempty" doc:"That message; not in lists"`
	Since          string     `json:"since" doc:"The place in the event log just before its first event"`
	Usage          *UsageSum  `json:"usage,omitempty" doc:"What models have used for it by now; absent where none was asked, and in lists"`
	QueuedAt       time.Time  `json:"queuedAt" doc:"When it was accepted"`
	StartedAt      *time.Time `json:"startedAt,omitempty" doc:"When its work began; absent until then"`
	FinishedAt     *time.Time `json:"finishedAt,omitempty" doc:"When it came to its end; absent until then"`
}

// SendRequest begins a turn.
type SendRequest struct {
	// RunID, when not empty, is the id that the run will have ("run_" and 26 characters of a lower-case ULID), so that a
	// caller knows it before the first event can be seen. CodeAlreadyExists if it is taken.
	RunID string
	// AgentID is whom the message is for. Empty = the agent that the conversation is with; a new conversation is routed.
	AgentID string
	// ConversationID is the conversation to go on with. Empty = a new one. An id that the caller has not used yet begins
	// a conversation of that id; ids live in a name space of the caller's own. Ids that begin with "conv_" are given by the
	// runtime and cannot be chosen: an unknown one is CodeNotFound.
	ConversationID string
	Message        string
	Context        Object // hints for routing ("skill", "skills") and for the brain
	OnBusy         OnBusy // "" = BusyEnqueue
}

// OnBusy says what becomes of a message to a conversation that has an unfinished turn: the holder, which is the oldest one.
type OnBusy string

// What may become of it.
const (
	BusyEnqueue   OnBusy = "enqueue"   // it waits behind the unfinished ones; CodeBusy if too many wait
	BusyReject    OnBusy = "reject"    // CodeConversationBusy, with the holder as DetailRunID
	BusyInterrupt OnBusy = "interrupt" // the holder is cancelled with ReasonInterrupted; then as BusyEnqueue
)

// Accepted says that a turn is durable and will run.
type Accepted struct {
	RunID          string
	ConversationID string
	AgentID        string
	Message        Message        // the caller's own message, as stored
	Route          *RouteDecision // how the agent was chosen, when it was
	Position       int            // turns of the same conversation before this one
	Since          Cursor         // the place just before the first event of the run
}

// ChatEvent is one step of a turn as its sender sees it: exactly one field is set.
type ChatEvent struct {
	Accepted *Accepted // the first one, and only the first
	Event    *Event    // every later one: the events of this run in the order of the log; the last one is terminal
}

// RouteRequest asks who should answer.
type RouteRequest struct {
	Message string
	Context Object // "skill": string or "skills": list of strings ask for declared skills
}

// RouteDecision explains who should answer and why.
type RouteDecision struct {
	AgentID    string           `json:"agentId" doc:"The chosen agent"`
	Reason     string           `json:"reason" doc:"Why, for a person"`
	Threshold  float64          `json:"threshold" doc:"The score that a candidate needs"`
	Candidates []RouteCandidate `json:"candidates" nullable:"false" doc:"All running agents, best first"`
}

// RouteCandidate is one agent with its score.
type RouteCandidate struct {
	AgentID string   `json:"agentId" doc:"The agent"`
	Score   float64  `json:"score" minimum:"0" maximum:"1" doc:"How well it fits, 0 to 1"`
	Reasons []string `json:"reasons" nullable:"false" doc:"What the score is made of, for a person"`
}

// RunsQuery selects runs that the caller may see, the newest first.
type RunsQuery struct {
	ConversationID string    // "" = of any conversation
	AgentID        string    // "" = of any agent
	Status         RunStatus // "" = any
	Limit          int       // 0 = DefaultPageSize, at most MaxPageSize
	Cursor         string    // NextCursor of the page before; "" = from the start
}

// RunPage is one page of runs, the newest first.
type RunPage struct {
	Runs       []Run  `json:"runs" nullable:"false" doc:"The newest first, without their replies"`
	NextCursor string `json:"nextCursor" doc:"Pass as cursor for the next page; empty at the end"`
}

// ConversationQuery selects a conversation and a page of its messages: the newest ones, those that a cursor leads to, or those
// after one that the caller knows. Each page is in the order in which they were written.
type ConversationQuery struct {
	ID     string
	Limit  int    // messages; 0 = DefaultPageSize, at most MaxPageSize
	Cursor string // NextCursor or PrevCursor of another page; "" = the newest messages
	Since  string // id of a message: the page begins after it. CodeInvalidArgument if the conversation has none; not with Cursor
}

// Conversation is a conversation with one page of its messages.
type Conversation struct {
	ConversationSummary
	Messages   []Message `json:"messages" nullable:"false" doc:"One page, in the order in which they were written"`
	NextCursor string    `json:"nextCursor" doc:"Pass as cursor for the page of older messages; empty at the end"`
	PrevCursor string    `json:"prevCursor" doc:"Pass as cursor for the page of newer messages; empty if there are none yet"`
}

// ConversationSummary is a conversation without its messages.
type ConversationSummary struct {
	ID           string    `json:"id" doc:"Its owner's choice, or given by the server"`
	Principal    string    `json:"principal" doc:"Whose it is"`
	Title        string    `json:"title" doc:"What its owner calls it, or else the beginning of its first message"`
	AgentID      string    `json:"agentId" doc:"The agent that was last spoken to, or that it was begun for; empty if there is none yet"`
	Archived     bool      `json:"archived" doc:"Whether it is put away: lists leave it out, until somebody writes to it"`
	MessageCount int64     `json:"messageCount" doc:"How many messages it has"`
	Revision     int64     `json:"revision" doc:"Grows with every message and every change; the ETag"`
	CreatedAt    time.Time `json:"createdAt" doc:"When it was begun"`
	UpdatedAt    time.Time `json:"updatedAt" doc:"When its last message was written, or when it was last changed"`
}

// NewConversation is a conversation to begin without a message.
type NewConversation struct {
	ID      string // "" = one that the runtime gives; see SendRequest.ConversationID for what can be chosen
	Title   string // "" = the beginning of its first message
	AgentID string // whom messages are for that name nobody; "" = the first one is routed
}

// ConversationPatch changes a conversation. Null clears: the title becomes the beginning of the first message again.
type ConversationPatch struct {
	Title    Field[string] `json:"title,omitzero"`
	Archived Field[bool]   `json:"archived,omitzero"`
	// IfRevision, when not 0, makes the update fail with CodeRevisionMismatch unless the conversation has that revision.
	IfRevision int64 `json:"-"`
}

// Archived says which conversations a list holds.
type Archived string

// What it may hold.
const (
	ArchivedNone Archived = ""     // those that are not archived
	ArchivedOnly Archived = "true" // those that are
	ArchivedAny  Archived = "any"  // both
)

// ConversationsQuery selects conversations that the caller may see, the last changed first.
type ConversationsQuery struct {
	Text     string   // plain words, each of which must be in the title or a message; "" = all conversations
	AgentID  string   // "" = any
	Archived Archived // "" = those that are not
	Limit    int      // 0 = DefaultPageSize, at most MaxPageSize
	Cursor   string   // NextCursor of the page before; "" = from the start
}

// ConversationPage is one page of conversations, the last changed first.
type ConversationPage struct {
	Conversations []ConversationSummary `json:"conversations" nullable:"false" doc:"The last changed first"`
	NextCursor    string                `json:"nextCursor" doc:"Pass as cursor for the next page; empty at the end"`
}

// Chat is talking to agents. Turns of one conversation run one at a time, in the order of their acceptance; turns of
// different conversations run in parallel.
type Chat interface {
	// Send accepts a turn durably and then streams it. The first event says accepted, the last one is terminal
	// (chat:reply, chat:failed or chat:cancelled). An error before the first event means that nothing was accepted.
	// Breaking the loop, or cancelling ctx after the first event, stops watching and not the turn. CodeAgentNotRunning if the
	// agent is not running, CodeNoAgentFits if routing finds none, with DetailThreshold and DetailCandidates, CodeBusy if the
	// conversation's queue is full. Needs ScopeChat.
	//
	// A repeated request (see Once) follows the turn that the first one began, from its first event. Where the log does not
	// reach back so far, only its terminal event comes, when it is over, without a cursor.
	Send(ctx context.Context, r SendRequest) iter.Seq2[ChatEvent, error]
	// Route says who would answer and sends nothing. CodeNoAgentFits if nobody reaches the threshold. Needs ScopeChat.
	// With the key of a Send that was carried out (see Once) it says who the message went to, whoever would answer now, so
	// that who routes before it sends can repeat both.
	Route(ctx context.Context, r RouteRequest) (RouteDecision, error)
	// Conversation returns a conversation: the caller's own of that id, else, for ScopeAdmin, the last changed of that id.
	// A page of its messages may have fewer than q.Limit when they are large together. Needs ScopeRead.
	Conversation(ctx context.Context, q ConversationQuery) (Conversation, error)
	// Conversations lists conversations that the caller may see. Needs ScopeRead.
	Conversations(ctx context.Context, q ConversationsQuery) (ConversationPage, error)
	// CreateConversation begins a conversation without a message. CodeAlreadyExists if the caller has one of that id,
	// CodeNotFound if there is no such agent, which need not be running. Needs ScopeChat.
	CreateConversation(ctx context.Context, c NewConversation) (ConversationSummary, error)
	// UpdateConversation applies p to a conversation of the caller's own and returns it as it is then. A patch that changes
	// nothing keeps the revision. Needs ScopeChat.
	UpdateConversation(ctx context.Context, id string, p ConversationPatch) (ConversationSummary, error)
	// DeleteConversation cancels the unfinished runs of a conversation of the caller's own, with ReasonDeleted, and deletes it
	// with its messages and runs, all at once. Its events stay, and its id is free again. ifRevision, when not 0, makes it
	// fail with CodeRevisionMismatch unless the conversation has that revision. Needs ScopeChat.
	DeleteConversation(ctx context.Context, id string, ifRevision int64) error
	// Runs lists runs that the caller may see. Needs ScopeRead.
	Runs(ctx context.Context, q RunsQuery) (RunPage, error)
	// Run returns a run of the caller's (of anybody's, for ScopeAdmin), with its reply. Needs ScopeRead.
	Run(ctx context.Context, id string) (Run, error)
	// Cancel ends an unfinished run and returns it; a run that is over is returned as it is. What a running one had said is
	// kept as a partial message. Idempotent. Needs ScopeChat.
	Cancel(ctx context.Context, runID string) (Run, error)
}

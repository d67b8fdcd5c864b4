// Package store says what a runtime keeps on disk and what it may rely on: transactions that share a commit, reads of one
// consistent state, and an event log whose numbers are given inside the transaction that they tell of.
//
// It holds the interface and plain types only; package store/sqlite implements it. It knows the contract (package schema)
// and nothing about who may see what beyond the [Viewer] that a query is given.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// What an implementation reports, to be found with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("id is taken")
	ErrClosed   = errors.New("store is closed")
	ErrFull     = errors.New("the disk is full")
)

// Store keeps everything that a runtime must not forget. All methods are safe for concurrent use.
type Store interface {
	// Epoch identifies the event log of this store. It was made once, with the store.
	Epoch() string
	// Follow has f called with the events of every commit, in the order of their numbers, after the functions of
	// [Tx.OnCommit]. It is called once, before the first Update. f must not block.
	Follow(f func(events []schema.Event))
	// Update runs fn in a transaction and returns when its effect is durable, or fn's own error, and then nothing of fn
	// happened. Functions of concurrent callers run one after the other, in the order in which they were handed over, and may
	// share one commit; a failing one does not disturb its neighbours. fn may run more than once, always against a state in
	// which it has not happened; it must not block and must not keep the Tx. If ctx ends first, fn has not happened.
	Update(ctx context.Context, fn func(Tx) error) error
	// Submit is Update without waiting: the channel receives one value. Functions that one goroutine submits happen in the
	// order of submission. Submit blocks only while the store's queue is full.
	Submit(fn func(Tx) error) <-chan error
	// View runs fn against one consistent state that includes every Update that has returned.
	View(ctx context.Context, fn func(Reader) error) error
	// Close finishes what was handed over, and closes. Later calls fail with ErrClosed.
	Close() error
}

// Tx changes the store.
type Tx interface {
	Reader

	PutAgent(a Agent) error // inserts or replaces
	// DeleteAgent deletes an agent and its memories, and nothing else that speaks of it. ErrNotFound
	DeleteAgent(id string) error
	SetEmotion(agentID string, e schema.Emotion, at time.Time) error

	InsertConversation(c schema.ConversationSummary) (key int64, err error) // of revision 1, the last changed; ErrExists
	InsertMessage(conversation int64, m schema.Message) error               // counts it, and makes the conversation the last changed
	// UpdateConversation changes the title, the agent and whether it is archived, counts the change in its revision, and makes
	// the conversation the last changed, at c.UpdatedAt.
	UpdateConversation(conversation int64, c schema.ConversationSummary) error
	// PutSummary keeps what was said in a conversation up to a message, in short, in the place of what was kept so before, and
	// changes nothing else of it. ErrNotFound
	PutSummary(conversation int64, s Summary) error
	DeleteConversation(conversation int64) error      // with its messages and runs, none of which may be unfinished
	InsertRun(conversation int64, r schema.Run) error // ErrExists
	UpdateRun(r schema.Run) error                     // status, reason, error, reply and times

	PutOutcome(o Outcome) error // inserts or replaces
	// EvictOutcomes deletes up to limit outcomes from before a time, oldest first, and returns how many.
	EvictOutcomes(before time.Time, limit int) (int, error)

	InsertMemory(m schema.MemoryItem) error
	DeleteMemory(id string) error // ErrNotFound
	// EvictMemories deletes up to limit memories that have expired at now, and returns how many.
	EvictMemories(now time.Time, limit int) (int, error)
	VectorTx

	InsertUsage(u Usage) error

	// AppendEvent gives e its cursor and keeps it. Whoever follows the store sees it after the commit, never before.
	AppendEvent(e *schema.Event) error
	// EvictEvents deletes up to limit events with a sequence number below first, oldest first, never the newest one, and
	// returns how many.
	EvictEvents(first uint64, limit int) (int, error)

	// OnCommit has f called once, when this transaction is durable, before its events are shown to anybody and before Update
	// returns. Calls of different transactions are made in the order of the transactions. f must not block.
	OnCommit(f func())
}

// Reader reads the store. What is not there is ErrNotFound.
type Reader interface {
	Agents() ([]Agent, error) // ordered by id
	Agent(id string) (Agent, error)

	ConversationKey(principal, id string) (int64, error)
	// ConversationOf returns the conversation of that id of the viewer; else, for a viewer of everything, the last changed one.
	ConversationOf(v Viewer, id string) (int64, schema.ConversationSummary, error)
	// Conversations returns the last changed first, and the change number of each, by which they are ordered.
	Conversations(q ConversationsQuery) ([]schema.ConversationSummary, []int64, error)
	// Messages returns up to limit messages before the number before (0 = the newest), in the order in which they were
	// written, and the number of the first one.
	Messages(conversation, before int64, limit int) ([]schema.Message, int64, error)
	// MessagesAfter returns up to limit messages after the number after, in the order in which they were written, and the
	// number of the last one.
	MessagesAfter(conversation, after int64, limit int) ([]schema.Message, int64, error)
	// MessageNumber returns the number of a message of the conversation.
	MessageNumber(conversation int64, id string) (int64, error)
	// Summary returns what was kept by PutSummary; zero if that was nothing.
	Summary(conversation int64) (Summary, error)

	Message(id string) (schema.Message, error)

	Run(id string) (schema.Run, error)
	// Runs returns the newest first, and the number of each, by which they are ordered.
	Runs(q RunsQuery) ([]schema.Run, []int64, error)
	UnfinishedRuns(conversation int64) ([]string, error)   // their ids, oldest first
	UnfinishedRunsOf(agentID string) ([]schema.Run, error) // "" = of every agent; oldest first

	Memory(id string) (schema.MemoryItem, error) // whether it has expired or not
	// SearchMemories returns memories that share a word with q.Text, best first, ties the newer one first.
	SearchMemories(q MemoryQuery) ([]schema.MemoryHit, error)
	// RecentMemories returns the newest first; q.Text does not matter.
	RecentMemories(q MemoryQuery) ([]schema.MemoryItem, error)
	// MemoriesAfter returns up to limit memories, whether they have expired or not, in the order in which they were kept, after the
	// one of the number after, and the number of the last one.
	MemoriesAfter(after int64, limit int) ([]schema.MemoryItem, int64, error)
	VectorReader

	Outcome(principal, scope, key string) (Outcome, error)

	// SumUsage adds up what models have used: one sum for each group, ordered as schema.UsageReport says, or one of everything.
	// Where nothing was used there is none.
	SumUsage(q UsageQuery) ([]schema.UsageGroup, error)

	// Said returns the texts of the chat:delta events of a run, joined.
	Said(run schema.Run) (string, error)
	// Events returns up to limit events with a sequence number above after, in order.
	Events(after uint64, limit int) ([]schema.Event, error)
	// OldestEventSince returns the sequence number of the first event before which all are older than t, or one more than
	// the last if all are.
	OldestEventSince(t time.Time) (uint64, error)
	// EventBounds returns the first and the last sequence number there is; first is last+1 if there is none.
	EventBounds() (first, last uint64, err error)
}

// Agent is an agent as it is kept.
type Agent struct {
	schema.Agent           // with the emotion as it was at EmotionAt
	EmotionAt    time.Time // zero = it never felt anything
	Desired      bool      // whether it should run when the host does
	Declaration  []byte    // that was last merged, as JSON; nil = it is not declared. schema.Agent.Declared says which when it is read
}

// Summary is what was said in a conversation up to a message, in short.
type Summary struct {
	Text string
	UpTo int64 // number of the last message that it is of
}

// Viewer is who looks: what belongs to nobody else, or to anybody at all.
type Viewer struct {
	Principal  string
	Everything bool
}

// ConversationsQuery selects conversations.
type ConversationsQuery struct {
	Viewer   Viewer
	AgentID  string          // "" = any
	Text     string          // plain words, nothing in which is an operator; each must be in the title or a message. "" = all
	Archived schema.Archived // "" = those that are not
	Before   int64           // only those with a smaller change number; 0 = from the start
	Limit    int
}

// RunsQuery selects runs.
type RunsQuery struct {
	Viewer         Viewer
	ConversationID string           // "" = of any conversation
	AgentID        string           // "" = of any agent
	Status         schema.RunStatus // "" = any
	Before         int64            // only those with a smaller number; 0 = from the start
	Limit          int
}

// Outcome is what came of a request that may be made again (see schema.Once).
type Outcome struct {
	Principal, Scope, Key string
	Digest                string
	Result                []byte // JSON
	At                    time.Time
}

// MemoryQuery selects memories that the viewer owns, that are shared, or all of them for a viewer of everything.
type MemoryQuery struct {
	Viewer  Viewer
	AgentID string // "" = every agent
	Text    string // plain words; nothing in it is an operator
	Limit   int
	Now     time.Time // what has expired then is not there; zero = nothing has

	Tags          []string                // all of them
	Metadata      []schema.MetadataEquals // all of them
	MinImportance float64
}

// Usage is what one step of a model has used. It outlives its run and its agent.
type Usage struct {
	RunID, AgentID, Principal string
	Provider, Model           string
	Tokens                    schema.TokenUsage
	Cost                      *int64 // in millionths of the currency; nil = its price is not known
	Currency                  string
	At                        time.Time
}

// UsageQuery selects steps: those to which everything applies that is given.
type UsageQuery struct {
	Viewer                    Viewer
	AgentID, Principal, RunID string
	Since, Until              time.Time            // from Since on, and before Until; zero = always
	Currency                  string               // a cost in another one is not known; "" = whichever it is
	GroupBy                   schema.UsageGrouping // "" = everything is one
	After                     string               // only the groups behind that key; "" = from the start
	Limit                     int                  // groups; 0 = all
}

// Clock returns a clock that tells times as every store gives them back: in UTC, to the microsecond, and without more. now nil
// = time.Now.
func Clock(now func() time.Time) func() time.Time {
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return now().UTC().Round(0).Truncate(time.Microsecond) }
}

// Append appends an event of that time with that payload, and returns its place.
func Append(tx Tx, e schema.Event, at time.Time, payload any) (schema.Cursor, error) {
	e.Time, e.Payload = at.UTC(), schema.NewPayload(payload)
	err := tx.AppendEvent(&e)
	return e.Cursor, err
}

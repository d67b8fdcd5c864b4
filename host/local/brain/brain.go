// Package brain says how something that thinks for agents is plugged into the reference runtime: one method that turns a
// message into a sequence of steps. Package brain/builtin is the one that needs nothing else.
//
// A brain decides; the runtime acts. A brain keeps no durable state, writes no events and stores no memories by itself:
// it yields steps, and the runtime makes each of them durable and visible, in order.
package brain

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Brain thinks for one agent. Respond may be called for several turns at once.
type Brain interface {
	// Respond answers one message. The sequence ends after the reply: with a step Reply, or, if it yielded deltas, by
	// ending. An error ends the turn as failed; its text is shown to whoever sent the message. When ctx ends the brain should
	// stop soon: nothing that it still yields is kept. A panic is an error.
	Respond(ctx context.Context, t Turn) iter.Seq2[Step, error]
}

// Factory makes the brain of an agent that is being started. It checks the options (schema.Brain.Options) and says what is
// wrong with them, in words that are shown to whoever starts or changes the agent. It must not wait for anything that may be
// away, and what it makes needs no closing. ctx ends when the brain is made, or when nobody waits for it any more: the agent
// has failed to start by then, and what is made after all is dropped.
type Factory func(ctx context.Context, agentID string, options schema.Object) (Brain, error)

// Turn is what a brain may know when it answers.
type Turn struct {
	Agent     schema.Agent     // as it is now
	Principal string           // who is talking
	Message   schema.Message   // what was said
	Summary   string           // of what was said before History, as a brain has kept it; "" = there is none
	History   []schema.Message // what was said before in this conversation, oldest first, behind Summary; at most turns.MaxHistory of it
	Context   schema.Object    // what the sender gave along
	Now       time.Time
	Memory    Memory
	Commands  Commands // what extensions let the agent do; nil = nothing
	Others    Others   // agents that it may ask; nil = none
	AskedBy   string   // agent that wrote the message; "" = the principal did
	Policy    MemoryPolicy
}

// Dry reports whether the sender wants to be told what would be done, and nothing to be done: "dryRun": true in the context of its
// message. A brain that asks nobody need not look at it.
func (t Turn) Dry() bool {
	dry, _ := t.Context["dryRun"].(bool)
	return dry
}

// DryReply answers a dry run of a brain that cannot say what it would do.
func DryReply(provider string) string {
	return fmt.Sprintf("This is a dry run, and nobody was asked. The brain %s asks no model of an extension, so there is nothing to foretell.", provider)
}

// Memory is what the agent remembers and the principal of the turn may be told: its own and the shared ones.
type Memory interface {
	// Recall returns memories that share a word with text, or mean something near to it where that can be told, best first.
	Recall(ctx context.Context, text string, limit int) ([]schema.MemoryHit, error)
	// Recent returns the newest memories, newest first.
	Recent(ctx context.Context, limit int) ([]schema.MemoryItem, error)
}

// MemoryPolicy is what an agent may remember by itself. The zero policy lets it keep what it finds worth keeping, for good. The
// runtime holds every brain to it; a brain that looks at it does not promise what will not be.
type MemoryPolicy struct {
	Remember        *bool   `json:"remember,omitempty"`        // false = nothing; nil = true
	MaxPerTurn      int     `json:"maxPerTurn,omitempty"`      // memories of one turn; 0 = however many
	ExpireAfterDays float64 `json:"expireAfterDays,omitempty"` // after which it forgets one; 0 = never
}

// May reports whether a memory may be kept in a turn that has kept n already.
func (p MemoryPolicy) May(n int) bool {
	return (p.Remember == nil || *p.Remember) && (p.MaxPerTurn == 0 || n < p.MaxPerTurn)
}

// Expiry returns when a memory of now is forgotten, nil = never.
func (p MemoryPolicy) Expiry(now time.Time) *time.Time {
	if p.ExpireAfterDays == 0 {
		return nil
	}
	at := now.Add(time.Duration(p.ExpireAfterDays * float64(24*time.Hour))).UTC().Truncate(time.Microsecond)
	return &at
}

// Commands is what extensions let the agent do, on behalf of the principal of the turn and with the scopes of its message: the
// tools of a model. Methods are safe for concurrent use.
type Commands interface {
	// List returns what there is now, by name.
	List(ctx context.Context) ([]schema.Command, error)
	// Run carries a command out, and shows it as an action whose result is what came of it, or {"error": {"code", "message"}}:
	// the brain yields no step for it. The error is a *schema.Error whose text is fit to be shown, or says that the turn is over.
	Run(ctx context.Context, name string, input schema.Object) (schema.Object, error)
}

// Others is the agents beside this one, on behalf of the principal of the turn. Methods are safe for concurrent use.
type Others interface {
	// List returns those that run, ordered by id, at most schema.MaxPageSize.
	List(ctx context.Context) ([]schema.Agent, error)
	// Ask says something to one of them and returns its run, completed, with its reply. The two have a conversation of their own about
	// each conversation of the principal's. An agent that is asked may ask another one, up to a bound. The error is a
	// *schema.Error whose text is fit to be shown, or says that the turn is over.
	Ask(ctx context.Context, agentID, message string) (schema.Run, error)
}

// Step is one thing that a brain does: exactly one field is set.
type Step struct {
	Thought string          // what goes through its mind
	Emotion *schema.Emotion // what the agent feels from now on
	Action  *Action         // what it did, or has the runtime do
	Delta   string          // the next piece of the reply
	Reply   string          // the whole reply: the concatenation of the deltas, if there were any
	Summary *Summary        // what was said in the conversation up to a message, in short, to be kept in its place
	Usage   *Usage          // what a model has used for the turn by now, since the last such step; it is kept even if the turn is over
}

// Summary is what was said in a conversation up to a message: what Turn.Summary was of, and what came behind it.
type Summary struct {
	Text string
	UpTo string // id of the last message that it is of, one of Turn.History
}

// Usage is what a model has used, as its provider counts it.
type Usage struct {
	Provider string
	Model    string // as the provider calls it
	Tokens   schema.TokenUsage
}

// Action is something that an agent does. With Store set, the runtime keeps that memory, adds its id to Result under "id",
// and shows the action, all in one commit. What the policy forbids is not kept: the result is {"stored": false} then, with a reason.
type Action struct {
	Name   string // such as "memory.recall"
	Input  schema.Object
	Result schema.Object
	Store  *Memo
}

// Memo is a memory to keep, of the agent and of the principal of the turn. The runtime adds to the metadata, under "messageIds", the
// message that the turn answers.
type Memo struct {
	Content    string
	Metadata   schema.Object
	Tags       []string
	Importance *float64 // 0 to 1; nil = schema.DefaultImportance
}

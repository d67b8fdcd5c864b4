// Package local is the reference runtime: agents, conversations, memories and events in one process, kept in one SQLite
// database, with a brain that needs no model. It implements the four interfaces of package schema.
//
// It trusts its caller to have checked scopes and the bounds of requests (host/guard does both); whose things a caller may
// see it checks itself.
package local

import (
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/host/usage"
)

// Defaults of Options.
const (
	DefaultMaxRunning    = turns.DefaultMaxRunning
	DefaultMaxWaiting    = turns.DefaultMaxWaiting
	DefaultMaxUnfinished = turns.DefaultMaxUnfinished
	DefaultTurnTimeout   = turns.DefaultTimeout
	DefaultStartTimeout  = 30 * time.Second
	DefaultRetainEvents  = eventlog.DefaultRetainEvents
)

// BuiltinBrain is the provider of the brain that an agent has unless it says otherwise.
const BuiltinBrain = "builtin"

// Options says how a Runtime is made. Only Dir or Store is needed.
type Options struct {
	Dir    string                   // where stagehouse.db is or will be; it must exist
	Store  store.Store              // kept in this instead, which nobody else uses and the runtime closes; nil = in Dir
	Agents []AgentSpec              // declared agents; nil = StarterAgents()
	Brains map[string]brain.Factory // by provider, beside "builtin", which one of them may replace
	Usage  usage.Config             // prices and budgets; zero = there are none
	// UseBrains says that UseBrains will be called: an agent may have a brain that an extension offers, and runs also while it is
	// not there.
	UseBrains bool
	Embedder  *memories.Embedder // of memories, offered by what UseBrains is given; nil = none, until Memories().UseEmbedder
	Logger    *slog.Logger       // nil = no log
	Now       func() time.Time   // nil = time.Now

	MaxRunning    int           // turns at work at once; 0 = DefaultMaxRunning
	MaxWaiting    int           // turns of one conversation that wait behind the one at work; 0 = DefaultMaxWaiting
	MaxUnfinished int           // turns accepted and not over, of all conversations; 0 = DefaultMaxUnfinished
	TurnTimeout   time.Duration // after which a turn fails; 0 = DefaultTurnTimeout
	StartTimeout  time.Duration // after which an agent whose brain is not made yet fails; 0 = DefaultStartTimeout
	RetainEvents  int           // the newest events that are kept for replay; 0 = DefaultRetainEvents
	RetainAge     time.Duration // how old an event that is kept may be, to within a tenth; 0 = as old as it likes
}

func (o Options) withDefaults() Options {
	if o.Agents == nil {
		o.Agents = StarterAgents()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		value *int
		def   int
	}{
		{&o.MaxRunning, DefaultMaxRunning}, {&o.MaxWaiting, DefaultMaxWaiting},
		{&o.MaxUnfinished, DefaultMaxUnfinished}, {&o.RetainEvents, DefaultRetainEvents},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	if o.TurnTimeout <= 0 {
		o.TurnTimeout = DefaultTurnTimeout
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = DefaultStartTimeout
	}
	return o
}

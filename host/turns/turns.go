// Package turns is the conversation side of a runtime: it implements the whole of schema.Chat over a store.Store, for a
// runtime that has only to say who answers a message, and how.
//
// What it takes care of is what is easy to get wrong:
//
//   - a turn is accepted durably, with its message, its run and its first event in one commit, before its sender is told;
//   - turns of one conversation run one at a time, in the order of their acceptance, and those of different ones in parallel,
//     within bounds; a sender decides what becomes of the one that is in the way (schema.OnBusy);
//   - a run goes queued → running → completed, failed or cancelled, and has exactly one terminal event, in the commit of its
//     end, whoever ends it: its reply, an error, a panic, its time, a cancel, or the end of the runtime;
//   - what was said before a cancel is kept; what is said after it is not;
//   - a request that is repeated (schema.Once) follows the turn that the first one began.
//
// A runtime makes one Chat, gives it out as its schema.Services.Chat, and closes it with itself:
//
//	chat, err := turns.New(turns.Options{Store: s, Events: log, Work: answer})
//
// Package host/local does so over SQLite; examples/custom-runtime does over host/store/memory. Which agents there are is the
// runtime's own affair: a Chat reads their status from the store, in the transaction that accepts a message, and has a runtime
// that stops one cancel its runs by [Chat.CancelRuns] in the transaction that stops it.
package turns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/internal/ids"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/routing"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Defaults of Options.
const (
	DefaultMaxRunning    = 64
	DefaultMaxWaiting    = 16
	DefaultMaxUnfinished = 8192
	DefaultTimeout       = 10 * time.Minute
)

// cutOffTimeout bounds how long Close waits, after it has cancelled what was not finished, for work to notice.
const cutOffTimeout = 2 * time.Second

// Work answers a message. It runs in a goroutine of its own, for several turns at once, but one at a time in a conversation.
// While it works it may show what it does (Tell, Delta, Keep); what it returns is the reply. A reply without content is what
// the deltas have said together. An error, or a panic, fails the run with schema.ReasonBrainError, or with the reason of a
// [Reasoned] error, and its text is shown to whoever sent the message. When ctx ends the run is over and nothing more of it is kept: it should return soon, whatever.
type Work func(ctx context.Context, t *Turn) (Reply, error)

// Reasoned is an error of work that says for which reason the run fails, such as schema.ReasonBudget.
type Reasoned interface {
	error
	Reason() string
}

// Reply is what a turn ends with.
type Reply struct {
	Content string          // at most schema.MaxMessageBytes
	Emotion *schema.Emotion // what the agent feels when it says so; nil = nothing is said of it
}

// ErrOver says that the run of a turn has ended meanwhile, by a cancel, say; nothing more of it is kept. Work that gets it
// from its turn returns it.
var ErrOver = errors.New("the run is over")

// Options says how a Chat is made. Store, Events and Work are needed.
type Options struct {
	Store  store.Store   // where everything is kept; the agents that may be spoken to are there, too
	Events *eventlog.Log // of that store
	Work   Work
	// Route says who should answer, as schema.Chat.Route has it; nil = routing.Route, among the agents in the store.
	Route func(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error)

	Logger *slog.Logger     // nil = no log
	Now    func() time.Time // nil = time.Now

	MaxRunning    int           // turns at work at once; 0 = DefaultMaxRunning
	MaxWaiting    int           // turns of one conversation that wait behind the one at work; 0 = DefaultMaxWaiting
	MaxUnfinished int           // turns accepted and not over, of all conversations; 0 = DefaultMaxUnfinished
	Timeout       time.Duration // after which a turn fails; 0 = DefaultTimeout
}

// Chat implements schema.Chat. Its life is New, use, Close. All methods are safe for concurrent use.
type Chat struct {
	store      store.Store
	events     *eventlog.Log
	once       *once.Keeper
	work       Work
	route      func(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error)
	log        *slog.Logger
	now        func() time.Time
	ids        *ids.Maker
	turns      *scheduler
	maxWaiting int
	timeout    time.Duration
	closing    atomic.Bool
	lifetime   context.Context // of the work: it ends when Close has given up on it
	cutOff     context.CancelFunc
}

var _ schema.Chat = (*Chat)(nil)

// New returns a Chat that waits for messages.
func New(o Options) (*Chat, error) {
	if o.Store == nil || o.Events == nil || o.Work == nil {
		return nil, errors.New("make a chat: Store, Events and Work are needed")
	}
	s := &Chat{
		store: o.Store, events: o.Events, work: o.Work, route: o.Route, log: o.Logger, now: store.Clock(o.Now),
		maxWaiting: orDefault(o.MaxWaiting, DefaultMaxWaiting), timeout: orDefault(o.Timeout, DefaultTimeout),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.route == nil {
		s.route = s.routeInStore
	}
	s.once, s.ids = once.New(s.store, s.now, s.log), ids.New(s.now)
	s.turns = newScheduler(orDefault(o.MaxRunning, DefaultMaxRunning), orDefault(o.MaxUnfinished, DefaultMaxUnfinished), s.perform)
	s.lifetime, s.cutOff = context.WithCancel(context.Background())
	return s, nil
}

func orDefault[T int | time.Duration](value, def T) T {
	if value <= 0 {
		return def
	}
	return value
}

// Unfinished returns how many turns of an agent are accepted and not over: its load, for a routing.
func (s *Chat) Unfinished(agentID string) int { return s.turns.unfinished(agentID) }

// Released waits until no work for an agent, "" = for any, is under way, and reports whether that came to be before ctx ended.
// Work whose run has been cancelled may take a moment to notice.
func (s *Chat) Released(ctx context.Context, agentID string) bool {
	return s.turns.released(ctx, agentID)
}

// Drain takes nothing new from now on, and waits until every accepted turn is over. It reports false if ctx ended first.
func (s *Chat) Drain(ctx context.Context) (drained bool, err error) {
	s.closing.Store(true)
	// What was accepted before the flag was seen is queued when this returns.
	if err := s.store.Update(context.Background(), func(store.Tx) error { return nil }); err != nil {
		return false, fmt.Errorf("reach the store: %w", err)
	}
	return s.turns.drained(ctx), nil
}

// Close drains until ctx is done, cancels the rest, visibly, with schema.ReasonShutdown, and waits a moment for the work to
// notice. The store must still be open. It is idempotent.
func (s *Chat) Close(ctx context.Context) error {
	drained, err := s.Drain(ctx)
	if err == nil && !drained {
		s.log.Warn("cancelling the turns that did not finish in time")
		err = s.store.Update(context.Background(), func(tx store.Tx) error { return s.CancelRuns(tx, "", schema.ReasonShutdown) })
	}
	s.cutOff()
	wait, cancel := context.WithTimeout(context.Background(), cutOffTimeout)
	defer cancel()
	if !s.turns.released(wait, "") {
		err = errors.Join(err, errors.New("the work of a turn does not end although the turn was cancelled; it is left behind"))
	}
	return err
}

// Route says who should answer; of a message that was accepted before, who it went to.
func (s *Chat) Route(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	if a, ok, err := once.Earlier[schema.Accepted](ctx, s.once); ok {
		return routedBefore(a), err
	}
	return s.route(ctx, r)
}

// routeInStore decides among the agents in the store, of whom nothing is remembered.
func (s *Chat) routeInStore(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	var all []schema.Agent
	err := s.store.View(ctx, func(rd store.Reader) error {
		kept, err := rd.Agents()
		for _, a := range kept {
			all = append(all, a.Agent)
		}
		return err
	})
	if err != nil {
		return schema.RouteDecision{}, fault.Of(s.log, "route message", err)
	}
	return routing.Route(r, all, s.Unfinished, nil)
}

// routedBefore is the decision about a message that was accepted before: it has gone to somebody.
func routedBefore(a schema.Accepted) schema.RouteDecision {
	if a.Route != nil {
		return *a.Route
	}
	return schema.RouteDecision{AgentID: a.AgentID, Reason: "the message was accepted before, by this agent", Candidates: []schema.RouteCandidate{}}
}

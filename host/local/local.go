package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// databaseName is the file in Options.Dir.
const databaseName = "stagehouse.db"

// cutOffTimeout bounds how long Close waits for the factories of brains to notice that it closes.
const cutOffTimeout = 2 * time.Second

// Runtime is the reference runtime. Its life is Open, use, Close.
type Runtime struct {
	options  Options
	log      *slog.Logger
	store    store.Store
	events   *eventlog.Log
	registry *registry
	chat     *turns.Chat
	once     *once.Keeper
	makers   map[string]*maker // of brains, by provider
	memory   *memories.Memory
	recent   recent // memories of turns
	ledger   *usage.Ledger
	commands atomic.Pointer[schema.Commands] // of extensions; nil = there are none
	brains   atomic.Pointer[schema.Brains]
	declare  sync.Mutex // held by one Declare at a time
	closing  atomic.Bool
	lifetime context.Context // of brains in the making: it ends when Close has given up on them
	cutOff   context.CancelFunc
}

// Open opens the store, making the database in o.Dir if there is none, ends what was unfinished when the host died, merges the
// declared agents and starts those that should run, all at once. An agent that cannot start, or not within
// Options.StartTimeout, is failed and says why; it does not keep the runtime from opening.
func Open(ctx context.Context, o Options) (*Runtime, error) {
	o = o.withDefaults()
	if err := validateSpecs(o.Agents); err != nil {
		return nil, err
	}
	db, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	factories := map[string]brain.Factory{BuiltinBrain: builtin.New}
	maps.Copy(factories, o.Brains)
	r := &Runtime{options: o, log: o.Logger, store: db, registry: newRegistry(), makers: newMakers(factories)}
	r.once, r.memory = once.New(db, r.now, o.Logger), memories.New(db, r.now, o.Logger)
	r.memory.UseEmbedder(o.Embedder)
	r.lifetime, r.cutOff = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.begin(ctx); err != nil {
		r.cutOff()
		r.memory.Close()
		if r.events != nil {
			r.events.Close()
		}
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

// open returns the store that is to be used.
func (o Options) open(ctx context.Context) (store.Store, error) {
	if o.Store != nil {
		return o.Store, nil
	}
	return sqlite.Open(ctx, filepath.Join(o.Dir, databaseName))
}

// begin follows the log, brings what is kept up to date, and starts agents.
func (r *Runtime) begin(ctx context.Context) (err error) {
	r.events, err = eventlog.Open(ctx, r.store, eventlog.WithRetention(r.options.RetainEvents, r.options.RetainAge),
		eventlog.WithClock(r.now), eventlog.WithLogger(r.log))
	if err != nil {
		return err
	}
	if r.ledger, err = usage.Open(ctx, r.store, r.options.Usage, r.now, r.log); err != nil {
		return err
	}
	r.chat, err = turns.New(turns.Options{
		Store: r.store, Events: r.events, Work: r.work, Route: r.route, Logger: r.log, Now: r.now,
		MaxRunning: r.options.MaxRunning, MaxWaiting: r.options.MaxWaiting, MaxUnfinished: r.options.MaxUnfinished, Timeout: r.options.TurnTimeout,
	})
	if err != nil {
		return err
	}
	start, err := r.restore(ctx)
	if err != nil {
		return err
	}
	return r.startAll(ctx, start)
}

// startAll starts agents at the same time, so that one whose brain takes its time keeps none of the others waiting.
func (r *Runtime) startAll(ctx context.Context, ids []string) error {
	opening := context.AfterFunc(ctx, r.cutOff)
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			if err := (agents{r}).start(ctx, id); err != nil {
				errs[i] = fmt.Errorf("start agent %s: %w", id, err)
			}
		})
	}
	wg.Wait()
	if !opening() {
		return fmt.Errorf("start agents: %w", ctx.Err())
	}
	return errors.Join(errs...)
}

// Services returns the five services.
func (r *Runtime) Services() schema.Services {
	return schema.Services{Agents: agents{r}, Chat: r.chat, Memory: r.memory, Events: r.events, Usage: r.ledger}
}

// Memories returns what agents remember, to be embedded, exported and imported: host.MemoryKeeper.
func (r *Runtime) Memories() *memories.Memory { return r.memory }

// now is the time that everything here is told by.
func (r *Runtime) now() time.Time { return store.Clock(r.options.Now)() }

// Close takes nothing new, finishes the turns that were accepted until ctx is done, cancels the rest, visibly, and closes
// the database. Agents run again when the runtime is opened again. It is idempotent.
func (r *Runtime) Close(ctx context.Context) error {
	if r.closing.Swap(true) {
		return nil
	}
	drained, err := r.chat.Drain(ctx)
	if err == nil && !drained {
		r.log.Warn("cancelling the turns that did not finish in time")
	}
	errs := []error{err, r.stopAgents()}
	r.cutOff()
	errs = append(errs, r.chat.Close(ctx))
	wait, cancel := context.WithTimeout(context.Background(), cutOffTimeout)
	defer cancel()
	for _, m := range r.makers {
		if !m.shut(wait) {
			errs = append(errs, fmt.Errorf("the factory of brain %s does not return although the runtime closes; it is left behind", m.provider))
		}
	}
	r.events.Close()
	r.memory.Close()
	return errors.Join(append(errs, r.store.Close())...)
}

// stopAgents cancels what is unfinished and brings every agent that runs to stopped, in one commit, without changing whether
// it should run.
func (r *Runtime) stopAgents() error {
	return r.store.Update(context.Background(), func(tx store.Tx) error {
		all, err := tx.Agents()
		if err != nil {
			return err
		}
		for _, a := range all {
			if err := r.chat.CancelRuns(tx, a.ID, schema.ReasonShutdown); err != nil {
				return err
			}
			if a.Status == schema.AgentStopped || a.Status == schema.AgentFailed {
				continue
			}
			if a, err = r.move(tx, a, schema.AgentStopping, ""); err != nil {
				return err
			}
			if err := r.setStatus(tx, a, schema.AgentStopped, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

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
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// databaseName is the file in Options.Dir.
const databaseName = "stagehouse.db"

// cutOffTimeout bounds how long Close waits, after it has cancelled what was not finished, for brains to notice.
const cutOffTimeout = 2 * time.Second

// Runtime is the reference runtime. Its life is Open, use, Close.
type Runtime struct {
	options  Options
	log      *slog.Logger
	store    store.Store
	events   *eventlog.Log
	registry *registry
	turns    *turns
	makers   map[string]*maker // of brains, by provider
	ids      *ids
	evictor  *evictor
	closing  atomic.Bool
	lifetime context.Context // of turns and of brains in the making: it ends when Close has given up on them
	cutOff   context.CancelFunc
}

// Open opens the database in o.Dir, making it if there is none, ends what was unfinished when the host died, merges the
// declared agents and starts those that should run, all at once. An agent that cannot start, or not within
// Options.StartTimeout, is failed and says why; it does not keep the runtime from opening.
func Open(ctx context.Context, o Options) (*Runtime, error) {
	o = o.withDefaults()
	if err := validateSpecs(o.Agents); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, filepath.Join(o.Dir, databaseName))
	if err != nil {
		return nil, err
	}
	factories := map[string]brain.Factory{BuiltinBrain: builtin.New}
	maps.Copy(factories, o.Brains)
	r := &Runtime{options: o, log: o.Logger, store: db, registry: newRegistry(), makers: newMakers(factories)}
	r.ids = newIDs(r.now)
	r.turns = newTurns(o.MaxRunning, o.MaxUnfinished, r.perform)
	r.lifetime, r.cutOff = context.WithCancel(context.WithoutCancel(ctx))
	if err := r.begin(ctx); err != nil {
		r.cutOff()
		if r.evictor != nil {
			r.evictor.close()
		}
		return nil, errors.Join(err, db.Close())
	}
	return r, nil
}

// begin follows the log, brings what is kept up to date, and starts agents.
func (r *Runtime) begin(ctx context.Context) error {
	state := eventlog.State{Epoch: r.store.Epoch()}
	err := r.store.View(ctx, func(rd store.Reader) (err error) {
		state.First, state.Last, err = rd.EventBounds()
		return err
	})
	if err != nil {
		return fmt.Errorf("read the bounds of the event log: %w", err)
	}
	r.events = eventlog.New(eventlog.StoreFunc(r.readEvents), state)
	r.evictor = newEvictor(r, state)
	r.store.Follow(func(events []schema.Event) {
		r.events.Publish(events)
		r.evictor.grown(events[len(events)-1].Cursor.Seq)
	})
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

func (r *Runtime) readEvents(ctx context.Context, after uint64, limit int) (page []schema.Event, err error) {
	err = r.store.View(ctx, func(rd store.Reader) error {
		page, err = rd.Events(after, limit)
		return err
	})
	return page, r.fault("read events", err)
}

// Services returns the four services.
func (r *Runtime) Services() schema.Services {
	return schema.Services{Agents: agents{r}, Chat: chat{r}, Memory: memory{r}, Events: r.events}
}

// now is the time that everything here is told by: UTC, and exactly what the store gives back.
func (r *Runtime) now() time.Time { return r.options.Now().UTC().Round(0).Truncate(time.Microsecond) }

// Close takes nothing new, finishes the turns that were accepted until ctx is done, cancels the rest, visibly, and closes
// the database. Agents run again when the runtime is opened again. It is idempotent.
func (r *Runtime) Close(ctx context.Context) error {
	if r.closing.Swap(true) {
		return nil
	}
	var errs []error
	// What was accepted before the flag was seen is queued when this returns.
	if err := r.store.Update(context.Background(), func(store.Tx) error { return nil }); err != nil {
		errs = append(errs, fmt.Errorf("reach the store: %w", err))
	}
	if !r.turns.drained(ctx) {
		r.log.Warn("cancelling the turns that did not finish in time")
	}
	errs = append(errs, r.stopAgents())
	r.cutOff()
	wait, cancel := context.WithTimeout(context.Background(), cutOffTimeout)
	defer cancel()
	if !r.turns.released(wait, "") {
		errs = append(errs, errors.New("a brain does not end although its turn was cancelled; it is left behind"))
	}
	for _, m := range r.makers {
		if !m.shut(wait) {
			errs = append(errs, fmt.Errorf("the factory of brain %s does not return although the runtime closes; it is left behind", m.provider))
		}
	}
	r.evictor.close()
	r.events.Close()
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
			if err := r.endRunsOf(tx, a.ID, schema.ReasonShutdown); err != nil {
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

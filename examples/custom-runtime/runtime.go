package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

// counter is the brain of every agent here.
var counter = schema.Brain{Provider: "counter"}

// Runtime is a whole runtime in memory: agents that count the words of what they are told. They remember nothing, so it offers
// no schema.Memory. It is its own schema.Agents.
type Runtime struct {
	store  store.Store
	events *eventlog.Log
	chat   *turns.Chat
	once   *once.Keeper
	log    *slog.Logger
}

// Open returns a runtime in which those agents run.
func Open(ctx context.Context, log *slog.Logger, agents ...schema.NewAgent) (r *Runtime, err error) {
	r = &Runtime{store: memory.New(), log: log}
	r.once = once.New(r.store, nil, log)
	if r.events, err = eventlog.Open(ctx, r.store); err != nil {
		return nil, err
	}
	if r.chat, err = turns.New(turns.Options{Store: r.store, Events: r.events, Work: answer, Logger: log}); err != nil {
		return nil, err
	}
	return r, r.store.Update(ctx, func(tx store.Tx) error {
		for _, n := range agents {
			if _, err := roster.Insert(tx, store.Agent{Agent: n.Agent(counter), Desired: true, Declaration: []byte("{}")}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Services implements host.Runtime.
func (r *Runtime) Services() schema.Services {
	return schema.Services{Agents: r, Chat: r.chat, Events: r.events}
}

// Close implements host.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	err := r.chat.Close(ctx)
	r.events.Close()
	return errors.Join(err, r.store.Close())
}

// Publish implements host.Publisher: what happens to extensions stands in the event log, too.
func (r *Runtime) Publish(ctx context.Context, e schema.Event) error {
	e.Time = time.Now().UTC()
	return r.store.Update(ctx, func(tx store.Tx) error { return tx.AppendEvent(&e) })
}

// answer is what an agent does with a message. A real one would ask a model here.
func answer(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
	feels := schema.Emotion{Name: "curious", Intensity: 0.6, Valence: 0.4, Arousal: 0.5}
	history, err := t.History(ctx)
	err = errors.Join(err, t.Tell(schema.EventThought, schema.Thought{Thought: "How many words are that?"}),
		t.Tell(schema.EventEmotion, schema.EmotionChange{Emotion: feels.Name, Intensity: feels.Intensity, Valence: feels.Valence, Arousal: feels.Arousal}))
	text := fmt.Sprintf("%d words, and %d messages before them.", len(strings.Fields(t.Message.Content)), len(history))
	return turns.Reply{Content: text, Emotion: &feels}, err
}

// List, Get, Create, Update, Start, Stop and Delete implement schema.Agents.
func (r *Runtime) List(ctx context.Context, q schema.AgentQuery) (page schema.AgentPage, err error) {
	err = r.store.View(ctx, func(rd store.Reader) error { page, err = roster.List(rd, q); return err })
	return page, fault.Of(r.log, "list agents", err)
}

func (r *Runtime) Get(ctx context.Context, id string) (schema.Agent, error) {
	var a store.Agent
	err := r.store.View(ctx, func(rd store.Reader) (err error) { a, err = rd.Agent(id); return err })
	return a.Agent, fault.OrNotFound(r.log, err, "read agent", "agent", id)
}

func (r *Runtime) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	return r.commit(ctx, n.ID, func(tx store.Tx) (store.Agent, error) {
		return roster.Insert(tx, store.Agent{Agent: n.Agent(counter), Desired: n.Start}, time.Now())
	})
}

func (r *Runtime) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	return r.change(ctx, id, func(tx store.Tx, a store.Agent) (store.Agent, error) {
		return roster.Patch(tx, a, p, counter, time.Now())
	})
}

func (r *Runtime) Start(ctx context.Context, id string) (schema.Agent, error) {
	return r.change(ctx, id, func(tx store.Tx, a store.Agent) (store.Agent, error) {
		return roster.Start(tx, a, time.Now())
	})
}

func (r *Runtime) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return r.change(ctx, id, func(tx store.Tx, a store.Agent) (store.Agent, error) {
		if err := r.chat.CancelRuns(tx, id, schema.ReasonAgentStopped); err != nil {
			return a, err
		}
		return roster.Stop(tx, a, time.Now())
	})
}

func (r *Runtime) Delete(ctx context.Context, id string, ifRevision int64) error {
	_, err := r.change(ctx, id, func(tx store.Tx, a store.Agent) (store.Agent, error) {
		return a, errors.Join(r.chat.CancelRuns(tx, id, schema.ReasonAgentStopped), roster.Delete(tx, a, ifRevision, time.Now()))
	})
	return err
}

// change is commit for an agent that is there.
func (r *Runtime) change(ctx context.Context, id string, fn func(store.Tx, store.Agent) (store.Agent, error)) (schema.Agent, error) {
	return r.commit(ctx, id, func(tx store.Tx) (store.Agent, error) {
		a, err := tx.Agent(id)
		if err != nil {
			return a, err
		}
		return fn(tx, a)
	})
}

// commit changes an agent in one transaction, and once however often that is asked for.
func (r *Runtime) commit(ctx context.Context, id string, fn func(store.Tx) (store.Agent, error)) (schema.Agent, error) {
	explain := func(err error) error { return fault.OrNotFound(r.log, err, "change agent", "agent", id) }
	return once.Do(ctx, r.once, explain, func(tx store.Tx) (schema.Agent, error) {
		a, err := fn(tx)
		if err == nil && a.Brain.Provider != counter.Provider {
			err = schema.Invalid("brain", "there is no brain %.80q; every agent here has %q", a.Brain.Provider, counter.Provider)
		}
		return a.Agent, err
	})
}

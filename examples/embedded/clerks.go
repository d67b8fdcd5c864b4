package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

// Clerk is an agent of the shop: an ordinary Go value, which knows nothing of stagehouse.
type Clerk struct {
	Name   string
	Skills []string
	Answer func(ctx context.Context, question string) (string, error)
}

// Clerks is the shop's runtime: its clerks, by the ids that they have outside. They come with the program, so that nobody can
// make, change or stop one; the methods that would are not offered.
type Clerks struct {
	store  store.Store
	events *eventlog.Log
	chat   *turns.Chat
	log    *slog.Logger
}

// OpenClerks returns a runtime with those clerks.
func OpenClerks(ctx context.Context, log *slog.Logger, clerks map[string]Clerk) (*Clerks, error) {
	c := &Clerks{store: memory.New(), log: log}
	events, err := eventlog.Open(ctx, c.store, eventlog.WithLogger(log))
	if err != nil {
		return nil, err
	}
	c.events = events
	answer := func(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
		text, err := clerks[t.Run.AgentID].Answer(ctx, t.Message.Content)
		return turns.Reply{Content: text}, err
	}
	if c.chat, err = turns.New(turns.Options{Store: c.store, Events: events, Work: answer, Logger: log}); err != nil {
		return nil, err
	}
	now := store.Clock(nil)
	return c, c.store.Update(ctx, func(tx store.Tx) error {
		for id, clerk := range clerks {
			a := schema.NewAgent{ID: id, Name: clerk.Name, Skills: clerk.Skills}.Agent(schema.Brain{Provider: "clerk"})
			if _, err := roster.Insert(tx, store.Agent{Agent: a, Desired: true, Declaration: []byte("{}")}, now()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Services implements host.Runtime.
func (c *Clerks) Services() schema.Services {
	return schema.Services{Agents: c, Chat: c.chat, Events: c.events}
}

// Close implements host.Runtime.
func (c *Clerks) Close(ctx context.Context) error {
	err := c.chat.Close(ctx)
	c.events.Close()
	return errors.Join(err, c.store.Close())
}

// List returns a page of the clerks.
func (c *Clerks) List(ctx context.Context, q schema.AgentQuery) (page schema.AgentPage, err error) {
	err = c.store.View(ctx, func(r store.Reader) error { page, err = roster.List(r, q); return err })
	return page, fault.Of(c.log, "list clerks", err)
}

// Get returns one clerk.
func (c *Clerks) Get(ctx context.Context, id string) (schema.Agent, error) {
	var a store.Agent
	err := c.store.View(ctx, func(r store.Reader) (err error) { a, err = r.Agent(id); return err })
	return a.Agent, fault.OrNotFound(c.log, err, "read clerk", "agent", id)
}

// Create is not offered, and neither is what follows.
func (*Clerks) Create(context.Context, schema.NewAgent) (schema.Agent, error) {
	return schema.Agent{}, fixed()
}

// Update is not offered.
func (*Clerks) Update(context.Context, string, schema.AgentPatch) (schema.Agent, error) {
	return schema.Agent{}, fixed()
}

// Delete is not offered.
func (*Clerks) Delete(context.Context, string, int64) error { return fixed() }

// Start is not offered.
func (*Clerks) Start(context.Context, string) (schema.Agent, error) { return schema.Agent{}, fixed() }

// Stop is not offered.
func (*Clerks) Stop(context.Context, string) (schema.Agent, error) { return schema.Agent{}, fixed() }

func fixed() error {
	return schema.Errorf(schema.CodeUnimplemented, "the clerks come with the shop; nobody can make, change or stop one")
}

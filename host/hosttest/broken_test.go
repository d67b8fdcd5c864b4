package hosttest_test

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// broken is a runtime with something wrong in it. What is not set is as it should be.
type broken struct {
	in  func(context.Context) context.Context // what every call gets for its context
	out func(error) error                     // what every call makes of its error

	agents struct {
		list   func(context.Context, schema.AgentQuery) (schema.AgentPage, error)
		get    func(context.Context, string) (schema.Agent, error)
		create func(context.Context, schema.NewAgent) (schema.Agent, error)
		delete func(context.Context, string, int64) error
		update func(context.Context, string, schema.AgentPatch) (schema.Agent, error)
		start  func(context.Context, string) (schema.Agent, error)
		stop   func(context.Context, string) (schema.Agent, error)
	}
	chat struct {
		send          func(context.Context, schema.SendRequest) iter.Seq2[schema.ChatEvent, error]
		route         func(context.Context, schema.RouteRequest) (schema.RouteDecision, error)
		conversation  func(context.Context, schema.ConversationQuery) (schema.Conversation, error)
		conversations func(context.Context, schema.ConversationsQuery) (schema.ConversationPage, error)
		update        func(context.Context, string, schema.ConversationPatch) (schema.ConversationSummary, error)
		delete        func(context.Context, string, int64) error
		runs          func(context.Context, schema.RunsQuery) (schema.RunPage, error)
		run           func(context.Context, string) (schema.Run, error)
		cancel        func(context.Context, string) (schema.Run, error)
	}
	memory struct {
		store  func(context.Context, schema.NewMemory) (schema.MemoryItem, error)
		search func(context.Context, schema.MemoryQuery) ([]schema.MemoryHit, error)
		get    func(context.Context, string, string) (schema.MemoryItem, error)
	}
	usage  func(context.Context, schema.UsageQuery) (schema.UsageReport, error)
	events struct {
		subscribe func(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error]
		head      func(context.Context) (schema.Cursor, error)
	}
}

// of returns services that are as those of a runtime, but for what is broken.
func (b *broken) of(s schema.Services) schema.Services {
	return schema.Services{
		Agents: brokenAgents{s.Agents, b}, Chat: brokenChat{s.Chat, b}, Memory: brokenMemory{s.Memory, b}, Events: brokenEvents{s.Events, b},
		Usage: brokenUsage{s.Usage, b},
	}
}

type (
	brokenAgents struct {
		schema.Agents
		*broken
	}
	brokenChat struct {
		schema.Chat
		*broken
	}
	brokenMemory struct {
		schema.Memory
		*broken
	}
	brokenUsage struct {
		schema.Usage
		*broken
	}
	brokenEvents struct {
		schema.Events
		*broken
	}
)

func (b *broken) ctx(ctx context.Context) context.Context {
	if b.in == nil {
		return ctx
	}
	return b.in(ctx)
}

func (b *broken) err(err error) error {
	if b.out == nil || err == nil {
		return err
	}
	return b.out(err)
}

// call calls f, or whole where there is none.
func call[Q, R any](ctx context.Context, b *broken, q Q, f, whole func(context.Context, Q) (R, error)) (R, error) {
	if f == nil {
		f = whole
	}
	r, err := f(b.ctx(ctx), q)
	return r, b.err(err)
}

// two is call for two arguments, do for those without a result, and stream for those with many.
func two[P, Q, R any](ctx context.Context, b *broken, p P, q Q, f, whole func(context.Context, P, Q) (R, error)) (R, error) {
	if f == nil {
		f = whole
	}
	r, err := f(b.ctx(ctx), p, q)
	return r, b.err(err)
}

func do[P, Q any](ctx context.Context, b *broken, p P, q Q, f, whole func(context.Context, P, Q) error) error {
	if f == nil {
		f = whole
	}
	return b.err(f(b.ctx(ctx), p, q))
}

func stream[Q, E any](ctx context.Context, b *broken, q Q, f, whole func(context.Context, Q) iter.Seq2[E, error]) iter.Seq2[E, error] {
	if f == nil {
		f = whole
	}
	return func(yield func(E, error) bool) {
		for e, err := range f(b.ctx(ctx), q) {
			if !yield(e, b.err(err)) {
				return
			}
		}
	}
}

func (a brokenAgents) List(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	return call(ctx, a.broken, q, a.agents.list, a.Agents.List)
}

func (a brokenAgents) Get(ctx context.Context, id string) (schema.Agent, error) {
	return call(ctx, a.broken, id, a.agents.get, a.Agents.Get)
}

func (a brokenAgents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	return call(ctx, a.broken, n, a.agents.create, a.Agents.Create)
}

func (a brokenAgents) Delete(ctx context.Context, id string, rev int64) error {
	return do(ctx, a.broken, id, rev, a.agents.delete, a.Agents.Delete)
}

func (a brokenAgents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	return two(ctx, a.broken, id, p, a.agents.update, a.Agents.Update)
}

func (a brokenAgents) Start(ctx context.Context, id string) (schema.Agent, error) {
	return call(ctx, a.broken, id, a.agents.start, a.Agents.Start)
}

func (a brokenAgents) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return call(ctx, a.broken, id, a.agents.stop, a.Agents.Stop)
}

func (c brokenChat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return stream(ctx, c.broken, r, c.chat.send, c.Chat.Send)
}

func (c brokenChat) Route(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	return call(ctx, c.broken, r, c.chat.route, c.Chat.Route)
}

func (c brokenChat) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	return call(ctx, c.broken, q, c.chat.conversation, c.Chat.Conversation)
}

func (c brokenChat) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	return call(ctx, c.broken, q, c.chat.conversations, c.Chat.Conversations)
}

func (c brokenChat) CreateConversation(ctx context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	return call(ctx, c.broken, n, nil, c.Chat.CreateConversation)
}

func (c brokenChat) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	return two(ctx, c.broken, id, p, c.chat.update, c.Chat.UpdateConversation)
}

func (c brokenChat) DeleteConversation(ctx context.Context, id string, rev int64) error {
	return do(ctx, c.broken, id, rev, c.chat.delete, c.Chat.DeleteConversation)
}

func (c brokenChat) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	return call(ctx, c.broken, q, c.chat.runs, c.Chat.Runs)
}

func (c brokenChat) Run(ctx context.Context, id string) (schema.Run, error) {
	return call(ctx, c.broken, id, c.chat.run, c.Chat.Run)
}

func (c brokenChat) Cancel(ctx context.Context, id string) (schema.Run, error) {
	return call(ctx, c.broken, id, c.chat.cancel, c.Chat.Cancel)
}

func (m brokenMemory) Store(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
	return call(ctx, m.broken, n, m.memory.store, m.Memory.Store)
}

func (m brokenMemory) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	return call(ctx, m.broken, q, m.memory.search, m.Memory.Search)
}

func (m brokenMemory) Get(ctx context.Context, agent, id string) (schema.MemoryItem, error) {
	return two(ctx, m.broken, agent, id, m.memory.get, m.Memory.Get)
}

func (m brokenMemory) Delete(ctx context.Context, agent, id string) error {
	return do(ctx, m.broken, agent, id, nil, m.Memory.Delete)
}

func (u brokenUsage) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	return call(ctx, u.broken, q, u.usage, u.Usage.Report)
}

func (e brokenEvents) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	return stream(ctx, e.broken, q, e.events.subscribe, e.Events.Subscribe)
}

func (e brokenEvents) Head(ctx context.Context) (schema.Cursor, error) {
	f := e.events.head
	if f == nil {
		f = e.Events.Head
	}
	c, err := f(e.ctx(ctx))
	return c, e.err(err)
}

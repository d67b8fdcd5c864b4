package wire_test

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// fake offers every service; each method is what the test makes of it.
type fake struct {
	get       func(ctx context.Context, id string) (schema.Agent, error)
	update    func(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error)
	send      func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error]
	subscribe func(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error]
	any       func(ctx context.Context) error // every other method

	// What lists hold; nil is the least that shows that a query has arrived.
	list         func(q schema.AgentQuery) schema.AgentPage
	conversation func(q schema.ConversationQuery) schema.Conversation
	search       func(q schema.MemoryQuery) []schema.MemoryHit
}

type (
	fakeAgents   struct{ *fake }
	fakeChat     struct{ *fake }
	fakeMemory   struct{ *fake }
	fakeEvents   struct{ *fake }
	fakeUsage    struct{ *fake }
	fakeIdentity struct{ *fake }
)

func (f *fake) services() schema.Services {
	return schema.Services{
		Agents: fakeAgents{f}, Chat: fakeChat{f}, Memory: fakeMemory{f}, Events: fakeEvents{f}, Usage: fakeUsage{f}, Identity: fakeIdentity{f},
	}
}

func (f fakeAgents) List(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	if f.list != nil {
		return f.list(q), f.any(ctx)
	}
	return schema.AgentPage{NextCursor: q.Cursor}, f.any(ctx)
}
func (f fakeAgents) Get(ctx context.Context, id string) (schema.Agent, error) { return f.get(ctx, id) }
func (f fakeAgents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	return schema.Agent{ID: n.ID, Name: n.Name}, f.any(ctx)
}
func (f fakeAgents) Delete(ctx context.Context, _ string, _ int64) error { return f.any(ctx) }
func (f fakeAgents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	return f.update(ctx, id, p)
}
func (f fakeAgents) Start(ctx context.Context, id string) (schema.Agent, error) {
	return schema.Agent{ID: id, Status: schema.AgentRunning}, f.any(ctx)
}
func (f fakeAgents) Stop(ctx context.Context, id string) (schema.Agent, error) {
	return schema.Agent{ID: id, Status: schema.AgentStopped}, f.any(ctx)
}

func (f fakeChat) Send(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return f.send(ctx, r)
}
func (f fakeChat) Route(ctx context.Context, r schema.RouteRequest) (schema.RouteDecision, error) {
	return schema.RouteDecision{AgentID: r.Message}, f.any(ctx)
}
func (f fakeChat) Conversation(ctx context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	if f.conversation != nil {
		return f.conversation(q), f.any(ctx)
	}
	return schema.Conversation{ConversationSummary: schema.ConversationSummary{ID: q.ID}}, f.any(ctx)
}
func (f fakeChat) Conversations(ctx context.Context, q schema.ConversationsQuery) (schema.ConversationPage, error) {
	return schema.ConversationPage{NextCursor: q.AgentID}, f.any(ctx)
}
func (f fakeChat) CreateConversation(ctx context.Context, c schema.NewConversation) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{ID: c.ID}, f.any(ctx)
}
func (f fakeChat) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	return schema.ConversationSummary{ID: id, Title: p.Title.Value}, f.any(ctx)
}
func (f fakeChat) DeleteConversation(ctx context.Context, _ string, _ int64) error { return f.any(ctx) }
func (f fakeChat) Runs(ctx context.Context, q schema.RunsQuery) (schema.RunPage, error) {
	return schema.RunPage{NextCursor: q.AgentID}, f.any(ctx)
}
func (f fakeChat) Run(ctx context.Context, id string) (schema.Run, error) {
	return schema.Run{ID: id}, f.any(ctx)
}
func (f fakeChat) Cancel(ctx context.Context, id string) (schema.Run, error) {
	return schema.Run{ID: id, Status: schema.RunCancelled}, f.any(ctx)
}

func (f fakeMemory) Store(ctx context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	return schema.MemoryItem{AgentID: m.AgentID, Content: m.Content, Metadata: m.Metadata, Shared: m.Shared}, f.any(ctx)
}
func (f fakeMemory) Search(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	if f.search != nil {
		return f.search(q), f.any(ctx)
	}
	return []schema.MemoryHit{{Memory: schema.MemoryItem{AgentID: q.AgentID, Content: q.Text}, Score: float64(q.Limit)}}, f.any(ctx)
}
func (f fakeMemory) Get(ctx context.Context, agentID, id string) (schema.MemoryItem, error) {
	return schema.MemoryItem{AgentID: agentID, ID: id}, f.any(ctx)
}
func (f fakeMemory) Delete(ctx context.Context, _, _ string) error { return f.any(ctx) }

func (f fakeEvents) Subscribe(ctx context.Context, q schema.EventQuery) iter.Seq2[schema.Event, error] {
	return f.subscribe(ctx, q)
}
func (f fakeEvents) Head(ctx context.Context) (schema.Cursor, error) {
	return schema.Cursor{Epoch: "e", Seq: 9}, f.any(ctx)
}

func (f fakeUsage) Report(ctx context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	return schema.UsageReport{NextCursor: q.Cursor}, f.any(ctx)
}

func (f fakeIdentity) Authenticate(ctx context.Context, token string) (schema.Caller, error) {
	return schema.Caller{Principal: token, Scopes: schema.Scopes()}, f.any(ctx)
}

// everyCall makes each call of s once, with the given text wherever there is one, and returns the errors by name.
func everyCall(ctx context.Context, s schema.Services, text string) map[string]error {
	errs := map[string]error{}
	_, errs["agents.List"] = s.Agents.List(ctx, schema.AgentQuery{Skill: text})
	_, errs["agents.Get"] = s.Agents.Get(ctx, text)
	_, errs["agents.Create"] = s.Agents.Create(ctx, schema.NewAgent{ID: text})
	errs["agents.Delete"] = s.Agents.Delete(ctx, text, 0)
	_, errs["agents.Update"] = s.Agents.Update(ctx, "nyx", schema.AgentPatch{Name: schema.Set(text)})
	_, errs["agents.Start"] = s.Agents.Start(ctx, text)
	_, errs["agents.Stop"] = s.Agents.Stop(ctx, text)
	_, errs["chat.Route"] = s.Chat.Route(ctx, schema.RouteRequest{Message: text})
	_, errs["chat.Conversation"] = s.Chat.Conversation(ctx, schema.ConversationQuery{ID: text})
	_, errs["chat.Conversations"] = s.Chat.Conversations(ctx, schema.ConversationsQuery{AgentID: text})
	_, errs["chat.CreateConversation"] = s.Chat.CreateConversation(ctx, schema.NewConversation{Title: text})
	_, errs["chat.UpdateConversation"] = s.Chat.UpdateConversation(ctx, "c", schema.ConversationPatch{Title: schema.Set(text)})
	errs["chat.DeleteConversation"] = s.Chat.DeleteConversation(ctx, text, 0)
	_, errs["chat.Run"] = s.Chat.Run(ctx, text)
	_, errs["chat.Runs"] = s.Chat.Runs(ctx, schema.RunsQuery{ConversationID: text, AgentID: text})
	_, errs["chat.Cancel"] = s.Chat.Cancel(ctx, text)
	_, errs["memory.Store"] = s.Memory.Store(ctx, schema.NewMemory{AgentID: text})
	_, errs["memory.Search"] = s.Memory.Search(ctx, schema.MemoryQuery{Text: text})
	_, errs["memory.Get"] = s.Memory.Get(ctx, "nyx", text)
	errs["memory.Delete"] = s.Memory.Delete(ctx, "nyx", text)
	_, errs["usage.Report"] = s.Usage.Report(ctx, schema.UsageQuery{Principal: text})
	errs["chat.Send"] = firstError(s.Chat.Send(ctx, schema.SendRequest{Message: text}))
	errs["events.Subscribe"] = firstError(s.Events.Subscribe(ctx, schema.EventQuery{RunID: text}))
	return errs
}

// firstError goes through a stream until it fails or ends.
func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// all makes every method of a fake do the same.
func all(do func(ctx context.Context) error) *fake {
	return &fake{
		get: func(ctx context.Context, id string) (schema.Agent, error) { return schema.Agent{ID: id}, do(ctx) },
		update: func(ctx context.Context, id string, _ schema.AgentPatch) (schema.Agent, error) {
			return schema.Agent{ID: id}, do(ctx)
		},
		send: func(ctx context.Context, _ schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
			return once[schema.ChatEvent](ctx, do)
		},
		subscribe: func(ctx context.Context, _ schema.EventQuery) iter.Seq2[schema.Event, error] {
			return once[schema.Event](ctx, do)
		},
		any: do,
	}
}

// once is a stream that ends at once, with an error if do has one.
func once[T any](ctx context.Context, do func(ctx context.Context) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := do(ctx); err != nil {
			yield(none, err)
		}
	}
}

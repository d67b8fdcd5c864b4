package guard_test

import (
	"context"
	"iter"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// careless is a runtime that checks nothing: it shows everything to everybody and does what it is told. It has the agent
// nyx, and a conversation, a run and memories of alice's. It counts the acts that reach it.
type careless struct{ acts []string }

type (
	agents struct{ *careless }
	chat   struct{ *careless }
	memory struct{ *careless }
	events struct{ *careless }
	usage  struct{ *careless }
)

func (c *careless) services() schema.Services {
	return schema.Services{Agents: agents{c}, Chat: chat{c}, Memory: memory{c}, Events: events{c}, Usage: usage{c}}
}

func (c *careless) act(name string) { c.acts = append(c.acts, name) }

func find(id string, there ...string) error {
	for _, t := range there {
		if t == id {
			return nil
		}
	}
	return schema.Errorf(schema.CodeNotFound, "there is no %q", id)
}

func (c agents) List(_ context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
	return schema.AgentPage{Agents: make([]schema.Agent, max(q.Limit, 0))}, nil
}
func (c agents) Get(_ context.Context, id string) (schema.Agent, error) {
	return schema.Agent{ID: id}, find(id, "nyx")
}
func (c agents) Create(_ context.Context, n schema.NewAgent) (schema.Agent, error) {
	c.act("create")
	return schema.Agent{ID: n.ID}, nil
}
func (c agents) Delete(_ context.Context, id string, _ int64) error {
	c.act("delete")
	return find(id, "nyx")
}
func (c agents) Update(_ context.Context, id string, _ schema.AgentPatch) (schema.Agent, error) {
	c.act("update")
	return schema.Agent{ID: id}, find(id, "nyx")
}
func (c agents) Start(_ context.Context, id string) (schema.Agent, error) {
	c.act("start")
	return schema.Agent{ID: id}, find(id, "nyx")
}
func (c agents) Stop(_ context.Context, id string) (schema.Agent, error) {
	c.act("stop")
	return schema.Agent{ID: id}, find(id, "nyx")
}

func (c chat) Send(context.Context, schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
	return func(yield func(schema.ChatEvent, error) bool) {
		c.act("send")
		for range 3 {
			if !yield(schema.ChatEvent{Accepted: &schema.Accepted{}}, nil) {
				return
			}
		}
	}
}
func (c chat) Route(context.Context, schema.RouteRequest) (schema.RouteDecision, error) {
	c.act("route")
	return schema.RouteDecision{}, nil
}
func (c chat) Conversation(_ context.Context, q schema.ConversationQuery) (schema.Conversation, error) {
	return schema.Conversation{ConversationSummary: schema.ConversationSummary{ID: q.ID, Principal: "alice"}}, find(q.ID, "conv_1")
}
func (c chat) Conversations(context.Context, schema.ConversationsQuery) (schema.ConversationPage, error) {
	return schema.ConversationPage{Conversations: []schema.ConversationSummary{{Principal: "alice"}, {Principal: "bob"}, {}}}, nil
}
func (c chat) CreateConversation(_ context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	c.act("create")
	return schema.ConversationSummary{ID: n.ID}, nil
}
func (c chat) UpdateConversation(_ context.Context, id string, _ schema.ConversationPatch) (schema.ConversationSummary, error) {
	c.act("update")
	return schema.ConversationSummary{ID: id}, find(id, "conv_1")
}
func (c chat) DeleteConversation(_ context.Context, id string, _ int64) error {
	c.act("delete")
	return find(id, "conv_1")
}
func (c chat) Runs(context.Context, schema.RunsQuery) (schema.RunPage, error) {
	return schema.RunPage{Runs: []schema.Run{{Principal: "alice"}, {Principal: "bob"}, {}}}, nil
}
func (c chat) Run(_ context.Context, id string) (schema.Run, error) {
	return schema.Run{ID: id, Principal: "alice"}, find(id, "run_1")
}
func (c chat) Cancel(_ context.Context, id string) (schema.Run, error) {
	c.act("cancel")
	return schema.Run{ID: id, Principal: "alice"}, find(id, "run_1")
}

func (c memory) Store(_ context.Context, m schema.NewMemory) (schema.MemoryItem, error) {
	c.act("store")
	return schema.MemoryItem{}, find(m.AgentID, "nyx")
}
func (c memory) Search(context.Context, schema.MemoryQuery) ([]schema.MemoryHit, error) {
	return []schema.MemoryHit{
		{Memory: schema.MemoryItem{Principal: "alice"}}, {Memory: schema.MemoryItem{Principal: "bob"}},
		{Memory: schema.MemoryItem{Principal: "bob", Shared: true}}, {Memory: schema.MemoryItem{}},
	}, nil
}
func (c memory) Get(_ context.Context, _, id string) (schema.MemoryItem, error) {
	return schema.MemoryItem{ID: id, Principal: "alice", Shared: id == "shared"}, find(id, "own", "shared")
}
func (c memory) Delete(_ context.Context, _, id string) error {
	c.act("delete")
	return find(id, "own", "shared")
}

// Report shows by what it was asked: the principal as the key, the limit as the number of steps.
func (c usage) Report(_ context.Context, q schema.UsageQuery) (schema.UsageReport, error) {
	return schema.UsageReport{Groups: []schema.UsageGroup{{Key: q.Principal, UsageSum: schema.UsageSum{Steps: int64(q.Limit)}}}}, nil
}

func (c events) Subscribe(context.Context, schema.EventQuery) iter.Seq2[schema.Event, error] {
	return func(yield func(schema.Event, error) bool) {
		for _, p := range []string{"alice", "", "bob"} {
			if !yield(schema.Event{Principal: p, Type: schema.EventThought}, nil) {
				return
			}
		}
		yield(schema.Event{}, schema.Errorf(schema.CodeUnavailable, "too slow"))
	}
}
func (c events) Head(context.Context) (schema.Cursor, error) {
	return schema.Cursor{Epoch: "e", Seq: 1}, nil
}

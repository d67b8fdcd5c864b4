package guard_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/schema"
)

// as returns a context of a caller with one scope, or with none.
func as(principal string, scope schema.Scope) context.Context {
	c := schema.Caller{Principal: principal}
	if scope != "" {
		c.Scopes = []schema.Scope{scope}
	}
	return schema.WithCaller(context.Background(), c)
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

func second[T any](_ T, err error) error { return err }

const (
	ok       = schema.ErrorCode("")
	noName   = schema.CodeUnauthenticated
	denied   = schema.CodePermissionDenied
	notFound = schema.CodeNotFound
	invalid  = schema.CodeInvalidArgument
)

// call is one kind of call, and what becomes of it for each kind of caller.
type call struct {
	name                  string
	make                  func(ctx context.Context, s schema.Services) error
	reader, chatter, root schema.ErrorCode // alice twice, and an administrator
	act                   string           // what reaches the runtime when it is allowed
}

func update(id string, p schema.AgentPatch) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return second(s.Agents.Update(ctx, id, p)) }
}

func create(n schema.NewAgent) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return second(s.Agents.Create(ctx, n)) }
}

func remove(id string) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return s.Agents.Delete(ctx, id, 0) }
}

func send(r schema.SendRequest) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return firstError(s.Chat.Send(ctx, r)) }
}

func store(m schema.NewMemory) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return second(s.Memory.Store(ctx, m)) }
}

func begin(n schema.NewConversation) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return second(s.Chat.CreateConversation(ctx, n)) }
}

func rename(id string, title schema.Field[string]) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error {
		return second(s.Chat.UpdateConversation(ctx, id, schema.ConversationPatch{Title: title}))
	}
}

func discard(id string) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error { return s.Chat.DeleteConversation(ctx, id, 0) }
}

func subscribe(q schema.EventQuery) func(context.Context, schema.Services) error {
	return func(ctx context.Context, s schema.Services) error {
		for _, err := range s.Events.Subscribe(ctx, q) {
			return err
		}
		return nil
	}
}

func agentCalls() []call {
	return []call{
		{"list", func(ctx context.Context, s schema.Services) error {
			return second(s.Agents.List(ctx, schema.AgentQuery{}))
		}, ok, ok, ok, ""},
		{"list bad", func(ctx context.Context, s schema.Services) error {
			return second(s.Agents.List(ctx, schema.AgentQuery{Status: "asleep"}))
		}, invalid, invalid, invalid, ""},
		{"get", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Get(ctx, "nyx")) }, ok, ok, ok, ""},
		{"get nobody", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Get(ctx, "nobody")) }, notFound, notFound, notFound, ""},
		{"get bad", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Get(ctx, "a b")) }, invalid, invalid, invalid, ""},
		{"create", create(schema.NewAgent{ID: "new"}), denied, denied, ok, "create"},
		{"create bad", create(schema.NewAgent{ID: "a b"}), invalid, invalid, invalid, ""},
		{"remove", remove("nyx"), denied, denied, ok, "delete"},
		{"remove nobody", remove("nobody"), notFound, notFound, notFound, "delete"},
		{"remove bad", remove(""), invalid, invalid, invalid, ""},
		{"update", update("nyx", schema.AgentPatch{}), denied, denied, ok, "update"},
		{"update nobody", update("nobody", schema.AgentPatch{}), notFound, notFound, notFound, "update"},
		{"update bad", update("nyx", schema.AgentPatch{Name: schema.Set("")}), invalid, invalid, invalid, ""},
		{"update bad id", update("", schema.AgentPatch{}), invalid, invalid, invalid, ""},
		{"start", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Start(ctx, "nyx")) }, denied, denied, ok, "start"},
		{"start nobody", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Start(ctx, "nobody")) }, notFound, notFound, notFound, "start"},
		{"stop", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Stop(ctx, "nyx")) }, denied, denied, ok, "stop"},
		{"stop nobody", func(ctx context.Context, s schema.Services) error { return second(s.Agents.Stop(ctx, "nobody")) }, notFound, notFound, notFound, "stop"},
	}
}

func chatCalls() []call {
	conversation := func(id string) func(context.Context, schema.Services) error {
		return func(ctx context.Context, s schema.Services) error {
			return second(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: id}))
		}
	}
	return []call{
		{"send", send(schema.SendRequest{AgentID: "nyx", Message: "x"}), denied, ok, ok, "send"},
		{"send routed", send(schema.SendRequest{Message: "x"}), denied, ok, ok, "send"},
		{"send to nobody", send(schema.SendRequest{AgentID: "nobody", Message: "x"}), notFound, ok, ok, "send"},
		{"send into", send(schema.SendRequest{ConversationID: "conv_1", Message: "x"}), denied, ok, ok, "send"},
		{"send into nothing", send(schema.SendRequest{ConversationID: "conv_2", Message: "x"}), notFound, ok, ok, "send"},
		{"send bad", send(schema.SendRequest{AgentID: "nyx"}), invalid, invalid, invalid, ""},
		{"route", func(ctx context.Context, s schema.Services) error {
			return second(s.Chat.Route(ctx, schema.RouteRequest{Message: "x"}))
		}, denied, ok, ok, "route"},
		{"route bad", func(ctx context.Context, s schema.Services) error {
			return second(s.Chat.Route(ctx, schema.RouteRequest{}))
		}, invalid, invalid, invalid, ""},
		{"conversation", conversation("conv_1"), ok, ok, ok, ""},
		{"conversation unknown", conversation("conv_2"), notFound, notFound, notFound, ""},
		{"conversation bad", conversation("a b"), invalid, invalid, invalid, ""},
		{"conversations", func(ctx context.Context, s schema.Services) error {
			return second(s.Chat.Conversations(ctx, schema.ConversationsQuery{}))
		}, ok, ok, ok, ""},
		{"conversations bad", func(ctx context.Context, s schema.Services) error {
			return second(s.Chat.Conversations(ctx, schema.ConversationsQuery{Cursor: "\xff"}))
		}, invalid, invalid, invalid, ""},
		{"create", begin(schema.NewConversation{ID: "c", AgentID: "nyx"}), denied, ok, ok, "create"},
		{"create for nobody", begin(schema.NewConversation{AgentID: "nobody"}), notFound, ok, ok, "create"},
		{"create bad", begin(schema.NewConversation{ID: "a b"}), invalid, invalid, invalid, ""},
		{"rename", rename("conv_1", schema.Set("x")), denied, ok, denied, "update"},
		{"rename unknown", rename("conv_2", schema.Set("x")), notFound, notFound, notFound, ""},
		{"rename bad", rename("conv_1", schema.Set(" ")), invalid, invalid, invalid, ""},
		{"rename bad id", rename("a b", schema.Set("x")), invalid, invalid, invalid, ""},
		{"delete conversation", discard("conv_1"), denied, ok, denied, "delete"},
		{"delete conversation unknown", discard("conv_2"), notFound, notFound, notFound, ""},
		{"delete conversation bad", discard(""), invalid, invalid, invalid, ""},
		{"run", func(ctx context.Context, s schema.Services) error { return second(s.Chat.Run(ctx, "run_1")) }, ok, ok, ok, ""},
		{"run unknown", func(ctx context.Context, s schema.Services) error { return second(s.Chat.Run(ctx, "run_2")) }, notFound, notFound, notFound, ""},
		{"run bad", func(ctx context.Context, s schema.Services) error { return second(s.Chat.Run(ctx, "")) }, invalid, invalid, invalid, ""},
		{"cancel", func(ctx context.Context, s schema.Services) error { return second(s.Chat.Cancel(ctx, "run_1")) }, denied, ok, ok, "cancel"},
		{"cancel unknown", func(ctx context.Context, s schema.Services) error { return second(s.Chat.Cancel(ctx, "run_2")) }, notFound, notFound, notFound, ""},
	}
}

func memoryCalls() []call {
	get := func(id string) func(context.Context, schema.Services) error {
		return func(ctx context.Context, s schema.Services) error { return second(s.Memory.Get(ctx, "nyx", id)) }
	}
	del := func(id string) func(context.Context, schema.Services) error {
		return func(ctx context.Context, s schema.Services) error { return s.Memory.Delete(ctx, "nyx", id) }
	}
	return []call{
		{"store", store(schema.NewMemory{AgentID: "nyx", Content: "x"}), denied, ok, ok, "store"},
		{"store for nobody", store(schema.NewMemory{AgentID: "nobody", Content: "x"}), notFound, notFound, notFound, "store"},
		{"store shared", store(schema.NewMemory{AgentID: "nyx", Content: "x", Shared: true}), denied, denied, ok, "store"},
		{"store bad", store(schema.NewMemory{AgentID: "nyx"}), invalid, invalid, invalid, ""},
		{"search", func(ctx context.Context, s schema.Services) error {
			return second(s.Memory.Search(ctx, schema.MemoryQuery{Text: "x"}))
		}, ok, ok, ok, ""},
		{"search bad", func(ctx context.Context, s schema.Services) error {
			return second(s.Memory.Search(ctx, schema.MemoryQuery{}))
		}, invalid, invalid, invalid, ""},
		{"get memory", get("own"), ok, ok, ok, ""},
		{"get memory unknown", get("other"), notFound, notFound, notFound, ""},
		{"get memory bad", get("a b"), invalid, invalid, invalid, ""},
		{"get memory of a bad agent", func(ctx context.Context, s schema.Services) error {
			return second(s.Memory.Get(ctx, "a b", "own"))
		}, invalid, invalid, invalid, ""},
		{"get memory of any agent", func(ctx context.Context, s schema.Services) error {
			return second(s.Memory.Get(ctx, "", "own"))
		}, ok, ok, ok, ""},
		{"delete", del("own"), denied, ok, ok, "delete"},
		{"delete unknown", del("other"), notFound, notFound, notFound, ""},
	}
}

func eventCalls() []call {
	return []call{
		{"subscribe", subscribe(schema.EventQuery{}), ok, ok, ok, ""},
		{"subscribe bad", subscribe(schema.EventQuery{Types: []schema.EventType{"no"}}), invalid, invalid, invalid, ""},
		{"head", func(ctx context.Context, s schema.Services) error { return second(s.Events.Head(ctx)) }, ok, ok, ok, ""},
	}
}

func usageCalls() []call {
	report := func(q schema.UsageQuery) func(context.Context, schema.Services) error {
		return func(ctx context.Context, s schema.Services) error { return second(s.Usage.Report(ctx, q)) }
	}
	return []call{
		{"usage", report(schema.UsageQuery{}), ok, ok, ok, ""},
		{"usage of somebody else", report(schema.UsageQuery{Principal: "bob"}), ok, ok, ok, ""},
		{"usage bad", report(schema.UsageQuery{GroupBy: "week"}), invalid, invalid, invalid, ""},
	}
}

// TestUsageIsTheCallers has a runtime that would show everybody's.
func TestUsageIsTheCallers(t *testing.T) {
	s := guard.New((&careless{}).services())
	for _, c := range []struct {
		who, asks string
		scope     schema.Scope
		want      []string // principals by which the runtime was asked
	}{
		{"alice", "", schema.ScopeRead, []string{"alice"}},
		{"alice", "alice", schema.ScopeChat, []string{"alice"}},
		{"alice", "bob", schema.ScopeChat, nil},
		{"root", "", schema.ScopeAdmin, []string{""}},
		{"root", "bob", schema.ScopeAdmin, []string{"bob"}},
	} {
		r, err := s.Usage.Report(as(c.who, c.scope), schema.UsageQuery{Principal: c.asks, Limit: 1 << 30})
		var got []string
		for _, g := range r.Groups {
			if got = append(got, g.Key); g.Steps != schema.MaxPageSize {
				t.Errorf("%s asked for a page of %d groups", c.who, g.Steps)
			}
		}
		if err != nil || !slices.Equal(got, c.want) || r.Groups == nil {
			t.Errorf("%s, who asks for %q, is shown %q, %v; want %q", c.who, c.asks, got, err, c.want)
		}
	}
}

// TestWhoMayDoWhat makes every call as everybody. Nothing that is refused may reach the runtime.
func TestWhoMayDoWhat(t *testing.T) {
	for _, c := range slices.Concat(agentCalls(), chatCalls(), memoryCalls(), eventCalls(), usageCalls()) {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			for who, v := range map[string]struct {
				ctx  context.Context
				want schema.ErrorCode
			}{
				"no context":  {context.Background(), noName},
				"no name":     {as("", schema.ScopeAdmin), noName},
				"no scope":    {as("alice", ""), denied},
				"other scope": {as("alice", "other"), denied},
				"reader":      {as("alice", schema.ScopeRead), c.reader},
				"chatter":     {as("alice", schema.ScopeChat), c.chatter},
				"root":        {as("root", schema.ScopeAdmin), c.root},
			} {
				runtime := &careless{}
				err := c.make(v.ctx, guard.New(runtime.services()))
				if got := schema.CodeOf(err); got != v.want {
					t.Errorf("%s: %v, want %q", who, err, v.want)
				}
				if v.want == ok && c.act != "" && !slices.Equal(runtime.acts, []string{c.act}) {
					t.Errorf("%s: %v reached the runtime, want %s", who, runtime.acts, c.act)
				}
				if slices.Contains([]schema.ErrorCode{noName, denied, invalid}, v.want) && len(runtime.acts) > 0 {
					t.Errorf("%s: %v reached the runtime", who, runtime.acts)
				}
			}
		})
	}
}

// TestForeignThings hides what belongs to somebody else, although the runtime shows it.
func TestForeignThings(t *testing.T) {
	runtime := &careless{}
	s := guard.New(runtime.services())
	bob := as("bob", schema.ScopeChat)
	for name, err := range map[string]error{
		"conversation": second(s.Chat.Conversation(bob, schema.ConversationQuery{ID: "conv_1"})),
		"rename":       second(s.Chat.UpdateConversation(bob, "conv_1", schema.ConversationPatch{Title: schema.Set("x")})),
		"remove":       s.Chat.DeleteConversation(bob, "conv_1", 0),
		"run":          second(s.Chat.Run(bob, "run_1")),
		"cancel":       second(s.Chat.Cancel(bob, "run_1")),
		"get":          second(s.Memory.Get(bob, "nyx", "own")),
		"delete":       s.Memory.Delete(bob, "nyx", "own"),
		"send":         firstError(s.Chat.Send(as("bob", schema.ScopeRead), schema.SendRequest{ConversationID: "conv_1", Message: "x"})),
	} {
		if schema.CodeOf(err) != notFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := second(s.Memory.Get(bob, "nyx", "shared")); err != nil {
		t.Errorf("a shared memory: %v", err)
	}
	if err := s.Memory.Delete(bob, "nyx", "shared"); schema.CodeOf(err) != denied {
		t.Errorf("delete a shared memory of somebody else's: %v", err)
	}
	if len(runtime.acts) > 0 {
		t.Errorf("%v reached the runtime", runtime.acts)
	}
}

func TestListsAreFiltered(t *testing.T) {
	s := guard.New((&careless{}).services())
	for who, v := range map[string]struct {
		ctx                           context.Context
		conversations, memories, seen int
	}{
		"alice": {as("alice", schema.ScopeRead), 1, 2, 2},
		"carol": {as("carol", schema.ScopeChat), 0, 1, 1},
		"root":  {as("root", schema.ScopeAdmin), 3, 4, 3},
	} {
		page, err := s.Chat.Conversations(v.ctx, schema.ConversationsQuery{})
		if err != nil || len(page.Conversations) != v.conversations {
			t.Errorf("%s lists %+v, %v", who, page, err)
		}
		hits, err := s.Memory.Search(v.ctx, schema.MemoryQuery{Text: "x"})
		if err != nil || len(hits) != v.memories {
			t.Errorf("%s finds %+v, %v", who, hits, err)
		}
		seen := 0
		var last error
		for _, err := range s.Events.Subscribe(v.ctx, schema.EventQuery{}) {
			if last = err; err == nil {
				seen++
			}
		}
		if seen != v.seen || schema.CodeOf(last) != schema.CodeUnavailable {
			t.Errorf("%s sees %d events and then %v", who, seen, last)
		}
	}
}

func TestLimitsAreBounded(t *testing.T) {
	s := guard.New((&careless{}).services())
	for in, want := range map[int]int{-5: 1, 0: 0, 7: 7, 1 << 30: schema.MaxPageSize} {
		page, err := s.Agents.List(as("alice", schema.ScopeRead), schema.AgentQuery{Limit: in})
		if err != nil || len(page.Agents) != want {
			t.Errorf("limit %d reached the runtime as %d, %v", in, len(page.Agents), err)
		}
	}
}

func TestBreakReachesTheRuntime(t *testing.T) {
	s := guard.New((&careless{}).services())
	for range s.Chat.Send(as("alice", schema.ScopeChat), schema.SendRequest{Message: "x"}) {
		break
	}
	for range s.Events.Subscribe(as("root", schema.ScopeAdmin), schema.EventQuery{}) {
		break
	}
}

func TestCallThatIsOver(t *testing.T) {
	runtime := &careless{}
	s := guard.New(runtime.services())
	for want, end := range map[schema.ErrorCode]time.Duration{schema.CodeCancelled: time.Hour, schema.CodeDeadlineExceeded: -1} {
		ctx, cancel := context.WithTimeout(as("root", schema.ScopeAdmin), end)
		cancel()
		for _, c := range slices.Concat(agentCalls(), chatCalls(), memoryCalls(), eventCalls(), usageCalls()) {
			if err := c.make(ctx, s); schema.CodeOf(err) != want {
				t.Errorf("%s: %v, want %s", c.name, err, want)
			}
		}
	}
	if len(runtime.acts) > 0 {
		t.Errorf("%v reached the runtime", runtime.acts)
	}
}

type identity struct{ schema.Identity }

func TestUnofferedStaysUnoffered(t *testing.T) {
	if got := guard.New(schema.Services{}).Names(); len(got) != 0 {
		t.Errorf("nothing became %v", got)
	}
	who := identity{}
	if guard.New(schema.Services{Identity: who}).Identity != schema.Identity(who) {
		t.Error("identity did not pass through")
	}
	runtime := &careless{}
	s := guard.New(schema.Services{Chat: chat{runtime}, Memory: memory{runtime}})
	reader := as("alice", schema.ScopeRead)
	if err := second(s.Memory.Store(reader, schema.NewMemory{AgentID: "nobody", Content: "x"})); schema.CodeOf(err) != denied {
		t.Errorf("without agents to look at: %v", err)
	}
	if err := firstError(s.Chat.Send(reader, schema.SendRequest{AgentID: "nobody", Message: "x"})); schema.CodeOf(err) != denied {
		t.Errorf("without agents to look at: %v", err)
	}
}

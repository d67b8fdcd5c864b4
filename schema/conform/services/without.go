package services

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// lasting is the name of what a runtime keeps beyond its end.
const lasting = "lasting"

// The methods that a runtime may do without.
const (
	createAgent        = "agents.Create"
	updateAgent        = "agents.Update"
	deleteAgent        = "agents.Delete"
	createConversation = "chat.CreateConversation"
	updateConversation = "chat.UpdateConversation"
	deleteConversation = "chat.DeleteConversation"
)

// Optional lists what Without can name: methods, for which a runtime answers schema.CodeUnimplemented, and "lasting", what a
// runtime keeps beyond its end.
func Optional() []string {
	return []string{createAgent, updateAgent, deleteAgent, createConversation, updateConversation, deleteConversation, lasting}
}

// Option changes which checks there are.
type Option func(*declared)

// Without declares what a runtime does without although it offers the service; the names are those of Optional. Checks that are
// about it are skipped and say so. A method that is there after all fails its group, and so does one that is missing and was
// not declared. A service that is not offered at all need not be declared: it is nil.
func Without(names ...string) Option {
	return func(d *declared) { d.absent = append(d.absent, names...) }
}

// declared is what the owner of a runtime has said about it.
type declared struct {
	absent  []string
	guarded bool // the guard answers first
}

func declaredBy(opts []Option) (d declared) {
	for _, o := range opts {
		o(&d)
	}
	return d
}

func (d declared) has(name string) bool { return !slices.Contains(d.absent, name) }

// verify fails the setup of a group where what was declared is not so.
func (d declared) verify(t conform.T, s schema.Services) {
	t.Helper()
	for _, name := range d.absent {
		if !slices.Contains(Optional(), name) {
			t.Fatalf("%q is nothing that a runtime may be declared to do without; that is %s", name, strings.Join(Optional(), ", "))
		}
		if d.guarded {
			continue
		}
		if asked, err := try(asRoot(t.Context()), s, name); asked && schema.CodeOf(err) != schema.CodeUnimplemented {
			t.Fatalf("it was declared to do without %s, and answers it with %s", name, answered(err))
		}
	}
}

func answered(err error) string {
	if err == nil {
		return "success"
	}
	return fmt.Sprintf("%q", err)
}

func asRoot(ctx context.Context) context.Context {
	return schema.WithCaller(ctx, schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
}

// try calls a method that should not be there, in a way that does little if it is. asked is false if there is nothing to call.
func try(ctx context.Context, s schema.Services, name string) (asked bool, err error) {
	service, _, _ := strings.Cut(name, ".")
	if name == lasting || !slices.Contains(s.Names(), service) {
		return false, nil
	}
	nobody := unique("nobody")
	switch name {
	case createAgent:
		_, err = s.Agents.Create(ctx, schema.NewAgent{ID: nobody})
	case updateAgent:
		_, err = s.Agents.Update(ctx, nobody, schema.AgentPatch{Description: schema.Set("x")})
	case deleteAgent:
		err = s.Agents.Delete(ctx, nobody, 0)
	case createConversation:
		_, err = s.Chat.CreateConversation(ctx, schema.NewConversation{ID: nobody})
	case updateConversation:
		_, err = s.Chat.UpdateConversation(ctx, nobody, schema.ConversationPatch{Title: schema.Set("x")})
	case deleteConversation:
		err = s.Chat.DeleteConversation(ctx, nobody, 0)
	}
	return true, err
}

// suite returns a check at work on what a runtime offers. What was declared to be absent ends the check where it asks for it.
func (d declared) suite(t conform.T, offered schema.Services) *suite {
	s := &suite{T: t, Services: offered, declared: d}
	if len(d.absent) > 0 {
		if offered.Agents != nil {
			s.Agents = lackingAgents{offered.Agents, s}
		}
		if offered.Chat != nil {
			s.Chat = lackingChat{offered.Chat, s}
		}
	}
	return s
}

// without skips the check if one of those methods is declared to be absent. What a check calls in other goroutines it names first.
func (s *suite) without(names ...string) {
	s.Helper()
	for _, name := range names {
		if !s.has(name) {
			s.Skipf("it is declared to do without %s", name)
		}
	}
}

// needs skips the check unless those services are offered.
func (s *suite) needs(names ...string) {
	s.Helper()
	for _, name := range names {
		if !slices.Contains(s.Names(), name) {
			s.Skipf("service %s is not offered", name)
		}
	}
}

type lackingAgents struct {
	schema.Agents
	s *suite
}

func (a lackingAgents) Create(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
	a.s.without(createAgent)
	return a.Agents.Create(ctx, n)
}

func (a lackingAgents) Update(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
	a.s.without(updateAgent)
	return a.Agents.Update(ctx, id, p)
}

func (a lackingAgents) Delete(ctx context.Context, id string, ifRevision int64) error {
	a.s.without(deleteAgent)
	return a.Agents.Delete(ctx, id, ifRevision)
}

type lackingChat struct {
	schema.Chat
	s *suite
}

func (c lackingChat) CreateConversation(ctx context.Context, n schema.NewConversation) (schema.ConversationSummary, error) {
	c.s.without(createConversation)
	return c.Chat.CreateConversation(ctx, n)
}

func (c lackingChat) UpdateConversation(ctx context.Context, id string, p schema.ConversationPatch) (schema.ConversationSummary, error) {
	c.s.without(updateConversation)
	return c.Chat.UpdateConversation(ctx, id, p)
}

func (c lackingChat) DeleteConversation(ctx context.Context, id string, ifRevision int64) error {
	c.s.without(deleteConversation)
	return c.Chat.DeleteConversation(ctx, id, ifRevision)
}

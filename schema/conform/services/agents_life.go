package services

import (
	"context"
	"encoding/json"

	"github.com/stagehouse/stagehouse/schema"
)

func agentsLifeChecks() []check {
	return []check{
		{"create-get-delete", "an agent is created as asked, read, deleted, gone, and can be made anew", "schema.Agents.Create", agentsLife},
		{"create-fills-in", "what a new agent does not say gets a default", "schema.Agents.Create", agentsCreateFillsIn},
		{"create-taken", "an id that is taken is CodeAlreadyExists", "schema.Agents.Create", agentsCreateTaken},
		{"create-unknown-brain", "a brain that nobody provides is CodeInvalidArgument, and nothing is created", "schema.Agents.Create", agentsCreateUnknownBrain},
		{"create-at-once", "of ten that create, or delete, the same agent at once one does", "schema.Agents.Create", agentsCreateAtOnce},
		{"delete-declared", "an agent of the configuration cannot be deleted: CodeFailedPrecondition", "schema.Agents.Delete", agentsDeleteDeclared},
		{"delete-unknown", "deleting an agent that is not there is CodeNotFound", "schema.Agents.Delete", agentsDeleteUnknown},
		{"delete-revision-mismatch", "another revision than asked for is CodeRevisionMismatch, and deletes nothing", "schema.Agents.Delete", agentsDeleteMismatch},
		{"create-delete-events", "the first event of an agent says that it is created, the last one that it is deleted", "schema.EventType", agentsLifeEvents},
		{"delete-memories-not-conversations", "with an agent go its memories, and not its conversations", "schema.Agents.Delete", agentsDeleteLeaves},
		{"create-delete-once", "a repeated request to create or delete gets the first result", "schema.Once", agentsLifeOnce},
	}
}

func agentsCreateTaken(s *suite) {
	_, err := s.Agents.Create(s.admin(), schema.NewAgent{ID: nyx})
	s.wantCode(err, schema.CodeAlreadyExists)
}

func agentsDeleteDeclared(s *suite) {
	s.wantCode(s.Agents.Delete(s.admin(), nyx, 0), schema.CodeFailedPrecondition)
	if a := must1[schema.Agent](s)(s.Agents.Get(s.admin(), nyx)); !a.Declared || a.Status != schema.AgentRunning {
		s.Errorf("it is %+v", a)
	}
}

func agentsDeleteUnknown(s *suite) {
	s.wantCode(s.Agents.Delete(s.admin(), "nobody", 0), schema.CodeNotFound)
}

// create makes an agent that is gone when the test is over.
func (s *suite) create(n schema.NewAgent) schema.Agent {
	s.Helper()
	if n.ID == "" {
		n.ID = unique("agent")
	}
	s.Cleanup(func() { s.cleared(n.ID) })
	return must1[schema.Agent](s)(s.Agents.Create(s.admin(), n))
}

// cleared deletes an agent if it is still there.
func (s *suite) cleared(id string) {
	if !s.has(deleteAgent) {
		return
	}
	ctx := asRoot(context.Background())
	if err := s.Agents.Delete(ctx, id, 0); err != nil && schema.CodeOf(err) != schema.CodeNotFound {
		s.Errorf("delete %s: %v", id, err)
	}
}

func agentsLife(s *suite) {
	ctx := s.admin()
	n := schema.NewAgent{
		ID: unique("agent"), Name: "New", Description: "d", Skills: []string{"juggling"}, Persona: "p",
		Metadata: schema.Object{"n": json.Number("1.50")}, Start: true,
	}
	a := s.create(n)
	if a.ID != n.ID || a.Name != "New" || a.Description != "d" || a.Persona != "p" || len(a.Skills) != 1 || a.Brain.Provider == "" ||
		!sameJSON(a.Metadata, n.Metadata) || a.Status != schema.AgentRunning || a.Declared || a.Revision < 1 || a.CreatedAt.IsZero() {
		s.Errorf("created as %+v", a)
	}
	got := must1[schema.Agent](s)(s.Agents.Get(ctx, n.ID))
	if got.Emotion = a.Emotion; !sameJSON(got, a) {
		s.Errorf("got %+v, created %+v", got, a)
	}
	if got := ids(s.list(ctx, schema.AgentQuery{Skill: "juggling"})); len(got) != 1 {
		s.Errorf("listed: %v", got)
	}
	s.must(s.Agents.Delete(ctx, n.ID, a.Revision))
	_, err := s.Agents.Get(ctx, n.ID)
	s.wantCode(err, schema.CodeNotFound)
	s.wantCode(s.Agents.Delete(ctx, n.ID, 0), schema.CodeNotFound)
	if got := ids(s.list(ctx, schema.AgentQuery{Skill: "juggling"})); len(got) != 0 {
		s.Errorf("listed after it was deleted: %v", got)
	}
	if again := s.create(n); again.Status != schema.AgentRunning || again.Revision != a.Revision {
		s.Errorf("made anew as %+v", again)
	}
}

func agentsCreateFillsIn(s *suite) {
	a := s.create(schema.NewAgent{})
	if a.Name != a.ID || a.Skills == nil || a.Brain.Provider == "" || a.Status != schema.AgentStopped {
		s.Errorf("created as %+v", a)
	}
	if a = must1[schema.Agent](s)(s.Agents.Start(s.admin(), a.ID)); a.Status != schema.AgentRunning {
		s.Errorf("started, it is %+v", a)
	}
}

func agentsCreateUnknownBrain(s *suite) {
	for _, start := range []bool{true, false} {
		id := unique("agent")
		_, err := s.Agents.Create(s.admin(), schema.NewAgent{ID: id, Brain: schema.Brain{Provider: "of-nobody"}, Start: start})
		s.wantCode(err, schema.CodeInvalidArgument)
		_, err = s.Agents.Get(s.admin(), id)
		s.wantCode(err, schema.CodeNotFound)
	}
}

// agentsCreateAtOnce has many create the same agent, and then delete it: one of them does.
func agentsCreateAtOnce(s *suite) {
	s.without(createAgent, deleteAgent)
	ctx, id := s.admin(), unique("agent")
	s.Cleanup(func() { s.cleared(id) })
	one := func(what string, code schema.ErrorCode, act func() error) {
		const tries = 10
		errs := make([]error, tries)
		s.atOnce(tries, func(i int) error { errs[i] = act(); return nil })
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else {
				s.wantCode(err, code)
			}
		}
		if done != 1 {
			s.Errorf("%d have %s it", done, what)
		}
	}
	one("created", schema.CodeAlreadyExists, func() error {
		_, err := s.Agents.Create(ctx, schema.NewAgent{ID: id, Start: true})
		return err
	})
	one("deleted", schema.CodeNotFound, func() error { return s.Agents.Delete(ctx, id, 0) })
}

func agentsDeleteMismatch(s *suite) {
	a := s.create(schema.NewAgent{Start: true})
	s.wantCode(s.Agents.Delete(s.admin(), a.ID, a.Revision+1), schema.CodeRevisionMismatch)
	if got := must1[schema.Agent](s)(s.Agents.Get(s.admin(), a.ID)); got.Status != schema.AgentRunning || got.Revision != a.Revision {
		s.Errorf("it is %+v", got)
	}
}

func agentsLifeEvents(s *suite) {
	if s.Events == nil {
		s.Skipf("no events are offered")
	}
	since := s.head()
	a := s.create(schema.NewAgent{Start: true})
	s.must(s.Agents.Delete(s.admin(), a.ID, 0))
	all := s.between(s.as("eve", schema.ScopeRead), schema.EventQuery{Since: since, Agents: []string{a.ID, aria}}, s.mark())
	var mine []schema.Event
	for _, e := range all {
		if e.AgentID == a.ID {
			mine = append(mine, e)
		}
	}
	if len(mine) < 3 || mine[0].Type != schema.EventCreated || mine[1].Type != schema.EventStatus || mine[len(mine)-1].Type != schema.EventDeleted {
		s.Fatalf("its events are %+v", mine)
	}
	var last schema.Deleted
	s.must(json.Unmarshal(mine[len(mine)-1].Payload, &last))
	if last.Revision < a.Revision {
		s.Errorf("deleted at revision %d, created at %d", last.Revision, a.Revision)
	}
}

// agentsDeleteLeaves: what was said stays, what was remembered does not, nor for an agent of the same id that comes later.
func agentsDeleteLeaves(s *suite) {
	if s.Chat == nil || s.Memory == nil {
		s.Skipf("no chat, or no memory, is offered")
	}
	a, user, word := s.create(schema.NewAgent{Start: true}), s.user(), unique("word")
	t := s.say(user, schema.SendRequest{AgentID: a.ID, ConversationID: "said", Message: "Hello!"})
	item := must1[schema.MemoryItem](s)(s.Memory.Store(user, schema.NewMemory{AgentID: a.ID, Content: word}))
	s.must(s.Agents.Delete(s.admin(), a.ID, 0))
	c := must1[schema.Conversation](s)(s.Chat.Conversation(user, schema.ConversationQuery{ID: "said"}))
	if c.MessageCount != 2 || c.AgentID != a.ID {
		s.Errorf("the conversation is %+v", c)
	}
	must1[schema.Run](s)(s.Chat.Run(user, t.accepted.RunID))
	s.create(schema.NewAgent{ID: a.ID})
	_, err := s.Memory.Get(user, a.ID, item.ID)
	s.wantCode(err, schema.CodeNotFound)
	if got := s.found(user, schema.MemoryQuery{Text: word}); len(got) != 0 {
		s.Errorf("it is still remembered: %v", got)
	}
}

func agentsLifeOnce(s *suite) {
	ctx, id := s.admin(), unique("agent")
	s.Cleanup(func() { s.cleared(id) })
	twice(s, ctx, func(ctx context.Context) (schema.Agent, error) {
		return s.Agents.Create(ctx, schema.NewAgent{ID: id, Start: true})
	})
	twice(s, ctx, func(ctx context.Context) (schema.Agent, error) {
		return s.Agents.Create(ctx, schema.NewAgent{ID: id})
	})
	twice(s, ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.Agents.Delete(ctx, id, 0) })
}

package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/schema"
)

func onceChecks() []check {
	return []check{
		{"send", "a repeated turn is the first one, from its first event", "schema.Once", onceSend},
		{"send-at-once", "of twenty tries of one turn at once one is carried out, and all see its end", "schema.Once", onceSendAtOnce},
		{"store-at-once", "of a hundred tries to store one memory at once one is carried out, and all get it", "schema.Once", onceStoreAtOnce},
		{"route", "the key of a message that was sent says who it went to", "schema.Chat.Route", onceRoute},
		{"store", "a repeated request to store gets the first memory", "schema.Once", onceStore},
		{"changes-of-agents", "a repeated change of an agent gets the first result, and changes nothing", "schema.Once", onceAgents},
		{"cancel", "a repeated request to cancel gets the first result", "schema.Once", onceCancel},
		{"another-request", "the key of another request is CodeKeyReused", "schema.Once", onceAnother},
		{"is-the-callers-and-the-scopes", "the same key of another principal, or of another scope, is another one", "schema.Once", onceWhose},
		{"errors", "an error that would be the same the next time is kept, too", "schema.Once", onceErrors},
	}
}

// onceKey is a key that nobody else has, for a request with a digest.
func onceKey(digest string) schema.Once {
	return schema.Once{Key: unique("key"), Scope: "suite", Digest: digest}
}

// with returns ctx for another try of the same request, and what that says of its answer.
func with(ctx context.Context, key *schema.Once) (context.Context, *schema.Once) {
	o := &schema.Once{Key: key.Key, Scope: key.Scope, Digest: key.Digest}
	return schema.WithOnce(ctx, o), o
}

// twice makes a request twice, and compares what comes of it.
func twice[T any](s *suite, ctx context.Context, call func(ctx context.Context) (T, error)) {
	s.Helper()
	key := onceKey("x")
	first, o := with(ctx, &key)
	want, wantErr := call(first)
	if o.Replayed() {
		s.Errorf("the first request is told that it is none")
	}
	again, o := with(ctx, &key)
	got, err := call(again)
	if !o.Replayed() {
		s.Errorf("the second request is not told that it repeats the first one")
	}
	if equal(got, want) != nil || schema.CodeOf(err) != schema.CodeOf(wantErr) {
		s.Errorf("again: %+v, %v\nfirst: %+v, %v", got, err, want, wantErr)
	}
	if err != nil && schema.AsError(err).Message != schema.AsError(wantErr).Message {
		s.Errorf("again: %v\nfirst: %v", err, wantErr)
	}
}

// equal returns an error unless both are the same as JSON.
func equal(got, want any) error {
	x, err := json.Marshal(got)
	y, err2 := json.Marshal(want)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if string(x) != string(y) {
		return fmt.Errorf("%s is not %s", x, y)
	}
	return nil
}

// onceSend repeats a turn that is over, and sees it whole.
func onceSend(s *suite) {
	s.needs(schema.ServiceChat)
	ctx, key := s.user(), onceKey("x")
	r := schema.SendRequest{AgentID: nyx, ConversationID: "once", Message: "Hello!"}
	first, o := with(ctx, &key)
	t := s.say(first, r)
	if o.Replayed() {
		s.Errorf("the first request is told that it is none")
	}
	again, o := with(ctx, &key)
	repeat := s.say(again, r)
	if !o.Replayed() {
		s.Errorf("the second request is not told that it repeats the first one")
	}
	s.must(errors.Join(equal(repeat.accepted, t.accepted), equal(repeat.events, t.events)))
	c := must1[schema.Conversation](s)(s.Chat.Conversation(ctx, schema.ConversationQuery{ID: "once"}))
	if c.MessageCount != 2 {
		s.Errorf("the conversation has %d messages", c.MessageCount)
	}
}

// onceSendAtOnce has many try the same turn: one is accepted, and all see its end.
func onceSendAtOnce(s *suite) {
	s.needs(schema.ServiceChat)
	const tries = 20
	ctx, key := s.user(), onceKey("x")
	var fresh atomic.Int64
	runs := make([]string, tries)
	s.atOnce(tries, func(i int) error {
		try, o := with(ctx, &key)
		t, err := send(try, s.Chat, schema.SendRequest{AgentID: nyx, Message: "Hello!"})
		if err != nil {
			return err
		}
		if !o.Replayed() {
			fresh.Add(1)
		}
		runs[i] = t.accepted.RunID
		_, err = t.reply()
		return err
	})
	for _, id := range runs {
		if id != runs[0] {
			s.Errorf("runs %s and %s", runs[0], id)
		}
	}
	if n := fresh.Load(); n != 1 {
		s.Errorf("%d of them are told that they are the first", n)
	}
	page := must1[schema.RunPage](s)(s.Chat.Runs(ctx, schema.RunsQuery{}))
	if len(page.Runs) != 1 {
		s.Errorf("there are %d runs", len(page.Runs))
	}
}

// onceStoreAtOnce has many try the same memory: there is one, and all get it.
func onceStoreAtOnce(s *suite) {
	s.needs(schema.ServiceMemory)
	const tries = 100
	ctx, key, word := s.user(), onceKey("x"), unique("word")
	ids := make([]string, tries)
	s.atOnce(tries, func(i int) error {
		try, _ := with(ctx, &key)
		m, err := s.Memory.Store(try, schema.NewMemory{AgentID: nyx, Content: word})
		ids[i] = m.ID
		return err
	})
	if all := slices.Compact(ids); len(all) != 1 {
		s.Errorf("the tries were told of the memories %v", all)
	}
	if got := s.found(ctx, schema.MemoryQuery{Text: word}); len(got) != 1 {
		s.Errorf("%d memories are there", len(got))
	}
}

// onceRoute asks who answers a message that was sent already: the agent that it went to, also when nobody fits any more.
func onceRoute(s *suite) {
	s.needs(schema.ServiceChat)
	ctx, key := s.user(), onceKey("x")
	nobody := schema.RouteRequest{Message: "x", Context: schema.Object{"skill": "juggling"}}
	before, o := with(ctx, &key)
	_, err := s.Chat.Route(before, nobody)
	if s.wantCode(err, schema.CodeNoAgentFits); o.Replayed() {
		s.Errorf("nothing was sent, and routing is told that it was")
	}
	first, _ := with(ctx, &key)
	s.say(first, schema.SendRequest{AgentID: aria, Message: "x"})
	again, o := with(ctx, &key)
	if d := must1[schema.RouteDecision](s)(s.Chat.Route(again, nobody)); d.AgentID != aria || !o.Replayed() {
		s.Errorf("the message went to aria, and routing says %+v", d)
	}
}

func onceStore(s *suite) {
	s.needs(schema.ServiceMemory)
	ctx := s.user()
	word := unique("word")
	twice(s, ctx, func(ctx context.Context) (schema.MemoryItem, error) {
		return s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: word, Metadata: schema.Object{"n": json.Number("1.50")}})
	})
	hits, err := s.Memory.Search(ctx, schema.MemoryQuery{Text: word})
	if err != nil || len(hits) != 1 {
		s.Errorf("%d memories are there (%v)", len(hits), err)
	}
}

// onceAgents repeats changes after the agent has changed again: the answer is the old one, and the agent stays as it is.
func onceAgents(s *suite) {
	s.needs(schema.ServiceAgents)
	admin := s.admin()
	s.Cleanup(func() { s.start(aria) })
	if s.has(updateAgent) {
		twice(s, admin, func(ctx context.Context) (schema.Agent, error) {
			return s.Agents.Update(ctx, aria, schema.AgentPatch{Persona: schema.Set(unique("persona"))})
		})
	}
	twice(s, admin, func(ctx context.Context) (schema.Agent, error) {
		a, err := s.Agents.Stop(ctx, aria)
		if err == nil {
			_, err = s.Agents.Start(admin, aria)
		}
		return a, err
	})
	if a := must1[schema.Agent](s)(s.Agents.Get(admin, aria)); a.Status != schema.AgentRunning {
		s.Errorf("a stop that was repeated has stopped it again: %s", a.Status)
	}
}

func onceCancel(s *suite) {
	s.needs(schema.ServiceChat)
	ctx := s.user()
	t := s.say(ctx, schema.SendRequest{AgentID: nyx, Message: "Hello!"})
	twice(s, ctx, func(ctx context.Context) (schema.Run, error) { return s.Chat.Cancel(ctx, t.accepted.RunID) })
}

// makes makes something with a text of the caller's, in whichever way is offered, and returns its id.
func (s *suite) makes(ctx context.Context, text string) (id string, err error) {
	s.Helper()
	if s.Memory != nil {
		item, err := s.Memory.Store(ctx, schema.NewMemory{AgentID: nyx, Content: text})
		return item.ID, err
	}
	s.needs(schema.ServiceChat)
	t, err := send(ctx, s.Chat, schema.SendRequest{AgentID: nyx, Message: text})
	return t.accepted.RunID, err
}

func onceAnother(s *suite) {
	ctx, key := s.user(), onceKey("x")
	first, _ := with(ctx, &key)
	must1[string](s)(s.makes(first, "one"))
	other := schema.Once{Key: key.Key, Scope: key.Scope, Digest: "y"}
	second, _ := with(ctx, &other)
	_, err := s.makes(second, "two")
	s.wantCode(err, schema.CodeKeyReused)
	if s.Chat != nil {
		_, err := send(second, s.Chat, schema.SendRequest{AgentID: nyx, Message: "two"})
		s.wantCode(err, schema.CodeKeyReused)
	}
	again, o := with(ctx, &key)
	must1[string](s)(s.makes(again, "one"))
	if !o.Replayed() {
		s.Errorf("the first request is forgotten")
	}
}

func onceWhose(s *suite) {
	key := onceKey("x")
	elsewhere := schema.Once{Key: key.Key, Scope: "elsewhere", Digest: "x"}
	ids := map[string]bool{}
	mine := s.user()
	for _, c := range []struct {
		ctx context.Context
		key *schema.Once
	}{{mine, &key}, {s.user(), &key}, {mine, &elsewhere}} {
		ctx, o := with(c.ctx, c.key)
		ids[must1[string](s)(s.makes(ctx, "x"))] = true
		if o.Replayed() {
			s.Errorf("%+v is told that it repeats a request", c.key)
		}
	}
	if len(ids) != 3 {
		s.Errorf("of three requests came %d things", len(ids))
	}
}

// onceErrors repeats requests that fail: what would be the same the next time is, although it could have become another.
func onceErrors(s *suite) {
	if s.Memory == nil {
		s.needs(schema.ServiceChat, schema.ServiceAgents)
	}
	ctx, admin := s.user(), s.admin()
	if s.Memory != nil {
		twice(s, ctx, func(ctx context.Context) (schema.MemoryItem, error) {
			return s.Memory.Store(ctx, schema.NewMemory{AgentID: "nobody", Content: "x"})
		})
	}
	if s.Agents != nil && s.has(updateAgent) {
		twice(s, admin, func(ctx context.Context) (schema.Agent, error) {
			return s.Agents.Update(ctx, nyx, schema.AgentPatch{Persona: schema.Set("x"), IfRevision: 1 << 40})
		})
	}
	if s.Agents == nil || s.Chat == nil {
		return
	}
	s.Cleanup(func() { s.start(aria) })
	twice(s, ctx, func(ctx context.Context) (turn, error) {
		must1[schema.Agent](s)(s.Agents.Stop(admin, aria))
		t, err := send(ctx, s.Chat, schema.SendRequest{AgentID: aria, Message: "x"})
		must1[schema.Agent](s)(s.Agents.Start(admin, aria))
		return t, err
	})
}

package turns_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/eventlog"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/host/turns"
	"github.com/stagehouse/stagehouse/schema"
)

// company is a chat with the agents a, b and c that run, and d that does not.
func company(t *testing.T, maxRunning int, work turns.Work) *turns.Chat {
	t.Helper()
	s := memory.New()
	log, err := eventlog.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := turns.New(turns.Options{Store: s, Events: log, Work: work, MaxRunning: maxRunning})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx store.Tx) error {
		for _, id := range []string{"a", "b", "c", "d"} {
			if _, err := roster.Insert(tx, store.Agent{Agent: schema.Agent{ID: id, Status: schema.AgentStopped}, Desired: id != "d"}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := chat.Close(ctx); err != nil {
			t.Error(err)
		}
		log.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return chat
}

func alice(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return schema.WithCaller(ctx, schema.Caller{Principal: "alice", Scopes: []schema.Scope{schema.ScopeChat}})
}

// ended sends a message and returns the run when it is over.
func ended(t *testing.T, chat *turns.Chat, agent, message string) schema.Run {
	t.Helper()
	id := ""
	for e, err := range chat.Send(alice(t), schema.SendRequest{AgentID: agent, Message: message}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Accepted != nil {
			id = e.Accepted.RunID
		}
	}
	run, err := chat.Run(alice(t), id)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// passOn asks the agents that a message names, one after the other, and replies with what they say: "b(c)" has b ask c.
func passOn(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
	said := []string{t.Run.AgentID}
	for next, rest := t.Message.Content, ""; next != "."; next = rest {
		next, rest, _ = strings.Cut(next, " ")
		if rest == "" {
			rest = "."
		}
		whom, what, ok := strings.Cut(next, "(")
		if !ok {
			what = "."
		}
		run, err := t.Ask(ctx, whom, strings.TrimSuffix(what, ")"))
		switch {
		case err != nil:
			said = append(said, string(schema.CodeOf(err)))
		case run.Reply == nil:
			said = append(said, string(run.Status))
		default:
			said = append(said, run.Reply.Content)
		}
	}
	return turns.Reply{Content: strings.Join(said, "-")}, nil
}

// TestAgentsAsk: with one place for all of them, to which each comes back.
func TestAgentsAsk(t *testing.T) {
	chat := company(t, 1, passOn)
	for asks, want := range map[string]string{
		".":            "a",
		"b":            "a-b",
		"b c b":        "a-b-c-b",
		"b(c)":         "a-b-c",
		"b(a(b))":      "a-b-a-b",
		"b(a(b(a)))":   "a-b-a-b-" + string(schema.CodeFailedPrecondition),
		"a":            "a-" + string(schema.CodeInvalidArgument),
		"d":            "a-" + string(schema.CodeAgentNotRunning),
		"nobody":       "a-" + string(schema.CodeNotFound),
		"b(d) c(a(b))": "a-b-" + string(schema.CodeAgentNotRunning) + "-c-a-b",
	} {
		if run := ended(t, chat, "a", asks); run.Status != schema.RunCompleted || run.Reply.Content != want {
			t.Errorf("%s: the run is %s with %+v, want %s", asks, run.Status, run.Reply, want)
		}
	}
	page, err := chat.Runs(alice(t), schema.RunsQuery{AgentID: "c"})
	if err != nil || len(page.Runs) == 0 {
		t.Fatalf("the runs of who was asked: %+v, %v", page, err)
	}
	asked := page.Runs[0]
	c, err := chat.Conversation(alice(t), schema.ConversationQuery{ID: asked.ConversationID})
	if err != nil || asked.Principal != "alice" || !strings.Contains(c.Title, " asks c: ") || len(c.Messages) == 0 {
		t.Errorf("a run between agents is of %q, in the conversation %+v, %v", asked.Principal, c, err)
	}
}

// TestAgentsAskAtOnce: more of them than there are places ask each other at the same time.
func TestAgentsAskAtOnce(t *testing.T) {
	var working, most atomic.Int64
	chat := company(t, 2, func(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
		if n := working.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer working.Add(-1)
		if t.Message.Content == "." {
			return turns.Reply{Content: t.Run.AgentID}, nil
		}
		working.Add(-1)
		run, err := t.Ask(ctx, t.Message.Content, ".")
		working.Add(1)
		if err != nil {
			return turns.Reply{}, err
		}
		return turns.Reply{Content: run.Reply.Content}, nil
	})
	const each = 20
	done := make(chan error, 2*each)
	for n := range 2 * each {
		agent, other := "a", "b"
		if n%2 == 1 {
			agent, other = other, agent
		}
		go func() {
			var last schema.Event
			for e, err := range chat.Send(alice(t), schema.SendRequest{AgentID: agent, Message: other}) {
				if err != nil {
					done <- err
					return
				}
				if e.Event != nil {
					last = *e.Event
				}
			}
			if last.Type != schema.EventReply {
				done <- fmt.Errorf("it ends with %s %s", last.Type, last.Payload)
				return
			}
			done <- nil
		}()
	}
	for range 2 * each {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 2 {
		t.Errorf("%d turns were at work at once", most.Load())
	}
}

// TestTheEndOfAnAskingTurnIsThatOfTheAsked: and the other way round, the end of the asked one is told to who asks.
func TestTheEndOfAnAskingTurnIsThatOfTheAsked(t *testing.T) {
	working, told := make(chan schema.Run, 1), make(chan error, 1)
	chat := company(t, 1, func(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
		if t.AskedBy == "a" {
			working <- t.Run
			<-ctx.Done()
			return turns.Reply{}, turns.ErrOver
		}
		run, err := t.Ask(ctx, "b", "wait")
		told <- err
		return turns.Reply{Content: "b has " + string(run.Status)}, err
	})
	send := func() (outer schema.Accepted) {
		for e, err := range chat.Send(alice(t), schema.SendRequest{AgentID: "a", Message: "go"}) {
			if err != nil {
				t.Fatal(err)
			}
			return *e.Accepted
		}
		return outer
	}
	over := func(id string) schema.Run {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			run, err := chat.Run(alice(t), id)
			if err != nil || time.Now().After(deadline) {
				t.Fatalf("run %s does not end: %+v, %v", id, run, err)
			}
			if run.Status.Terminal() {
				return run
			}
		}
	}

	outer, inner := send(), <-working
	if _, err := chat.Cancel(alice(t), outer.RunID); err != nil {
		t.Fatal(err)
	}
	if run := over(inner.ID); run.Status != schema.RunCancelled {
		t.Errorf("who was asked has %s", run.Status)
	}
	if err := <-told; err == nil {
		t.Error("who was cancelled is told nothing")
	}

	outer, inner = send(), <-working
	if _, err := chat.Cancel(alice(t), inner.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	if run := over(outer.RunID); run.Reply == nil || run.Reply.Content != "b has cancelled" {
		t.Errorf("who has asked has %s with %+v", run.Status, run.Reply)
	}
}

// TestADrainLetsAgentsAsk: a turn that was accepted is finished with all that it needs.
func TestADrainLetsAgentsAsk(t *testing.T) {
	working, drained := make(chan struct{}), make(chan bool, 1)
	release := make(chan struct{})
	chat := company(t, 0, func(ctx context.Context, t *turns.Turn) (turns.Reply, error) {
		if t.AskedBy == "" {
			close(working)
			<-release
		}
		return passOn(ctx, t)
	})
	result := make(chan schema.Run, 1)
	go func() { result <- ended(t, chat, "a", "b(c)") }()
	<-working
	go func() {
		ok, err := chat.Drain(alice(t))
		drained <- ok && err == nil
	}()
	refused := errors.New("not yet")
	for deadline := time.Now().Add(patience); schema.CodeOf(refused) != schema.CodeUnavailable; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a chat that drains takes messages")
		}
		for _, err := range chat.Send(alice(t), schema.SendRequest{AgentID: "c", Message: "."}) {
			refused = err
		}
	}
	close(release)
	if run := <-result; run.Reply == nil || run.Reply.Content != "a-b-c" {
		t.Errorf("the run is %s with %+v", run.Status, run.Reply)
	}
	if !<-drained {
		t.Error("it is not drained")
	}
}

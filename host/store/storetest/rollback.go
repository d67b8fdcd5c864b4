package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// furnish puts one of everything into a store, and returns the key of the conversation.
func furnish(t *testing.T, s store.Store) (key int64) {
	t.Helper()
	update(t, s, func(tx store.Tx) (err error) {
		if key, err = tx.InsertConversation(schema.ConversationSummary{ID: "c", Principal: "alice", Title: "first"}); err != nil {
			return err
		}
		return errors.Join(
			tx.PutAgent(agent("nyx")),
			tx.InsertMessage(key, schema.Message{ID: "m1", Role: schema.RoleUser, Content: "hello"}),
			tx.InsertRun(key, schema.Run{ID: "r1", ConversationID: "c", AgentID: "nyx", Principal: "alice", Status: schema.RunRunning, Since: s.Epoch() + "-0"}),
			tx.InsertMemory(schema.MemoryItem{ID: "mem1", AgentID: "nyx", Principal: "alice", Content: "word one"}),
			tx.PutOutcome(store.Outcome{Principal: "alice", Scope: "s", Key: "k", Digest: "d", Result: []byte(`{}`), At: noon}),
			tx.InsertUsage(step("r1", "nyx", "alice", "small", 1, 1, "USD", noon)), tx.AppendEvent(event(1)), tx.AppendEvent(event(2)),
		)
	})
	return key
}

// everything returns all that can be read of a furnished store.
func everything(t *testing.T, s store.Store, key int64) (all string) {
	t.Helper()
	view(t, s, func(r store.Reader) error {
		v := store.Viewer{Everything: true}
		agents, err1 := r.Agents()
		list, changes, err2 := r.Conversations(store.ConversationsQuery{Viewer: v, Archived: schema.ArchivedAny, Limit: 100})
		messages, _, err3 := r.Messages(key, 0, 100)
		runs, numbers, err4 := r.Runs(store.RunsQuery{Viewer: v, Limit: 100})
		memories, err5 := r.RecentMemories(store.MemoryQuery{Viewer: v, Limit: 100})
		events, err6 := r.Events(0, 100)
		unfinished, err7 := r.UnfinishedRuns(key)
		outcome, err8 := r.Outcome("alice", "s", "k")
		used, err9 := r.SumUsage(store.UsageQuery{Viewer: v, GroupBy: schema.UsageByRun})
		all = fmt.Sprintf("%+v", []any{agents, list, changes, messages, runs, numbers, memories, events, unfinished, outcome, used})
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9)
	})
	return all
}

// whatFailsHasNotHappened has a transaction change everything, and fail.
func whatFailsHasNotHappened(t *testing.T, s store.Store) {
	var shown int
	s.Follow(func(events []schema.Event) { shown += len(events) })
	key := furnish(t, s)
	before, no := everything(t, s, key), errors.New("no")
	for _, end := range []func() error{func() error { return no }, func() error { panic(no) }} {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			tx.OnCommit(func() { t.Error("a hook of what has not happened was called") })
			other, err := tx.InsertConversation(schema.ConversationSummary{ID: "d", Principal: "alice"})
			changed := agent("nyx")
			changed.Name = "changed"
			_, err2 := tx.EvictOutcomes(noon.Add(time.Hour), 10)
			_, err3 := tx.EvictEvents(2, 10)
			err = errors.Join(err, err2, err3,
				tx.PutAgent(agent("aria")), tx.PutAgent(changed), tx.SetEmotion("nyx", schema.Emotion{Name: "glad"}, noon),
				tx.InsertMessage(other, schema.Message{ID: "m2"}), tx.InsertMessage(key, schema.Message{ID: "m3"}),
				tx.InsertRun(key, schema.Run{ID: "r2", AgentID: "nyx", Status: schema.RunQueued, Since: s.Epoch() + "-1"}),
				tx.UpdateRun(schema.Run{ID: "r1", Status: schema.RunCompleted}),
				tx.UpdateConversation(key, schema.ConversationSummary{Title: "changed", Archived: true}),
				tx.PutOutcome(store.Outcome{Principal: "alice", Scope: "s", Key: "k2", Digest: "d", Result: []byte(`{}`), At: noon.Add(-1)}),
				tx.InsertUsage(step("r2", "nyx", "alice", "small", 1, 1, "USD", noon)), tx.AppendEvent(event(3)), tx.DeleteConversation(other), tx.DeleteMemory("mem1"), tx.DeleteAgent("nyx"),
				tx.UpdateRun(schema.Run{ID: "r2", Status: schema.RunFailed}), tx.DeleteConversation(key))
			if err != nil {
				t.Errorf("change everything: %v", err)
			}
			return end()
		})
		if err == nil {
			t.Error("what fails has no error")
		}
		if after := everything(t, s, key); after != before {
			t.Errorf("what failed has happened:\nbefore %s\n after %s", before, after)
		}
	}
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(event(4)) })
	if shown != 3 {
		t.Errorf("%d events were shown, want 3", shown)
	}
	view(t, s, func(r store.Reader) error {
		if _, last, err := r.EventBounds(); last != 3 || err != nil {
			t.Errorf("the last event is %d, want 3: numbers have no holes", last)
		}
		return nil
	})
}

// whatIsDeletedTakesAlongItsOwn: a conversation its messages and runs, an agent its memories, and nothing else.
func whatIsDeletedTakesAlongItsOwn(t *testing.T, s store.Store) {
	key := furnish(t, s)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.UpdateRun(schema.Run{ID: "r1", Status: schema.RunCancelled}), tx.DeleteConversation(key))
	})
	gone := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want that it is not found", what, err)
		}
	}
	view(t, s, func(r store.Reader) error {
		_, err := r.Run("r1")
		gone("run", err)
		_, err = r.Message("m1")
		gone("message", err)
		_, err = r.ConversationKey("alice", "c")
		gone("conversation", err)
		_, err = r.Memory("mem1")
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.DeleteAgent("nyx") })
	view(t, s, func(r store.Reader) error {
		_, err := r.Memory("mem1")
		gone("memory", err)
		if used, err := r.SumUsage(store.UsageQuery{Viewer: store.Viewer{Everything: true}, RunID: "r1", AgentID: "nyx"}); len(used) != 1 || err != nil {
			t.Errorf("what was used for the run is %+v, %v; it is kept", used, err)
		}
		return nil
	})
	for what, do := range map[string]func(store.Tx) error{
		"delete agent": func(tx store.Tx) error { return tx.DeleteAgent("nyx") }, "delete memory": func(tx store.Tx) error { return tx.DeleteMemory("mem1") },
		"delete conversation": func(tx store.Tx) error { return tx.DeleteConversation(key) }, "feel": func(tx store.Tx) error { return tx.SetEmotion("nyx", schema.Emotion{}, noon) },
		"update run": func(tx store.Tx) error { return tx.UpdateRun(schema.Run{ID: "r1"}) },
	} {
		gone(what, s.Update(t.Context(), do))
	}
}

func closed(t *testing.T, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"update": s.Update(context.Background(), func(store.Tx) error { return nil }),
		"submit": <-s.Submit(func(store.Tx) error { return nil }),
		"view":   s.View(context.Background(), func(store.Reader) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", what, err)
		}
	}
}

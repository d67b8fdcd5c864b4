package sqlite_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestAgentIsKeptWhole(t *testing.T) {
	s := open(t, t.TempDir())
	a := agent("nyx")
	a.Status, a.StatusReason = schema.AgentFailed, "no brain"
	a.Brain.Options = schema.Object{"model": "x"}
	a.Metadata = schema.Object{"deep": map[string]any{"list": []any{"a", true, nil}}}
	a.Emotion, a.EmotionAt = schema.Emotion{Name: "happy", Intensity: 0.5, Valence: 0.25, Arousal: 0.125}, noon.Add(time.Second)
	a.Declaration = []byte(`{"id":"nyx"}`)
	update(t, s, func(tx store.Tx) error { return tx.PutAgent(agent("nyx")) })
	update(t, s, func(tx store.Tx) error { return tx.PutAgent(a) })
	view(t, s, func(r store.Reader) error {
		got, err := r.Agent("nyx")
		same(t, "agent", got, a)
		if _, err := r.Agent("nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		return err
	})
}

func TestConversationIsKeptWhole(t *testing.T) {
	s := open(t, t.TempDir())
	c := schema.ConversationSummary{ID: "c", Principal: "alice", Title: "T", AgentID: "nyx", CreatedAt: noon, UpdatedAt: noon}
	finished := noon.Add(time.Minute)
	run := schema.Run{ID: "run_1", ConversationID: "c", AgentID: "nyx", Principal: "alice", Status: schema.RunQueued, MessageID: "m0", QueuedAt: noon, Since: s.Epoch() + "-41"}
	var key int64
	update(t, s, func(tx store.Tx) (err error) {
		if key, err = tx.InsertConversation(c); err != nil {
			return err
		}
		if err := tx.InsertRun(key, run); err != nil {
			return err
		}
		for i := range 5 {
			m := schema.Message{ID: fmt.Sprint("m", i), ConversationID: "c", Role: schema.RoleUser, Content: fmt.Sprint(i), CreatedAt: noon.Add(time.Duration(i))}
			if i == 4 {
				m.Emotion = &schema.Emotion{Name: "calm"}
			}
			if err := tx.InsertMessage(key, m); err != nil {
				return err
			}
		}
		if n, err := tx.UnfinishedRuns(key); len(n) != 1 || n[0] != run.ID || err != nil {
			t.Errorf("unfinished runs %v (%v), want 1", n, err)
		}
		return tx.UpdateConversation(key, schema.ConversationSummary{Title: "U", AgentID: "aria", Archived: true, UpdatedAt: noon.Add(9)})
	})
	update(t, s, func(tx store.Tx) error {
		run.Status, run.Reason, run.Error, run.ReplyID, run.StartedAt, run.FinishedAt = schema.RunFailed, "r", "e", "m4", &finished, &finished
		return tx.UpdateRun(run)
	})
	c.Title, c.AgentID, c.Archived, c.MessageCount, c.Revision, c.UpdatedAt = "U", "aria", true, 5, 7, noon.Add(9)
	view(t, s, func(r store.Reader) error {
		_, got, err := r.ConversationOf(store.Viewer{Principal: "alice"}, "c")
		same(t, "conversation", got, c)
		gotRun, _ := r.Run("run_1")
		same(t, "run", gotRun, run)
		newest, first, _ := r.Messages(key, 0, 2)
		if len(newest) != 2 || newest[0].ID != "m3" || newest[1].Emotion == nil {
			t.Errorf("newest page is %+v", newest)
		}
		older, _, _ := r.Messages(key, first, 10)
		if len(older) != 3 || older[0].ID != "m0" || older[2].ID != "m2" {
			t.Errorf("older page is %+v", older)
		}
		next, last, _ := r.MessagesAfter(key, first-1, 1)
		rest, _, _ := r.MessagesAfter(key, last, 10)
		if len(next) != 1 || next[0].ID != "m3" || len(rest) != 1 || rest[0].ID != "m4" {
			t.Errorf("the pages after m2 are %+v and %+v", next, rest)
		}
		return err
	})
}

func TestConversationsOfOneID(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, func(tx store.Tx) error {
		for i, who := range []string{"alice", "bob", "carol"} {
			key, err := tx.InsertConversation(schema.ConversationSummary{ID: "same", Principal: who, AgentID: "nyx"})
			if err != nil {
				return err
			}
			if err := tx.InsertMessage(key, schema.Message{ID: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.InsertConversation(schema.ConversationSummary{ID: "same", Principal: "bob"})
		return err
	})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("a second conversation of that id: %v", err)
	}
	view(t, s, func(r store.Reader) error {
		for viewer, want := range map[store.Viewer]string{
			{Principal: "bob"}:                    "bob",
			{Principal: "bob", Everything: true}:  "bob",
			{Principal: "root", Everything: true}: "carol",
		} {
			if _, c, err := r.ConversationOf(viewer, "same"); c.Principal != want {
				t.Errorf("%+v sees %q (%v), want %q", viewer, c.Principal, err, want)
			}
		}
		if _, _, err := r.ConversationOf(store.Viewer{Principal: "dave"}, "same"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("dave: %v", err)
		}
		all, numbers, err := r.Conversations(store.ConversationsQuery{Viewer: store.Viewer{Everything: true}, Limit: 2})
		if len(all) != 2 || all[0].Principal != "carol" || all[1].Principal != "bob" {
			t.Errorf("first page is %+v", all)
		}
		rest, _, _ := r.Conversations(store.ConversationsQuery{Viewer: store.Viewer{Everything: true}, Limit: 2, Before: numbers[1]})
		if len(rest) != 1 || rest[0].Principal != "alice" {
			t.Errorf("second page is %+v", rest)
		}
		return err
	})
}

// TestOldestEventSince has a clock that was set back once.
func TestOldestEventSince(t *testing.T) {
	s := open(t, t.TempDir())
	since := func(minute int) (seq uint64) {
		view(t, s, func(r store.Reader) (err error) {
			seq, err = r.OldestEventSince(noon.Add(time.Duration(minute) * time.Minute))
			return err
		})
		return seq
	}
	if got := since(0); got != 1 {
		t.Errorf("of an empty log: %d", got)
	}
	update(t, s, func(tx store.Tx) error {
		for _, minute := range []int{0, 1, 2, 9, 3, 4} {
			e := event(minute)
			e.Time = noon.Add(time.Duration(minute) * time.Minute)
			if err := tx.AppendEvent(e); err != nil {
				return err
			}
		}
		return nil
	})
	for minute, want := range map[int]uint64{-1: 1, 0: 1, 1: 2, 2: 3, 3: 4, 9: 4, 10: 7} {
		if got := since(minute); got != want {
			t.Errorf("since minute %d: %d, want %d", minute, got, want)
		}
	}
}

func TestEventsAreEvictedFromTheBeginningOnly(t *testing.T) {
	s := open(t, t.TempDir())
	update(t, s, func(tx store.Tx) error {
		for i := range 10 {
			if err := tx.AppendEvent(event(i)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		below uint64
		limit int
		gone  int
		first uint64
	}{{5, 3, 3, 4}, {5, 100, 1, 5}, {5, 100, 0, 5}, {1000, 100, 5, 10}} {
		update(t, s, func(tx store.Tx) error {
			n, err := tx.EvictEvents(c.below, c.limit)
			if n != c.gone {
				t.Errorf("evict below %d: %d gone, want %d", c.below, n, c.gone)
			}
			return err
		})
		view(t, s, func(r store.Reader) error {
			first, last, err := r.EventBounds()
			if first != c.first || last != 10 {
				t.Errorf("bounds are %d and %d, want %d and 10", first, last, c.first)
			}
			return err
		})
	}
}

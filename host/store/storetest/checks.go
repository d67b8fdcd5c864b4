package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

func agentIsKeptWhole(t *testing.T, s store.Store) {
	a := agent("nyx")
	a.Status, a.StatusReason = schema.AgentFailed, "no brain"
	a.Brain.Options = schema.Object{"model": "x"}
	a.Metadata = schema.Object{"deep": map[string]any{"list": []any{"a", true, nil}}}
	a.Emotion, a.EmotionAt = schema.Emotion{Name: "happy", Intensity: 0.5, Valence: 0.25, Arousal: 0.125}, noon.Add(time.Second)
	a.Declaration, a.Declared = []byte(`{"id":"nyx"}`), true
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

func conversationIsKeptWhole(t *testing.T, s store.Store) {
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

// summaryOfAConversation is kept, replaced, and gone with it; nothing else of the conversation changes.
func summaryOfAConversation(t *testing.T, s store.Store) {
	var key int64
	update(t, s, func(tx store.Tx) (err error) {
		key, err = tx.InsertConversation(schema.ConversationSummary{ID: "c", Principal: "alice", AgentID: "nyx"})
		return errors.Join(err, tx.InsertMessage(key, schema.Message{ID: "m1"}))
	})
	var before schema.ConversationSummary
	want := func(want store.Summary) {
		t.Helper()
		view(t, s, func(r store.Reader) error {
			got, err := r.Summary(key)
			_, c, gone := r.ConversationOf(store.Viewer{Principal: "alice"}, "c")
			if before.ID == "" {
				before = c
			}
			if got != want || c != before {
				t.Errorf("the summary is %+v, want %+v; the conversation %+v, want %+v", got, want, c, before)
			}
			return errors.Join(err, gone)
		})
	}
	want(store.Summary{})
	for _, sum := range []store.Summary{{Text: "hello ☃", UpTo: 1}, {Text: "hello again", UpTo: 7}} {
		update(t, s, func(tx store.Tx) error { return tx.PutSummary(key, sum) })
		want(sum)
	}
	update(t, s, func(tx store.Tx) error { return tx.DeleteConversation(key) })
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.PutSummary(key, store.Summary{Text: "x"}) }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a conversation that is gone: %v", err)
	}
	if err := s.View(t.Context(), func(r store.Reader) error { _, err := r.Summary(key); return err }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a conversation that is gone: %v", err)
	}
}

func conversationsOfOneID(t *testing.T, s store.Store) {
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

// oldestEventSince has a clock that was set back once.
func oldestEventSince(t *testing.T, s store.Store) {
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

func eventsAreEvictedFromTheBeginningOnly(t *testing.T, s store.Store) {
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

// said joins what a run has said since it began, and nothing else.
func said(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for _, e := range []schema.Event{
			{RunID: "a", Type: schema.EventDelta, Payload: schema.NewPayload(schema.Delta{Delta: "before "})},
			{RunID: "a", Type: schema.EventDelta, Payload: schema.NewPayload(schema.Delta{Delta: "one "})},
			{RunID: "b", Type: schema.EventDelta, Payload: schema.NewPayload(schema.Delta{Delta: "another "})},
			{RunID: "a", Type: schema.EventThought, Payload: schema.NewPayload(schema.Thought{Thought: "hm"})},
			{RunID: "a", Type: schema.EventDelta, Payload: schema.NewPayload(schema.Delta{Delta: "two"})},
		} {
			if err := tx.AppendEvent(&e); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, s, func(r store.Reader) error {
		said, err := r.Said(schema.Run{ID: "a", Since: s.Epoch() + "-1"})
		if err != nil || said != "one two" {
			t.Errorf("it has said %q, %v", said, err)
		}
		return nil
	})
}

// outcomesAreKeptAndEvicted by principal, scope and key.
func outcomesAreKeptAndEvicted(t *testing.T, s store.Store) {
	one := store.Outcome{Principal: "p", Scope: "s", Key: "k", Digest: "d", Result: []byte(`{"value":1}`), At: noon}
	two := one
	two.Scope, two.At = "other", noon.Add(1)
	update(t, s, func(tx store.Tx) error {
		if err := tx.PutOutcome(two); err != nil {
			return err
		}
		return tx.PutOutcome(one)
	})
	view(t, s, func(r store.Reader) error {
		got, err := r.Outcome("p", "s", "k")
		same(t, "outcome", got, one)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		n, err := tx.EvictOutcomes(noon.Add(1), 10)
		if n != 1 {
			t.Errorf("%d were deleted", n)
		}
		return err
	})
	view(t, s, func(r store.Reader) error {
		if _, err := r.Outcome("p", "s", "k"); err != store.ErrNotFound { //nolint:errorlint // it is that one
			t.Errorf("the older one: %v", err)
		}
		_, err := r.Outcome("p", "other", "k")
		return err
	})
}

func searchSeesWhatTheViewerMaySee(t *testing.T, s store.Store) {
	remember(t, s,
		schema.MemoryItem{ID: "own", Content: "word one"},
		schema.MemoryItem{ID: "others", Content: "word two", Principal: "bob"},
		schema.MemoryItem{ID: "shared", Content: "word three", Principal: "bob", Shared: true},
		schema.MemoryItem{ID: "aria", Content: "word four", AgentID: "aria"},
	)
	for _, c := range []struct {
		q    store.MemoryQuery
		want string
	}{
		{store.MemoryQuery{Text: "word"}, "aria shared own"},
		{store.MemoryQuery{Text: "word", AgentID: "nyx"}, "shared own"},
		{store.MemoryQuery{Text: "word", Viewer: store.Viewer{Principal: "bob"}}, "shared others"},
		{store.MemoryQuery{Text: "word", Viewer: store.Viewer{Principal: "carol"}}, "shared"},
		{store.MemoryQuery{Text: "word", Viewer: store.Viewer{Principal: "root", Everything: true}}, "aria shared others own"},
		{store.MemoryQuery{Text: "s1 alice", Viewer: store.Viewer{Principal: "root", Everything: true}}, ""},
	} {
		if got := strings.Join(search(t, s, c.q), " "); got != c.want {
			t.Errorf("%+v found %q, want %q", c.q, got, c.want)
		}
	}
	update(t, s, func(tx store.Tx) error { return tx.DeleteMemory("own") })
	if got := strings.Join(search(t, s, store.MemoryQuery{Text: "one"}), " "); got != "" {
		t.Errorf("a deleted memory was found: %q", got)
	}
}

func order(t *testing.T, s store.Store) {
	var hooks []int
	var shown []uint64
	s.Follow(func(events []schema.Event) {
		for _, e := range events {
			if len(hooks) < int(e.Cursor.Seq) {
				t.Errorf("event %d is shown before the hook of its transaction", e.Cursor.Seq)
			}
			shown = append(shown, e.Cursor.Seq)
		}
	})
	const n = 1000
	ops := make([]<-chan error, n)
	for i := range n {
		ops[i] = s.Submit(func(tx store.Tx) error {
			tx.OnCommit(func() { hooks = append(hooks, i) })
			return tx.AppendEvent(event(i))
		})
	}
	for _, op := range ops {
		if err := <-op; err != nil {
			t.Fatal(err)
		}
	}
	if !slices.IsSorted(hooks) || len(hooks) != n || !slices.IsSorted(shown) || len(shown) != n {
		t.Errorf("%d hooks, %d events; want %d of each, in the order of submission", len(hooks), len(shown), n)
	}
}

func readersSeeWhatHasReturned(t *testing.T, s store.Store) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 25 {
				id := fmt.Sprintf("g%d-%d", g, i)
				update(t, s, func(tx store.Tx) error { return tx.PutAgent(agent(id)) })
				view(t, s, func(r store.Reader) error {
					_, err := r.Agent(id)
					return err
				})
			}
		})
	}
	wg.Wait()
}

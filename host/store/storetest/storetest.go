// Package storetest says whether a store.Store keeps its word. It is what every store is tested by, beside tests of its own.
package storetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123456789, time.UTC)

// TestStore runs every check against a store of its own, which open returns empty and closes by t.Cleanup.
func TestStore(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name  string
		check func(*testing.T, store.Store)
	}{
		{"agent is kept whole", agentIsKeptWhole},
		{"conversation is kept whole", conversationIsKeptWhole},
		{"conversations of one id", conversationsOfOneID},
		{"summary of a conversation", summaryOfAConversation},
		{"oldest event since", oldestEventSince},
		{"events are evicted from the beginning only", eventsAreEvictedFromTheBeginningOnly},
		{"said", said},
		{"outcomes are kept and evicted", outcomesAreKeptAndEvicted},
		{"usage is added up", usageIsAddedUp},
		{"usage agrees with a sum of its own", usageAgrees},
		{"search sees what the viewer may see", searchSeesWhatTheViewerMaySee},
		{"memories are listed in order", memoriesAreListedInOrder},
		{"near memories", nearMemories},
		{"near memories pass every filter", nearMemoriesPassEveryFilter},
		{"vectors go with their memories", vectorsGoWithTheirMemories},
		{"vectors of one space have one length", vectorsOfOneSpaceHaveOneLength},
		{"vectors that fail are not there", vectorsThatFailAreNotThere},
		{"order", order},
		{"readers see what has returned", readersSeeWhatHasReturned},
		{"what fails has not happened", whatFailsHasNotHappened},
		{"what is deleted takes along what is its own", whatIsDeletedTakesAlongItsOwn},
		{"closed", closed},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

func update(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s store.Store, fn func(store.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func agent(id string) store.Agent {
	return store.Agent{
		Agent: schema.Agent{
			ID: id, Name: "Name of " + id, Status: schema.AgentRunning, Skills: []string{"a", "b"},
			Brain: schema.Brain{Provider: "builtin"}, Revision: 3, CreatedAt: noon, UpdatedAt: noon,
		},
		Desired: true,
	}
}

func event(i int) *schema.Event {
	return &schema.Event{Type: schema.EventThought, AgentID: "nyx", Time: noon, Payload: schema.NewPayload(schema.Thought{Thought: fmt.Sprint(i)})}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func remember(t testing.TB, s store.Store, items ...schema.MemoryItem) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for i, m := range items {
			if m.ID == "" {
				m.ID = fmt.Sprintf("m%d", i)
			}
			if m.AgentID == "" {
				m.AgentID = "nyx"
			}
			if m.Principal == "" {
				m.Principal = "alice"
			}
			if _, err := tx.Agent(m.AgentID); err != nil {
				if err := tx.PutAgent(agent(m.AgentID)); err != nil {
					return err
				}
			}
			if err := tx.InsertMemory(m); err != nil {
				return err
			}
		}
		return nil
	})
}

func search(t testing.TB, s store.Store, q store.MemoryQuery) []string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Viewer == (store.Viewer{}) {
		q.Viewer.Principal = "alice"
	}
	ids := []string{}
	view(t, s, func(r store.Reader) error {
		hits, err := r.SearchMemories(q)
		for i, h := range hits {
			if h.Score <= 0 || i > 0 && h.Score > hits[i-1].Score {
				t.Errorf("hit %d has score %v after %v", i, h.Score, hits[max(i, 1)-1].Score)
			}
			ids = append(ids, h.Memory.ID)
		}
		return err
	})
	return ids
}

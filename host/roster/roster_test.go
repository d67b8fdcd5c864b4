package roster_test

import (
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/memory"
	"github.com/stagehouse/stagehouse/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPagesOfAgents walks through a list with a filter: every agent comes once, in order, and the end has no cursor.
func TestPagesOfAgents(t *testing.T) {
	s := memory.New()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for id, skills := range map[string][]string{"a": {"Sewing"}, "b": nil, "c": {"sewing"}, "d": {"x", "SEWING"}} {
			if err := tx.PutAgent(store.Agent{Agent: schema.Agent{ID: id, Skills: skills}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for limit, pages := range map[int]int{1: 3, 2: 2, 3: 1, 0: 1} {
		q, seen, n := schema.AgentQuery{Skill: "sewing", Limit: limit}, []string{}, 0
		for q.Cursor != "" || n == 0 {
			page := list(t, s, q)
			for _, a := range page.Agents {
				seen = append(seen, a.ID)
			}
			n++
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
		if !slices.Equal(seen, []string{"a", "c", "d"}) || n != pages {
			t.Errorf("limit %d: %v in %d pages, want a, c and d in %d", limit, seen, n, pages)
		}
	}
}

func list(t *testing.T, s store.Store, q schema.AgentQuery) (page schema.AgentPage) {
	t.Helper()
	err := s.View(t.Context(), func(r store.Reader) (err error) {
		page, err = roster.List(r, q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

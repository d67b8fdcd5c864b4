package storetest

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// place gives memories vectors in a space: an id and its coordinates.
func place(t testing.TB, s store.Store, space string, vectors map[string][]float32) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		for id, v := range vectors {
			if err := tx.PutVectors(space, []store.Vector{{MemoryID: id, Values: v}}); err != nil {
				return err
			}
		}
		return nil
	})
}

// near returns the ids of what is near, best first.
func near(t testing.TB, s store.Store, q store.VectorQuery) string {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	if q.Viewer == (store.Viewer{}) {
		q.Viewer.Principal = "alice"
	}
	if q.Space == "" {
		q.Space = "m"
	}
	var ids []string
	view(t, s, func(r store.Reader) error {
		hits, err := r.NearMemories(q)
		for i, h := range hits {
			if i > 0 && h.Score > hits[i-1].Score {
				t.Errorf("hit %d has score %v after %v", i, h.Score, hits[i-1].Score)
			}
			ids = append(ids, h.Memory.ID)
		}
		return err
	})
	return strings.Join(ids, " ")
}

// unplaced returns what a page of the memories without anything in a space has.
func unplaced(t testing.TB, s store.Store, space string, before int64, limit int) (ids string, last int64) {
	t.Helper()
	view(t, s, func(r store.Reader) error {
		items, n, err := r.Unplaced(space, before, limit)
		var all []string
		for _, m := range items {
			all = append(all, m.ID)
		}
		ids, last = strings.Join(all, " "), n
		return err
	})
	return ids, last
}

func memoriesAreListedInOrder(t *testing.T, s store.Store) {
	past := noon.Add(-time.Hour)
	remember(t, s, schema.MemoryItem{ID: "c"}, schema.MemoryItem{ID: "a", ExpiresAt: &past}, schema.MemoryItem{ID: "b", Principal: "bob"})
	view(t, s, func(r store.Reader) error {
		first, last, err := r.MemoriesAfter(0, 2)
		if err != nil || len(first) != 2 || first[0].ID != "c" || first[1].ID != "a" {
			t.Errorf("the first page is %+v, %v", first, err)
		}
		rest, last, err := r.MemoriesAfter(last, 2)
		if err != nil || len(rest) != 1 || rest[0].ID != "b" {
			t.Errorf("the second page is %+v, %v", rest, err)
		}
		none, _, err := r.MemoriesAfter(last, 2)
		if len(none) != 0 {
			t.Errorf("the third page is %+v", none)
		}
		if n, err := r.CountMemories(); n != 3 || err != nil {
			t.Errorf("there are %d memories, %v", n, err)
		}
		return err
	})
}

func nearMemories(t *testing.T, s store.Store) {
	if got := near(t, s, store.VectorQuery{Vector: []float32{1, 0}}); got != "" {
		t.Errorf("in a space that is not there it finds %q", got)
	}
	remember(t, s, schema.MemoryItem{ID: "east"}, schema.MemoryItem{ID: "north"}, schema.MemoryItem{ID: "northeast"}, schema.MemoryItem{ID: "west"},
		schema.MemoryItem{ID: "nowhere"}, schema.MemoryItem{ID: "later"})
	place(t, s, "m", map[string][]float32{
		"east": {5, 0}, "north": {0, 0.1}, "northeast": {1, 1}, "west": {-1, 0}, "nowhere": nil, "gone": {1, 0},
	})
	place(t, s, "m", map[string][]float32{"east": {-1, 0}}) // it has one
	place(t, s, "other", map[string][]float32{"west": {1, 0, 0}, "north": {1, 0, 0}})
	for _, c := range []struct {
		q    store.VectorQuery
		want string
	}{
		{store.VectorQuery{Vector: []float32{3, 0.5}, MinCosine: -1}, "east northeast north west"},
		{store.VectorQuery{Vector: []float32{3, 0.5}}, "east northeast north"},
		{store.VectorQuery{Vector: []float32{3, 0.5}, MinCosine: 0.9}, "east"},
		{store.VectorQuery{Vector: []float32{0, 7}, MemoryQuery: store.MemoryQuery{Limit: 1}}, "north"},
		{store.VectorQuery{Vector: []float32{-1, 0.1}, MinCosine: -1, Except: "other"}, "northeast east"},
		{store.VectorQuery{Vector: []float32{-1, 0.1}, Except: "nothing"}, "west north"},
		{store.VectorQuery{Vector: []float32{0, 0}, MinCosine: -1}, ""},
		{store.VectorQuery{Vector: []float32{1, 0, 0.1}, Space: "other"}, "north west"},
	} {
		if got := near(t, s, c.q); c.q.Space == "other" && len(got) == len(c.want) {
			continue // equally near
		} else if got != c.want {
			t.Errorf("%+v finds %q, want %q", c.q, got, c.want)
		}
	}
	view(t, s, func(r store.Reader) error {
		hits, err := r.NearMemories(store.VectorQuery{MemoryQuery: store.MemoryQuery{Viewer: store.Viewer{Everything: true}, Limit: 2}, Space: "m", Vector: []float32{2, 2}})
		if len(hits) != 2 || math.Abs(hits[0].Score-1) > 1e-6 || math.Abs(hits[1].Score-math.Sqrt2/2) > 1e-6 {
			t.Errorf("the cosines are %+v", hits)
		}
		all, err2 := r.Spaces()
		same(t, "spaces", all, []store.Space{{Name: "m", Dimensions: 2, Placed: 5, Nowhere: 1}, {Name: "other", Dimensions: 3, Placed: 2}})
		return errors.Join(err, err2)
	})
	first, last := unplaced(t, s, "other", 0, 2)
	rest, _ := unplaced(t, s, "other", last, 10)
	if first != "later nowhere" || rest != "northeast east" {
		t.Errorf("without a vector are %q and %q", first, rest)
	}
	if all, _ := unplaced(t, s, "m", 0, 10); all != "later" {
		t.Errorf("without a vector is %q", all)
	}
	if all, _ := unplaced(t, s, "new", 0, 3); all != "later nowhere west" {
		t.Errorf("in a space that is not there, without a vector are %q", all)
	}
}

func nearMemoriesPassEveryFilter(t *testing.T, s store.Store) {
	past := noon.Add(-time.Hour)
	items := []schema.MemoryItem{
		{ID: "own"}, {ID: "others", Principal: "bob"}, {ID: "shared", Principal: "bob", Shared: true}, {ID: "aria", AgentID: "aria"},
		{ID: "expired", ExpiresAt: &past}, {ID: "tagged", Tags: []string{"t", "u"}, Importance: 0.9, Metadata: schema.Object{"k": "v"}},
	}
	vectors := map[string][]float32{}
	for i, m := range items { // each a little further from the east
		vectors[m.ID] = []float32{1, float32(i) / 10}
	}
	remember(t, s, items...)
	for i := range 300 { // nearer, and never to be seen
		id := fmt.Sprint("x", i)
		remember(t, s, schema.MemoryItem{ID: id, Principal: "carol"})
		vectors[id] = []float32{1, 0}
	}
	place(t, s, "m", vectors)
	for _, c := range []struct {
		q    store.MemoryQuery
		want string
	}{
		{store.MemoryQuery{Now: noon}, "own shared aria tagged"},
		{store.MemoryQuery{}, "own shared aria expired tagged"},
		{store.MemoryQuery{Now: noon, Limit: 2}, "own shared"},
		{store.MemoryQuery{Now: noon, AgentID: "nyx"}, "own shared tagged"},
		{store.MemoryQuery{Now: noon, AgentID: "aria"}, "aria"},
		{store.MemoryQuery{Now: noon, AgentID: "nobody"}, ""},
		{store.MemoryQuery{Now: noon, Viewer: store.Viewer{Principal: "bob"}}, "others shared"},
		{store.MemoryQuery{Now: noon, Viewer: store.Viewer{Principal: "root", Everything: true}, AgentID: "aria"}, "aria"},
		{store.MemoryQuery{Now: noon, Tags: []string{"u", "t"}}, "tagged"},
		{store.MemoryQuery{Now: noon, Tags: []string{"t", "w"}}, ""},
		{store.MemoryQuery{Now: noon, Metadata: []schema.MetadataEquals{{Key: "k", Value: "v"}}}, "tagged"},
		{store.MemoryQuery{Now: noon, MinImportance: 0.8}, "tagged"},
	} {
		if got := near(t, s, store.VectorQuery{MemoryQuery: c.q, Vector: []float32{1, 0}}); got != c.want {
			t.Errorf("%+v finds %q, want %q", c.q, got, c.want)
		}
	}
}

func vectorsGoWithTheirMemories(t *testing.T, s store.Store) {
	past := noon.Add(-time.Hour)
	remember(t, s, schema.MemoryItem{ID: "stays"}, schema.MemoryItem{ID: "deleted"}, schema.MemoryItem{ID: "evicted", ExpiresAt: &past},
		schema.MemoryItem{ID: "agent", AgentID: "aria"})
	for _, space := range []string{"m", "n"} {
		place(t, s, space, map[string][]float32{"stays": {1, 0}, "deleted": {1, 0}, "evicted": {1, 0}, "agent": {1, 0}})
	}
	update(t, s, func(tx store.Tx) error {
		_, err := tx.EvictMemories(noon, 10)
		return errors.Join(err, tx.DeleteMemory("deleted"), tx.DeleteAgent("aria"))
	})
	for _, space := range []string{"m", "n"} {
		if got := near(t, s, store.VectorQuery{Space: space, Vector: []float32{1, 0}}); got != "stays" {
			t.Errorf("in %s it finds %q", space, got)
		}
	}
	remember(t, s, schema.MemoryItem{ID: "deleted"}, schema.MemoryItem{ID: "agent", AgentID: "aria"}) // once more, and without a vector
	if got := near(t, s, store.VectorQuery{Vector: []float32{1, 0}}); got != "stays" {
		t.Errorf("what was forgotten is found by what it was: %q", got)
	}
	update(t, s, func(tx store.Tx) error { return tx.DropSpace("m") })
	if got := near(t, s, store.VectorQuery{Vector: []float32{1, 0}}); got != "" {
		t.Errorf("in a space that was dropped it finds %q", got)
	}
	place(t, s, "m", map[string][]float32{"stays": {1, 0, 0, 0}}) // it may have another length now
	view(t, s, func(r store.Reader) error {
		all, err := r.Spaces()
		same(t, "spaces", all, []store.Space{{Name: "n", Dimensions: 2, Placed: 1}, {Name: "m", Dimensions: 4, Placed: 1}})
		return err
	})
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.DropSpace("nothing") }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("drop a space that is not there: %v", err)
	}
}

func vectorsOfOneSpaceHaveOneLength(t *testing.T, s store.Store) {
	remember(t, s, schema.MemoryItem{ID: "a"}, schema.MemoryItem{ID: "b"})
	place(t, s, "m", map[string][]float32{"a": {1, 0}})
	for _, v := range [][]float32{{}, {1}, {1, 0, 0}, make([]float32, store.MaxDimensions+1)} {
		err := s.Update(t.Context(), func(tx store.Tx) error { return tx.PutVectors("m", []store.Vector{{MemoryID: "b", Values: v}}) })
		if !errors.Is(err, store.ErrVector) {
			t.Errorf("a vector of %d: %v, want ErrVector", len(v), err)
		}
	}
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutVectors("new", []store.Vector{{MemoryID: "b", Values: make([]float32, store.MaxDimensions+1)}})
	})
	if !errors.Is(err, store.ErrVector) {
		t.Errorf("a vector that is too long: %v, want ErrVector", err)
	}
	view(t, s, func(r store.Reader) error {
		if _, err := r.NearMemories(store.VectorQuery{MemoryQuery: store.MemoryQuery{Limit: 1}, Space: "m", Vector: []float32{1, 0, 0}}); !errors.Is(err, store.ErrVector) {
			t.Errorf("a query of another length: %v, want ErrVector", err)
		}
		return nil
	})
	place(t, s, "m", map[string][]float32{"b": {float32(math.NaN()), 1}}) // which points nowhere
	view(t, s, func(r store.Reader) error {
		all, err := r.Spaces()
		same(t, "spaces", all, []store.Space{{Name: "m", Dimensions: 2, Placed: 2, Nowhere: 1}})
		return err
	})
}

// vectorsThatFailAreNotThere: nor is their space.
func vectorsThatFailAreNotThere(t *testing.T, s store.Store) {
	remember(t, s, schema.MemoryItem{ID: "a"}, schema.MemoryItem{ID: "b"})
	place(t, s, "m", map[string][]float32{"a": {1, 0}})
	no := errors.New("no")
	for range 2 {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			err := errors.Join(
				tx.PutVectors("m", []store.Vector{{MemoryID: "b", Values: []float32{1, 0}}}),
				tx.PutVectors("new", []store.Vector{{MemoryID: "b", Values: []float32{1, 0, 0}}}),
				tx.DropSpace("m"), tx.DeleteMemory("a"))
			if err != nil {
				t.Errorf("change everything: %v", err)
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Errorf("what fails: %v", err)
		}
		view(t, s, func(r store.Reader) error {
			all, err := r.Spaces()
			same(t, "spaces", all, []store.Space{{Name: "m", Dimensions: 2, Placed: 1}})
			return err
		})
		if got := near(t, s, store.VectorQuery{Vector: []float32{1, 0}}); got != "a" {
			t.Errorf("it finds %q", got)
		}
	}
	place(t, s, "new", map[string][]float32{"b": {1, 0, 0}})
	if got := near(t, s, store.VectorQuery{Space: "new", Vector: []float32{1, 0, 0}}); got != "b" {
		t.Errorf("afterwards it finds %q", got)
	}
}

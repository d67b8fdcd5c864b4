package memory

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// space is a space with its vectors, which have length 1. A memory that cannot have one has nil.
type space struct {
	name       string
	dimensions int
	vectors    map[string][]float32 // by memory
}

func (s *state) space(name string) *space {
	i := slices.IndexFunc(s.spaces, func(sp *space) bool { return sp.name == name })
	if i < 0 {
		return nil
	}
	return s.spaces[i]
}

// has reports whether a memory has a vector in the space or cannot have one. A space that is nil has nothing.
func (sp *space) has(id string) bool {
	if sp == nil {
		return false
	}
	_, ok := sp.vectors[id]
	return ok
}

func (sp *space) fits(v []float32) error {
	if len(v) != sp.dimensions {
		return fmt.Errorf("%w: it has %d dimensions, and the others have %d", store.ErrVector, len(v), sp.dimensions)
	}
	return nil
}

// PutVectors keeps vectors of a space.
func (t *tx) PutVectors(name string, vectors []store.Vector) error {
	sp := t.space(name)
	if sp == nil {
		sp = &space{name: name, vectors: map[string][]float32{}}
		change(t, &t.spaces, append(slices.Clone(t.spaces), sp))
	}
	for _, v := range vectors {
		if v.Values != nil && sp.dimensions == 0 {
			if len(v.Values) > store.MaxDimensions {
				return fmt.Errorf("%w: %d dimensions; at most %d are possible", store.ErrVector, len(v.Values), store.MaxDimensions)
			}
			change(t, &sp.dimensions, len(v.Values))
		}
		if v.Values != nil {
			if err := sp.fits(v.Values); err != nil {
				return err
			}
		}
		if _, there := t.memories[v.MemoryID]; there && !sp.has(v.MemoryID) {
			set(t, sp.vectors, v.MemoryID, store.Unit(v.Values))
		}
	}
	return nil
}

// DropSpace deletes a space with its vectors.
func (t *tx) DropSpace(name string) error {
	sp := t.space(name)
	if sp == nil {
		return store.ErrNotFound
	}
	change(t, &t.spaces, slices.DeleteFunc(slices.Clone(t.spaces), func(other *space) bool { return other == sp }))
	return nil
}

// NearMemories looks at every memory.
func (s *state) NearMemories(q store.VectorQuery) (hits []schema.MemoryHit, err error) {
	sp, except, unit := s.space(q.Space), s.space(q.Except), store.Unit(q.Vector)
	if sp == nil || sp.dimensions == 0 {
		return nil, nil
	}
	if err := sp.fits(q.Vector); err != nil {
		return nil, err
	}
	for _, m := range s.memoriesFor(q.MemoryQuery) {
		v := sp.vectors[m.ID]
		if v == nil || unit == nil || except.has(m.ID) {
			continue
		}
		cosine := 0.0
		for i := range v {
			cosine += float64(v[i]) * float64(unit[i])
		}
		if cosine >= q.MinCosine {
			hits = append(hits, schema.MemoryHit{Memory: m.MemoryItem, Score: cosine})
		}
	}
	slices.SortStableFunc(hits, func(a, b schema.MemoryHit) int { return cmp.Compare(b.Score, a.Score) })
	return hits[:min(q.Limit, len(hits))], nil
}

// Unplaced returns memories that have nothing in a space, the newest first.
func (s *state) Unplaced(name string, before int64, limit int) (items []schema.MemoryItem, last int64, err error) {
	sp := s.space(name)
	for _, m := range s.memoriesFor(store.MemoryQuery{Viewer: store.Viewer{Everything: true}}) {
		if len(items) == limit {
			break
		}
		if (before <= 0 || m.number < before) && !sp.has(m.ID) {
			items, last = append(items, m.MemoryItem), m.number
		}
	}
	return items, last, nil
}

// Spaces returns the spaces, oldest first.
func (s *state) Spaces() (all []store.Space, err error) {
	for _, sp := range s.spaces {
		one := store.Space{Name: sp.name, Dimensions: sp.dimensions, Placed: len(sp.vectors)}
		for _, v := range sp.vectors {
			if v == nil {
				one.Nowhere++
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// CountMemories returns how many memories there are.
func (s *state) CountMemories() (int, error) { return len(s.memories), nil }

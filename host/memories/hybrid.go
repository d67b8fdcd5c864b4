package memories

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	// candidates is how many of each ranking are merged, at least.
	candidates = 50
	// smoothing is how little the first place of a ranking is worth more than the next ones. 60 is from where the merging of rankings
	// by reciprocal ranks comes from (Cormack, Clarke and Büttcher, 2009).
	smoothing = 60
	// A memory that was stored just now counts a twentieth more in a ranking, an old one a twentieth less.
	recencyShare    = 0.05
	recencyHalfLife = 30 * 24 * time.Hour
)

// Find returns the memories that a query finds, best first: those that share a word with its text, ranked by the store, and,
// while there is an embedder that answers, those whose vectors are near to that of the text. Both rankings are weighted by
// importance and recency and merged by reciprocal ranks. Whatever is wrong with the embedder, words are found.
func (s *Memory) Find(ctx context.Context, q store.MemoryQuery) (hits []schema.MemoryHit, err error) {
	vectors := s.index.vectorsOf(ctx, q.Text)
	err = s.store.View(ctx, func(r store.Reader) error {
		if len(vectors) == 0 {
			hits, err = r.SearchMemories(q)
			return err
		}
		hits, err = hybrid(r, q, vectors)
		return err
	})
	return hits, err
}

// queryVector is the text of a query as a vector of a space.
type queryVector struct {
	space   string
	except  string // what lies in that one is found there
	values  []float32
	nearest float64 // the least cosine
}

func hybrid(r store.Reader, q store.MemoryQuery, vectors []queryVector) ([]schema.MemoryHit, error) {
	limit := q.Limit
	q.Limit = max(limit, candidates)
	words, err := r.SearchMemories(q)
	if err != nil {
		return nil, err
	}
	for i := range words {
		words[i].Score *= recency(q.Now, words[i].Memory)
	}
	rankings := [][]schema.MemoryHit{words}
	for _, v := range vectors {
		near, err := r.NearMemories(store.VectorQuery{MemoryQuery: q, Space: v.space, Vector: v.values, MinCosine: v.nearest, Except: v.except})
		switch {
		case errors.Is(err, store.ErrVector): // the model answers otherwise than it did; the background will see
			continue
		case err != nil:
			return nil, err
		}
		for i, h := range near {
			near[i].Score *= importance(h.Memory) * recency(q.Now, h.Memory)
		}
		rankings = append(rankings, near)
	}
	hits := fuse(rankings)
	return hits[:min(limit, len(hits))], nil
}

// importance weighs as the ranking by words does.
func importance(m schema.MemoryItem) float64 { return 0.9 + 0.2*m.Importance }

func recency(now time.Time, m schema.MemoryItem) float64 {
	age := max(now.Sub(m.CreatedAt), 0)
	return 1 - recencyShare + 2*recencyShare*math.Exp2(-age.Hours()/recencyHalfLife.Hours())
}

// fuse merges rankings by reciprocal ranks: the score of a hit is the sum, over the rankings that have it, of how high it stands
// there, such that the first of two rankings has 1. Of equal ones the newer comes first.
func fuse(rankings [][]schema.MemoryHit) []schema.MemoryHit {
	at := map[string]int{} // by id, where it stands in out
	var out []schema.MemoryHit
	for _, ranking := range rankings {
		slices.SortStableFunc(ranking, func(a, b schema.MemoryHit) int { return cmp.Compare(b.Score, a.Score) })
		for rank, h := range ranking {
			i, known := at[h.Memory.ID]
			if !known {
				i = len(out)
				at[h.Memory.ID] = i
				out = append(out, schema.MemoryHit{Memory: h.Memory})
			}
			out[i].Score += (smoothing + 1) / 2.0 / float64(smoothing+1+rank)
		}
	}
	slices.SortStableFunc(out, func(a, b schema.MemoryHit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), b.Memory.CreatedAt.Compare(a.Memory.CreatedAt), strings.Compare(b.Memory.ID, a.Memory.ID))
	})
	return out
}

package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

func randomVector(r *rand.Rand, dimensions int) []float32 {
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// BenchmarkNear finds the 50 nearest of all memories, of those of one agent in ten, and of one tag in a hundred. The baseline is
// what no store can be faster than: a loop over vectors that are in memory already, without a filter.
func BenchmarkNear(b *testing.B) {
	const memories, dimensions = 20_000, 384
	r := rand.New(rand.NewPCG(1, 2))
	s := open(b, b.TempDir())
	var plain [][]float32
	for i := 0; i < memories; i += 1000 {
		var items []schema.MemoryItem
		var vectors []store.Vector
		for n := i; n < i+1000; n++ {
			id := fmt.Sprint("m", n)
			items = append(items, schema.MemoryItem{ID: id, AgentID: fmt.Sprint("agent", n%10), Tags: []string{fmt.Sprint("t", n%100)}})
			vectors = append(vectors, store.Vector{MemoryID: id, Values: randomVector(r, dimensions)})
			plain = append(plain, store.Unit(vectors[len(vectors)-1].Values))
		}
		remember(b, s, items...)
		update(b, s, func(tx store.Tx) error { return tx.PutVectors("m", vectors) })
	}
	wanted := randomVector(r, dimensions)
	b.Run("baseline", func(b *testing.B) {
		scores := make([]float32, len(plain))
		for b.Loop() {
			for i, v := range plain {
				var sum float32
				for j := range v {
					sum += v[j] * wanted[j]
				}
				scores[i] = sum
			}
			slices.Sort(scores)
		}
	})
	for _, c := range []struct {
		name string
		q    store.MemoryQuery
	}{{"all", store.MemoryQuery{}}, {"agent", store.MemoryQuery{AgentID: "agent3"}}, {"tag", store.MemoryQuery{Tags: []string{"t3"}}}} {
		b.Run(c.name, func(b *testing.B) {
			q := store.VectorQuery{MemoryQuery: c.q, Space: "m", Vector: wanted, MinCosine: -1}
			q.Viewer, q.Limit = store.Viewer{Principal: "alice"}, 50
			for b.Loop() {
				view(b, s, func(r store.Reader) error {
					hits, err := r.NearMemories(q)
					if len(hits) != 50 {
						b.Fatalf("%d hits", len(hits))
					}
					return err
				})
			}
		})
	}
}

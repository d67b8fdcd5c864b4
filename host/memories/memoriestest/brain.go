// Package memoriestest has a model for tests that embeds texts and is no model: [Brain] is deterministic, needs nothing, and
// knows a few synonyms.
package memoriestest

import (
	"context"
	"hash/fnv"
	"iter"
	"math"
	"strings"
	"sync"

	"github.com/stagehouse/stagehouse/host/internal/words"
	"github.com/stagehouse/stagehouse/schema"
)

// Provider is the name of the Brain.
const Provider = "toy"

// Dimensions is the length of its vectors, unless its model is another one.
const Dimensions = 512

// Brain is a schema.Brains of one provider that embeds and does not think. A vector is the sum of what each word of the text
// that is not a stop word stands for: its stem, or the meaning that it shares with its synonyms; and, a little, its pairs and triples
// of letters. Different models have different vectors. Set its fields before it is used. Methods are safe for concurrent use.
type Brain struct {
	Synonyms []string // words that mean the same, separated by spaces, in each string
	// Before is called with each request before it is answered; its error is the answer. nil = none.
	Before func(ctx context.Context, r schema.EmbedRequest) error
	// Length returns the length of the vectors of a model. nil = Dimensions.
	Length func(model string) int

	once     sync.Once
	meanings map[string]string // by stem
}

var _ schema.Brains = (*Brain)(nil)

// List returns the one provider.
func (b *Brain) List(context.Context) ([]schema.BrainInfo, error) {
	return []schema.BrainInfo{{Provider: Provider, Description: "Embeds for tests.", OptionsSchema: []byte(`{"type":"object"}`), Embeds: true}}, nil
}

// Think yields CodeUnimplemented.
func (b *Brain) Think(context.Context, schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		yield(schema.ThinkEvent{}, schema.Errorf(schema.CodeUnimplemented, "%s does not think", Provider))
	}
}

// Embed returns the vectors of texts.
func (b *Brain) Embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	if err := r.Validate(); err != nil {
		return schema.Embeddings{}, err
	}
	if r.Provider != Provider {
		return schema.Embeddings{}, schema.Errorf(schema.CodeNotFound, "there is no brain %q", r.Provider)
	}
	if b.Before != nil {
		if err := b.Before(ctx, r); err != nil {
			return schema.Embeddings{}, err
		}
	}
	length := Dimensions
	if b.Length != nil {
		length = b.Length(r.Model)
	}
	out := schema.Embeddings{Model: r.Model, Vectors: make([][]float32, len(r.Texts))}
	for i, text := range r.Texts {
		out.Vectors[i] = b.vector(r.Model, text, length)
		out.Usage.InputTokens += int64(len(strings.Fields(text)))
	}
	return out, nil
}

// Shares of a word's vector.
const (
	meaningShare = 1.0
	letterShare  = 0.4
)

func (b *Brain) vector(model, text string, length int) []float32 {
	b.once.Do(b.learn)
	v := make([]float64, length)
	for _, stem := range words.Content(text) {
		meaning, known := b.meanings[stem]
		if !known {
			meaning = stem
		}
		direct(v, model+"\x00"+meaning, meaningShare)
		letters := "^" + stem + "$"
		n := float64(2*len(letters) - 3)
		for i := range len(letters) - 1 {
			direct(v, model+"\x01"+letters[i:i+2], letterShare/math.Sqrt(n))
			if i+3 <= len(letters) {
				direct(v, model+"\x01"+letters[i:i+3], letterShare/math.Sqrt(n))
			}
		}
	}
	out := make([]float32, length)
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// learn reads the synonyms.
func (b *Brain) learn() {
	b.meanings = map[string]string{}
	for _, group := range b.Synonyms {
		for _, stem := range words.Content(group) {
			b.meanings[stem] = "meaning of " + group
		}
	}
}

// direct adds to v the direction, of four coordinates, that a name has by its hash.
func direct(v []float64, name string, weight float64) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	bits := mix(h.Sum64())
	for range 4 {
		sign := 1.0
		if bits&1 == 1 {
			sign = -1
		}
		v[int(bits>>1&0x7fff)%len(v)] += sign * weight / 2
		bits >>= 16
	}
}

// mix spreads what differs in a few bits over all of them.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

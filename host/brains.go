package host

import (
	"context"
	"iter"

	"github.com/stagehouse/stagehouse/schema"
)

// brains are those of extensions. What their errors say of the configuration is what its author has written: the reference in place of a
// secret, and behind the name of a key.
type brains struct {
	schema.Brains
	tell func(text string) string
}

var _ schema.Brains = brains{}

// Think implements schema.Brains.
func (b brains) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		for e, err := range b.Brains.Think(ctx, r) {
			if !yield(e, b.told(err)) {
				return
			}
		}
	}
}

// Embed implements schema.Brains.
func (b brains) Embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	out, err := b.Brains.Embed(ctx, r)
	return out, b.told(err)
}

func (b brains) told(err error) error {
	if err == nil {
		return nil
	}
	e := *schema.AsError(err)
	e.Message = b.tell(e.Message)
	return &e
}

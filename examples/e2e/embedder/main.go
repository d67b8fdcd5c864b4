// Embedder is an extension for the tests of this directory: it embeds as package memoriestest does, and thinks nothing.
package main

import (
	"context"
	"iter"
	"time"

	"github.com/stagehouse/stagehouse/host/memories/memoriestest"
	"github.com/stagehouse/stagehouse/sdk"
)

// embedder is what the block of the extension says.
type embedder struct {
	Synonyms []string `json:"synonyms" doc:"Words that mean the same, separated by spaces, in each string"`
	PauseMs  int      `json:"pauseMs" minimum:"0" maximum:"60000" doc:"Before each answer, in milliseconds"`

	brain memoriestest.Brain
}

func (e *embedder) Start(context.Context, *sdk.Host) error {
	e.brain.Synonyms = e.Synonyms
	return nil
}

// Brain makes the extension one that embeds.
func (e *embedder) Brain() sdk.Brain {
	return sdk.NewBrain("Embeds for tests.", e.think, sdk.Embeds(func(ctx context.Context, r sdk.EmbedRequest) (sdk.Embeddings, error) {
		select {
		case <-time.After(time.Duration(e.PauseMs) * time.Millisecond):
			return e.brain.Embed(ctx, r)
		case <-ctx.Done():
			return sdk.Embeddings{}, ctx.Err()
		}
	}))
}

func (e *embedder) think(ctx context.Context, r sdk.ThinkRequest, _ struct{}) iter.Seq2[sdk.ThinkEvent, error] {
	return e.brain.Think(ctx, r)
}

func main() {
	sdk.Main(sdk.Definition{
		Name: memoriestest.Provider, Version: "1.0.0", Summary: "Embeds, for tests", New: func() sdk.Extension { return &embedder{} },
	})
}

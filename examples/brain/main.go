// Brain is an extension that thinks for agents: it counts, aloud. A real one would ask a model.
package main

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/sdk"
)

// counter is what the block of the extension says.
type counter struct {
	PauseMs int `json:"pauseMs" minimum:"0" maximum:"1000" doc:"Between two numbers, in milliseconds"`
}

// options is what an agent may say beside the provider's name in its field "brain".
type options struct {
	UpTo int `json:"upTo" required:"true" minimum:"1" maximum:"1000" doc:"The last number"`
}

func (c *counter) Start(context.Context, *sdk.Host) error { return nil }

// Brain makes the extension one that thinks.
func (c *counter) Brain() sdk.Brain { return sdk.NewBrain("Counts up to a number.", c.think) }

func (c *counter) think(ctx context.Context, r sdk.ThinkRequest, o options) iter.Seq2[sdk.ThinkEvent, error] {
	return func(yield func(sdk.ThinkEvent, error) bool) {
		said := 0
		if last := r.Messages[len(r.Messages)-1]; last.Role == sdk.ThinkAgent {
			said = len(strings.Fields(last.Text)) // it was broken off there, and is gone on with
		}
		for n := said + 1; n <= o.UpTo; n++ {
			select {
			case <-time.After(time.Duration(c.PauseMs) * time.Millisecond):
			case <-ctx.Done():
				return
			}
			if !yield(sdk.ThinkEvent{Text: fmt.Sprintf("%d ", n)}, nil) {
				return
			}
		}
		used := sdk.TokenUsage{InputTokens: int64(len(r.Messages)), OutputTokens: int64(o.UpTo - said)} // a message or a number is a token
		yield(sdk.ThinkEvent{Done: &sdk.ThinkDone{Stop: sdk.StopEnd, Model: "counter", Usage: used}}, nil)
	}
}

func main() {
	sdk.Main(sdk.Definition{
		Name: "brain", Version: "1.0.0", Summary: "Counts, and thinks nothing else", New: func() sdk.Extension { return &counter{PauseMs: 20} },
	})
}

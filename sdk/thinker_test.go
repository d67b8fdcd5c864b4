package sdk_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
)

// countOptions is what the brain of commander is told.
type countOptions struct {
	UpTo  int    `json:"upTo" minimum:"1" maximum:"1000" default:"3"`
	Until string `json:"until"`                            // a file that it waits for after the first number
	Wide  int    `json:"wide" minimum:"0" maximum:"10000"` // of each number, in zeros before it
	Said  string `json:"said"`                             // a file that it makes when it has said everything
	Fault string `json:"fault" enum:"panic,exit,busy,quits,silent,twice,wait"`
}

// Brain counts, and goes on where it was broken off.
func (x *commander) Brain() sdk.Brain {
	return sdk.NewBrain("Counts.", x.think, sdk.Embeds(func(_ context.Context, r sdk.EmbedRequest) (sdk.Embeddings, error) {
		out := sdk.Embeddings{Model: "length"}
		for _, t := range r.Texts {
			out.Vectors = append(out.Vectors, []float32{float32(len(t)), 1})
		}
		return out, nil
	}))
}

func (x *commander) think(ctx context.Context, r sdk.ThinkRequest, o countOptions) iter.Seq2[sdk.ThinkEvent, error] {
	return func(yield func(sdk.ThinkEvent, error) bool) {
		if !yield(sdk.ThinkEvent{Thought: fmt.Sprintf("generation %d for %s", x.host.Generation, schema.CallerFrom(ctx).Principal)}, nil) {
			return
		}
		from := 1
		if last := r.Messages[len(r.Messages)-1]; last.Role == sdk.ThinkAgent {
			from = len(strings.Fields(last.Text)) + 1
		}
		for n := from; n <= max(o.UpTo, 1); n++ {
			if !yield(sdk.ThinkEvent{Text: fmt.Sprintf("%0*d ", o.Wide, n)}, nil) {
				return
			}
			if err := x.stumble(ctx, o); err != nil {
				yield(sdk.ThinkEvent{}, err)
				return
			}
		}
		if o.Fault == "silent" {
			return
		}
		done := sdk.ThinkEvent{Done: &sdk.ThinkDone{Stop: sdk.StopEnd, Model: "counter", Usage: sdk.TokenUsage{OutputTokens: int64(o.UpTo)}}}
		if yield(done, nil) && o.Fault == "twice" {
			yield(done, nil)
		}
		if o.Said != "" {
			_ = os.WriteFile(o.Said, nil, 0o600)
		}
	}
}

// stumble does what a test has asked for after a number.
func (x *commander) stumble(ctx context.Context, o countOptions) error {
	switch o.Fault {
	case "panic":
		panic("on purpose")
	case "exit":
		time.Sleep(50 * time.Millisecond) // the number is on its way
		os.Exit(9)
	case "busy":
		return &sdk.Error{Code: schema.CodeRateLimited, Message: "too much", RetryAfter: 7 * time.Second}
	case "quits":
		return context.Canceled
	case "wait":
		<-ctx.Done()
		_ = os.WriteFile(o.Until, nil, 0o600)
		return ctx.Err()
	}
	if o.Until == "" {
		return nil
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(o.Until); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

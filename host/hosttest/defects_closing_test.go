package hosttest_test

import (
	"context"
	"os"
	"time"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// closing is a runtime that closes in another way.
type closing struct {
	services.Opened
	close func(context.Context) error
}

func (c closing) Close(ctx context.Context) error { return c.close(ctx) }

func inClosing() map[string]defect {
	return map[string]defect{
		"everything is forgotten": {
			caught: "lasting/acknowledged-is-kept lasting/log-goes-on lasting/once-is-kept",
			opens: func(ctx context.Context, dir string, _ func(func())) (services.Opened, error) {
				dir, err := os.MkdirTemp(dir, "")
				if err != nil {
					return nil, err
				}
				return local.Open(ctx, local.Options{Dir: dir})
			},
		},
		"keys are forgotten": {
			caught: "lasting/once-is-kept",
			breaks: func(b *broken, _ schema.Services) {
				b.in = func(ctx context.Context) context.Context { return schema.WithOnce(ctx, nil) }
			},
		},
		"a turn that was cut off is queued for ever": {
			caught: "lasting/close-ends-turns",
			breaks: func(b *broken, s schema.Services) {
				b.chat.run = func(ctx context.Context, id string) (schema.Run, error) {
					r, err := s.Chat.Run(ctx, id)
					r.Status = schema.RunQueued
					return r, err
				}
			},
		},
		"a close takes its time": {
			caught: "lasting/close-deadline",
			opens: func(ctx context.Context, dir string, _ func(func())) (services.Opened, error) {
				r, err := local.Open(ctx, local.Options{Dir: dir})
				return closing{r, func(ctx context.Context) error {
					<-time.After(brokenPatience + time.Second)
					return r.Close(ctx)
				}}, err
			},
		},
		"a close does nothing": {
			caught: "lasting/closed-refuses",
			opens: func(ctx context.Context, dir string, after func(func())) (services.Opened, error) {
				r, err := local.Open(ctx, local.Options{Dir: dir})
				if err == nil {
					after(func() { _ = r.Close(context.Background()) }) // it is of no interest how
				}
				return closing{r, func(context.Context) error { return nil }}, err
			},
		},
	}
}

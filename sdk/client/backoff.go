package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff says how long to wait before the next try: a random time below a bound that doubles with every failure, so that the
// clients of a server that has gone do not come back to it all at once.
type backoff struct {
	first, most time.Duration
	failures    int
	since       time.Time // when something went well that has not failed yet; zero = nothing has
}

func (c *Client) newBackoff() backoff { return backoff{first: c.firstDelay, most: c.mostDelay} }

// up says that there is a connection now. If it stays for a while, the failures before it do not count any more.
func (b *backoff) up() { b.since = time.Now() }

// next returns the wait after one more failure, which is not less than atLeast.
func (b *backoff) next(atLeast time.Duration) time.Duration {
	if !b.since.IsZero() && time.Since(b.since) > b.most {
		b.failures = 0
	}
	b.since = time.Time{}
	bound := b.most
	if b.failures < 32 && b.first<<b.failures>>b.failures == b.first {
		bound = min(bound, b.first<<b.failures)
	}
	b.failures++
	return max(atLeast, 0) + rand.N(bound)
}

func (b *backoff) reset() { b.failures = 0 }

// sleep waits, and returns the cause if ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package provider

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How long is waited before a step is tried again.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 8 * time.Second
	maxWait      = 30 * time.Second // what a server may ask for; beyond that the caller decides
)

// backoff returns a time that doubles with every retry, the first of which is 0, less up to a half of it by chance: who failed together does not
// come again together.
func backoff(retry int) time.Duration {
	d := min(firstBackoff<<min(retry, 10), maxBackoff)
	return d - rand.N(d/2)
}

// retryAfter returns how long the server says to wait; 0 = it says nothing that can be read, or not to wait. It never is longer than a day.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := inUnits(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := inUnits(text, time.Second); ok {
		return d
	}
	if t, err := http.ParseTime(text); err == nil {
		return between(t.Sub(now))
	}
	return 0
}

func inUnits(text string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	const day = 24 * time.Hour
	return between(time.Duration(min(max(n, 0), float64(day/unit)) * float64(unit))), true
}

func between(d time.Duration) time.Duration { return min(max(d, 0), 24*time.Hour) }

// sleep waits for d, or for the end of ctx, and reports whether d is over.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

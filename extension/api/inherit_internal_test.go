package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// handOver makes a limiter with other limits that knows what l has admitted, some time after that was told.
func handOver(t interface{ Fatal(...any) }, l *limiter, window time.Duration, limit int, c *clock, takes time.Duration) *limiter {
	c.advance(1) // the clock of another process has begun at another moment
	next := newLimiter(window, limit, c.now)
	b, err := l.tell()
	if err != nil {
		t.Fatal(err)
	}
	c.advance(takes)
	if err := next.hear(b); err != nil {
		t.Fatal(err)
	}
	return next
}

// TestLimiterIsTheRuleAcrossGenerations: a chain of limiters decides like one.
func TestLimiterIsTheRuleAcrossGenerations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 50).Draw(t, "window"))
		limit := rapid.IntRange(1, 9).Draw(t, "max")
		c := newClock()
		l := newLimiter(window, limit, c.now)
		naive := &naiveLimiter{window: window, max: limit, delay: l.delay, waiting: l.waiting, acts: map[string][]time.Time{}}
		for range rapid.IntRange(1, 200).Draw(t, "acts") {
			c.advance(time.Duration(rapid.IntRange(0, 10).Draw(t, "wait")))
			if rapid.IntRange(0, 9).Draw(t, "swap") == 0 {
				old := l
				l = handOver(t, old, window, limit, c, time.Duration(rapid.IntRange(0, 10).Draw(t, "takes")))
				if _, here := old.admitIfHere("1"); here {
					t.Fatal("two limiters decide")
				}
			}
			key := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "key"))
			if got, want := l.admit(key), naive.admit(key, c.now()); got != want {
				t.Fatalf("admit(%s) = %+v, the rule says %+v", key, got, want)
			}
		}
	})
}

// TestLimitsChange: what the old limiter remembers counts under the new limits, from the first act on.
func TestLimitsChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		window, limit := time.Duration(rapid.IntRange(1, 50).Draw(t, "window")), rapid.IntRange(1, 9).Draw(t, "max")
		l := newLimiter(window, limit, c.now)
		var acts []time.Time
		act := func() bool {
			c.advance(time.Duration(rapid.IntRange(0, 5).Draw(t, "wait")))
			d := l.admit("k")
			if d.admitted {
				acts = append(acts, c.now().Add(d.delay))
			}
			return d.admitted
		}
		for range rapid.IntRange(0, 30).Draw(t, "acts") {
			act()
		}
		old := l
		window, limit = time.Duration(rapid.IntRange(1, 50).Draw(t, "window after")), rapid.IntRange(1, 9).Draw(t, "max after")
		l = handOver(t, old, window, limit, c, 0)
		acts = acts[max(0, len(acts)-old.max):] // which is what the old one remembers, if they were in its window
		acts = slices.DeleteFunc(acts, func(a time.Time) bool { return !a.After(c.now().Add(-old.window)) })
		naive := &naiveLimiter{window: window}
		for range rapid.IntRange(0, 60).Draw(t, "acts after") {
			if !act() {
				continue
			}
			last := acts[len(acts)-1]
			if n := naive.inWindow(acts, last); n > limit || len(acts) > 1 && last.Before(acts[len(acts)-2]) {
				t.Fatalf("%d acts in the window that ends at %v: %v", n, last, acts)
			}
		}
	})
}

// TestALateWordCounts beside what was admitted without it.
func TestALateWordCounts(t *testing.T) {
	c := newClock()
	old, next := newLimiter(time.Second, 5, c.now), newLimiter(time.Second, 5, c.now)
	old.admit("k")
	old.admit("k")
	b, err := old.tell()
	if err != nil {
		t.Fatal(err)
	}
	c.advance(600 * time.Millisecond)
	next.admit("k")
	next.admit("other")
	if err := next.hear(b); err != nil {
		t.Fatal(err)
	}
	if d := next.admit("k"); !d.admitted || d.remaining != 1 || d.wait != 400*time.Millisecond {
		t.Errorf("after two acts there and one here: %+v", d)
	}
	if !next.admitNow("k") || next.admitNow("k") {
		t.Error("five acts are not the limit")
	}
	c.advance(400 * time.Millisecond)
	if !next.admitNow("k") || !next.admitNow("k") || next.admitNow("k") {
		t.Error("the two that were told of have not left the window, or more have")
	}
}

// TestAWordOfAnotherVersion is none.
func TestAWordOfAnotherVersion(t *testing.T) {
	for _, word := range []string{`{"version":2,"acts":{"k":[0,0]}}`, `{"version":"x"}`, `[]`, `{"version":1`} {
		c := newClock()
		l := newLimiter(time.Second, 2, c.now)
		if err := l.hear([]byte(word)); err == nil {
			t.Errorf("%s was understood", word)
		}
		if d := l.admit("k"); d.remaining != 1 {
			t.Errorf("after %s: %+v", word, d)
		}
	}
}

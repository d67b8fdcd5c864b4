package api

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// clock is a time that a test sets.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

// naiveLimiter is the rule as it is written: it remembers everything for ever.
type naiveLimiter struct {
	window, delay time.Duration
	max, waiting  int
	acts          map[string][]time.Time
}

// admit finds the first moment, not before now and not before that of an earlier act, at which the rule allows one more.
func (n *naiveLimiter) admit(key string, now time.Time) decision {
	acts := n.acts[key]
	begin, waiting := now, 0
	for _, t := range acts {
		if t.After(begin) {
			begin = t
		}
		if t.After(now) {
			waiting++
		}
	}
	for n.inWindow(acts, begin) >= n.max {
		begin = begin.Add(1)
	}
	delay := begin.Sub(now)
	if delay > 0 && (delay > n.delay || waiting >= n.waiting) {
		return decision{wait: delay}
	}
	acts = append(acts, begin)
	n.acts[key] = acts
	d := decision{admitted: true, delay: delay}
	if delay == 0 {
		d.remaining = n.max - n.inWindow(acts, now)
	}
	last := acts[max(0, len(acts)-n.max):]
	for len(last) > 1 && delay == 0 && !last[0].After(begin.Add(-n.window)) {
		last = last[1:]
	}
	d.wait = last[0].Add(n.window).Sub(begin)
	return d
}

// inWindow counts the acts in (now-window, now].
func (n *naiveLimiter) inWindow(acts []time.Time, now time.Time) int {
	k := 0
	for _, t := range acts {
		if t.After(now.Add(-n.window)) && !t.After(now) {
			k++
		}
	}
	return k
}

// TestLimiterIsTheRule compares the limiter with the rule, over any sequence of acts, and then looks at every window.
func TestLimiterIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.IntRange(1, 50).Draw(t, "window"))
		limit := rapid.IntRange(1, 9).Draw(t, "max")
		c := newClock()
		l := newLimiter(window, limit, c.now)
		l.delay = time.Duration(rapid.IntRange(0, int(window/2)).Draw(t, "delay"))
		l.waiting = rapid.IntRange(1, 9).Draw(t, "waiting")
		naive := &naiveLimiter{window: window, max: limit, delay: l.delay, waiting: l.waiting, acts: map[string][]time.Time{}}
		keys := rapid.IntRange(1, 40).Draw(t, "keys")
		for range rapid.IntRange(1, 200).Draw(t, "acts") {
			c.advance(time.Duration(rapid.IntRange(0, 20).Draw(t, "wait")))
			key := fmt.Sprint(rapid.IntRange(1, keys).Draw(t, "key"))
			if got, want := l.admit(key), naive.admit(key, c.now()); got != want {
				t.Fatalf("admit(%s) = %+v, the rule says %+v", key, got, want)
			}
		}
		for key, acts := range naive.acts {
			for i, act := range acts {
				if n := naive.inWindow(acts, act); n > limit || i > 0 && act.Before(acts[i-1]) {
					t.Fatalf("%s: %d acts in the window that ends at %v: %v", key, n, act, acts)
				}
			}
		}
	})
}

// TestPacedClientIsNeverRefused is the promise to well-behaved clients: those that act evenly or in bursts, as often as
// they may, with a clock and a network that are off by up to half the delay.
func TestPacedClientIsNeverRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, maxWaiting).Draw(t, "max")
		burst := rapid.SampledFrom([]int{1, limit}).Draw(t, "burst")
		pace := time.Duration(rapid.IntRange(1, 1000).Draw(t, "pace")) * time.Millisecond
		c := newClock()
		l := newLimiter(pace*time.Duration(limit), limit, c.now)
		begin, jitter := c.t.Add(time.Hour), int64(l.delay/2)
		for i := range 4 * limit {
			due := begin.Add(pace * time.Duration(i/burst*burst))
			if at := due.Add(time.Duration(rapid.Int64Range(-jitter, jitter).Draw(t, "off"))); at.After(c.t) {
				c.t = at // else the one before was late, and this one comes right after it
			}
			if d := l.admit("k"); !d.admitted || d.delay > l.delay {
				t.Fatalf("act %d of a client that keeps to %d in %v was answered %+v", i, limit, l.window, d)
			}
		}
	})
}

// TestFewActsWaitAtATime is the bound on what somebody can make wait.
func TestFewActsWaitAtATime(t *testing.T) {
	c := newClock()
	l := newLimiter(time.Second, 2*maxWaiting, c.now)
	for range 2 * maxWaiting {
		l.admit("k")
	}
	c.advance(l.window - time.Millisecond)
	waiting := 0
	for range 4 * maxWaiting {
		if d := l.admit("k"); d.admitted && d.delay == time.Millisecond {
			waiting++
		}
	}
	if waiting != maxWaiting {
		t.Errorf("%d acts wait, want %d", waiting, maxWaiting)
	}
}

// TestRefusedClientMayComeBackWhenTold follows Retry-After to the letter.
func TestRefusedClientMayComeBackWhenTold(t *testing.T) {
	c := newClock()
	l := newLimiter(time.Second, 3, c.now)
	for range 3 {
		l.admit("k")
		c.advance(100 * time.Millisecond)
	}
	d := l.admit("k")
	if d.admitted || d.wait != 700*time.Millisecond {
		t.Fatalf("got %+v", d)
	}
	c.advance(d.wait - maxDelay - 1)
	if l.admit("k").admitted {
		t.Error("admitted a nanosecond earlier than an act may wait")
	}
	c.advance(1)
	if d := l.admit("k"); !d.admitted || d.delay != maxDelay {
		t.Errorf("refused when it was to wait: %+v", d)
	}
	c.advance(100*time.Millisecond + maxDelay)
	if d := l.admit("k"); !d.admitted || d.delay != 0 {
		t.Errorf("refused when it was to be admitted: %+v", d)
	}
}

func TestIdleKeysAreForgotten(t *testing.T) {
	c := newClock()
	l := newLimiter(time.Second, 2, c.now)
	for i := range 10_000 {
		l.admit(fmt.Sprint(i))
	}
	c.advance(time.Second)
	for i := range 200 { // every shard is looked at
		l.admit(fmt.Sprint("new", i))
	}
	if n := l.size(); n > 200 {
		t.Errorf("%d keys are remembered, 200 are in use", n)
	}
}

func TestLimiterIsSafe(t *testing.T) {
	l := newLimiter(time.Hour, 500, time.Now)
	var mu sync.Mutex
	var wg sync.WaitGroup
	admitted := 0
	for range 8 {
		wg.Go(func() {
			mine := 0
			for range 200 {
				if l.admit("k").admitted {
					mine++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			admitted += mine
		})
	}
	if wg.Wait(); admitted != 500 {
		t.Errorf("%d of 1600 were admitted, want 500", admitted)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := newLimiter(time.Minute, 100, time.Now)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprint("principal ", i)
	}
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.admit(keys[i%len(keys)])
		}
	})
}

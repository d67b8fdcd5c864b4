package api

import (
	"hash/maphash"
	"iter"
	"sync"
	"time"
)

// limiterShards keeps clients from waiting for each other's locks.
const limiterShards = 16

// Bounds of waiting instead of being refused.
const (
	maxDelay   = 250 * time.Millisecond // of one act; half a window, where that is less
	maxWaiting = 256                    // acts of one key at a time: each is a connection that does nothing
)

// limiter admits at most max acts of one key in any window (t-window, t]. It remembers when each admitted act was, so
// that the rule holds exactly. An act that comes too early by no more than the delay is admitted at the first moment that
// the rule allows, and has to wait for it: that moment is taken at once, is the one that counts, and is never before that
// of an earlier act. So a client that acts once every window/max, or in bursts of up to max every window, is never
// refused as long as its clock and the network are off by less than half the delay; the waits do not add up. What comes
// earlier than that, or when maxWaiting others wait already, is refused and does not count.
//
// Keys are forgotten once all their acts have left the window, which changes nothing, and never before.
type limiter struct {
	window  time.Duration
	max     int
	delay   time.Duration // that one act may wait at most
	waiting int           // acts of one key that may wait at a time
	now     func() time.Time
	begin   time.Time
	seed    maphash.Seed
	shards  [limiterShards]limiterShard
}

type limiterShard struct {
	mu    sync.Mutex
	keys  map[string]*ring
	swept time.Duration
	told  bool // it is on another limiter to decide
}

// decision is what became of one act.
type decision struct {
	admitted  bool
	delay     time.Duration // when admitted: how long the act has to wait
	remaining int           // acts that would be admitted now, without a delay
	wait      time.Duration // after the delay, until the oldest act leaves the window; when refused, until the next one could begin
}

func newLimiter(window time.Duration, limit int, now func() time.Time) *limiter {
	l := &limiter{
		window: window, max: limit, delay: min(maxDelay, window/2), waiting: maxWaiting,
		now: now, begin: now(), seed: maphash.MakeSeed(),
	}
	for i := range l.shards {
		l.shards[i].keys = map[string]*ring{}
	}
	return l
}

// admitIfHere counts one act of key, if it is within the limit or will be in a moment. The caller waits for as long as the
// decision says. It is not here that it is decided if the limiter has told another one what it knows.
func (l *limiter) admitIfHere(key string) (d decision, here bool) {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		return decision{}, false
	}
	return l.decide(s, key, l.delay), true
}

// admit is admitIfHere for a limiter that has told nobody, or whom it has told is gone.
func (l *limiter) admit(key string) decision {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.decide(s, key, l.delay)
}

// admitNow counts one act of key, if it is within the limit.
func (l *limiter) admitNow(key string) bool {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.decide(s, key, 0).admitted
}

// untilNext returns how long it is at least until the next act of key can be within the limit.
func (l *limiter) untilNext(key string) time.Duration {
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.keys[key]; r != nil && r.n > 0 {
		return max(l.delay, r.oldest()+l.window-l.now().Sub(l.begin))
	}
	return l.delay
}

func (l *limiter) shard(key string) *limiterShard {
	return &l.shards[maphash.String(l.seed, key)%limiterShards]
}

// decide counts one act of key, if it has to wait for no longer than most. s.mu is held.
func (l *limiter) decide(s *limiterShard, key string, most time.Duration) decision {
	now := l.now().Sub(l.begin)
	l.sweep(s, now)
	r := s.keys[key]
	if r == nil {
		r = &ring{}
		s.keys[key] = r
	}
	r.expire(now - l.window)
	begin := now // the first moment that the rule allows
	if r.n > 0 {
		begin = max(begin, r.newest())
	}
	if r.n == l.max {
		begin = max(begin, r.oldest()+l.window)
	}
	delay := begin - now
	if delay > 0 && (delay > most || r.after(now) >= l.waiting) {
		return decision{wait: delay}
	}
	r.push(begin, l.max)
	return decision{admitted: true, delay: delay, remaining: l.max - r.n, wait: r.oldest() + l.window - begin}
}

// size returns the number of keys that are remembered.
func (l *limiter) size() int {
	n := 0
	for i := range l.shards {
		l.shards[i].mu.Lock()
		n += len(l.shards[i].keys)
		l.shards[i].mu.Unlock()
	}
	return n
}

// sweep forgets the idle keys of a shard, once a window.
func (l *limiter) sweep(s *limiterShard, now time.Duration) {
	if now-s.swept < l.window {
		return
	}
	s.swept = now
	for key, r := range s.keys {
		if r.expire(now - l.window); r.n == 0 {
			delete(s.keys, key)
		}
	}
}

// ring holds the times of the acts in the window, oldest first; the last ones may be still to come. It grows as it is
// filled.
type ring struct {
	at    []time.Duration
	first int
	n     int
}

func (r *ring) oldest() time.Duration { return r.at[r.first] }
func (r *ring) newest() time.Duration { return r.at[(r.first+r.n-1)%len(r.at)] }

// all returns the times in their order.
func (r *ring) all() iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for i := range r.n {
			if !yield(r.at[(r.first+i)%len(r.at)]) {
				return
			}
		}
	}
}

// expire drops what is at or before limit.
func (r *ring) expire(limit time.Duration) {
	for r.n > 0 && r.oldest() <= limit {
		r.first = (r.first + 1) % len(r.at)
		r.n--
	}
}

// after returns how many acts are later than t.
func (r *ring) after(t time.Duration) int {
	n := 0
	for n < r.n && r.at[(r.first+r.n-1-n)%len(r.at)] > t {
		n++
	}
	return n
}

// push adds t. Where limit acts are remembered already it forgets the oldest: only the last limit of them matter to the rule.
func (r *ring) push(t time.Duration, limit int) {
	switch {
	case r.n == limit:
		r.first = (r.first + 1) % len(r.at)
		r.n--
	case r.n == len(r.at):
		grown := make([]time.Duration, min(max(4, 2*r.n), limit))
		for i := range r.n {
			grown[i] = r.at[(r.first+i)%len(r.at)]
		}
		r.at, r.first = grown, 0
	}
	r.at[(r.first+r.n)%len(r.at)] = t
	r.n++
}

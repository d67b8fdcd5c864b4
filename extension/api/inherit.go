package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A rate limit holds across generations because one limiter decides at a time. The old one tells the new one about every
// act that it remembers, and decides nothing from then on: for what still reaches it, it asks. The new one admits nothing
// before it has been told.

// Waits of limiters for each other.
const (
	tellWait = 2 * time.Second       // for the generation before to tell; it is stuck then
	askAgain = 10 * time.Millisecond // until an act that would have to wait is asked for again
)

// limiterVersion is the version of what a limiter tells. A limiter that knows only another one begins anew.
const limiterVersion = 1

// limiterState is what a limiter tells. What is not in it are the limits: acts count under those of the generation that is
// told, as far as the one before remembers them.
type limiterState struct {
	Version int                        `json:"version"`
	At      time.Time                  `json:"at"`   // when it was told
	Acts    map[string][]time.Duration `json:"acts"` // of each key, how long before At, in their order; below 0 = still to come
}

// tell returns what there is to know, and leaves it to others to decide from now on.
func (l *limiter) tell() ([]byte, error) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
		defer l.shards[i].mu.Unlock()
		l.shards[i].told = true
	}
	at := l.now()
	now := at.Sub(l.begin)
	st := limiterState{Version: limiterVersion, At: at, Acts: map[string][]time.Duration{}}
	for i := range l.shards {
		for key, r := range l.shards[i].keys {
			if r.expire(now - l.window); r.n > 0 {
				for t := range r.all() {
					st.Acts[key] = append(st.Acts[key], now-t)
				}
			}
		}
	}
	return json.Marshal(st)
}

// hear counts what another limiter has told, beside what was admitted here already.
func (l *limiter) hear(b []byte) error {
	var st limiterState
	if err := json.Unmarshal(b, &st); err != nil {
		return fmt.Errorf("read what the generation before has admitted: %w", err)
	}
	if st.Version != limiterVersion {
		return fmt.Errorf("what the generation before has admitted has version %d, and this server knows %d", st.Version, limiterVersion)
	}
	at := l.now()
	told := at.Sub(l.begin) - max(0, at.Sub(st.At))
	for key, ages := range st.Acts {
		s := l.shard(key)
		s.mu.Lock()
		acts := make([]time.Duration, 0, len(ages)+l.max)
		for _, age := range ages {
			acts = append(acts, told-age)
		}
		if r := s.keys[key]; r != nil {
			acts = slices.AppendSeq(acts, r.all())
		}
		slices.Sort(acts)
		r := &ring{}
		for _, t := range acts {
			r.push(t, l.max)
		}
		s.keys[key] = r
		s.mu.Unlock()
	}
	return nil
}

// Tell implements sdk.Teller.
func (s *Server) Tell() []byte {
	if s.limiter == nil {
		return nil
	}
	b, err := s.limiter.tell()
	if err != nil {
		s.log.Error("tell the next generation what was admitted", "error", err.Error())
	}
	return b
}

// inherit counts what the generation before has admitted, before anything is admitted here.
func (s *Server) inherit(b []byte) {
	defer close(s.heard)
	if len(b) == 0 || s.limiter == nil {
		return
	}
	if err := s.limiter.hear(b); err != nil {
		s.log.Warn("the rate limit begins anew", "error", err.Error())
	}
}

// awaitTold waits until the generation before has told what it has admitted.
func (s *Server) awaitTold() {
	select {
	case <-s.heard:
		return
	default:
	}
	late := time.NewTimer(tellWait)
	defer late.Stop()
	select {
	case <-s.heard:
	case <-late.C:
	case <-s.base.Done():
	}
}

// asked answers the generation before, which has a request of key.
func (s *Server) asked(key []byte) bool {
	if s.limiter == nil {
		return true
	}
	s.awaitTold()
	return s.limiter.admitNow(string(key))
}

// admitElsewhere has the generation after decide on an act of key. It answers yes or no, and what would have to wait for a
// moment is asked again. Where it is gone, this one decides; at the end of the drain, when nothing goes there any more,
// nobody does.
func (s *Server) admitElsewhere(key string) (decision, error) {
	late := time.NewTimer(s.limiter.delay)
	defer late.Stop()
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		switch ok, err := s.ask([]byte(key)); {
		case err != nil && s.draining.Load():
			return decision{}, errGoing()
		case err != nil:
			return s.wait(s.limiter.admit(key))
		case ok:
			return decision{admitted: true, wait: s.limiter.window}, nil
		}
		select {
		case <-again.C:
		case <-late.C:
			return decision{wait: s.limiter.untilNext(key)}, nil
		case <-s.base.Done():
			return decision{}, errGoing()
		}
	}
}

// wait waits for as long as the decision says.
func (s *Server) wait(d decision) (decision, error) {
	if d.delay <= 0 {
		return d, nil
	}
	moment := time.NewTimer(d.delay)
	defer moment.Stop()
	select {
	case <-moment.C:
		return d, nil
	case <-s.base.Done():
		return d, errGoing()
	}
}

package provider

import (
	"sync"
	"time"
)

// When the breaker opens, and for how long at first and at most.
const (
	breakerFailures = 5
	breakerPause    = 5 * time.Second
	breakerMaxPause = time.Minute
)

// breaker keeps requests from a server that has failed breakerFailures times in a row. After a pause one request may find out how
// the server is: it closes the breaker, or opens it for twice as long.
type breaker struct {
	mu       sync.Mutex
	failures int           // in a row
	pause    time.Duration // of the last opening; 0 = closed
	until    time.Time     // when a probe may be made
	probing  bool
}

// pass is leave to make one request, whose end is to be told.
type pass struct {
	b     *breaker
	probe bool
}

// enter returns leave to make a request; or nil, and how long to wait before asking again.
func (b *breaker) enter() (*pass, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch wait := time.Until(b.until); {
	case b.pause == 0:
		return &pass{b: b}, 0
	case wait > 0:
		return nil, wait
	case b.probing:
		return nil, time.Second
	}
	b.probing = true
	return &pass{b, true}, 0
}

// isOpen reports whether requests are kept away, but for a probe.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pause > 0
}

// good says that the server is well.
func (p *pass) good() {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.b.failures, p.b.pause, p.b.probing = 0, 0, false
	p.probe = false
}

// bad says that the server failed, and for how long it wants to be left alone, if it said that.
func (p *pass) bad(rest time.Duration) {
	b := p.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	switch {
	case p.probe:
		b.pause, b.probing = min(2*b.pause, breakerMaxPause), false
	case b.pause == 0 && b.failures >= breakerFailures:
		b.pause = breakerPause
	default:
		return
	}
	p.probe = false
	b.until = time.Now().Add(max(b.pause, min(rest, breakerMaxPause)))
}

// over says that the request has ended, if neither good nor bad has been said of it.
func (p *pass) over() {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.probe {
		p.b.probing = false
	}
}

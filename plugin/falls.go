package plugin

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// falls decides what follows when an extension falls, that is, when it dies, hangs or does not start anew: after which pause
// it is started again, or that it is given up. It knows no clock and starts nothing.
type falls struct {
	rules   Supervision
	backoff *backoff.ExponentialBackOff
	n       int           // in a row
	pause   time.Duration // after the last one
}

func newFalls(s Supervision) *falls {
	f := &falls{rules: s, backoff: backoff.NewExponentialBackOff()}
	f.backoff.InitialInterval, f.backoff.MaxInterval, f.backoff.Multiplier = s.RestartMin, s.RestartMax, 2
	f.forget()
	return f
}

// fell counts a fall of an extension that had run for so long; 0 = it did not start. One that had run long enough to count
// as stable begins a new row.
func (f *falls) fell(ran time.Duration) {
	if ran > 0 && ran >= f.rules.StableAfter {
		f.forget()
	}
	f.n++
	f.pause = f.backoff.NextBackOff()
}

// broken reports whether the extension is given up.
func (f *falls) broken() bool { return f.rules.BreakAfter > 0 && f.n >= f.rules.BreakAfter }

// forget is for what a person has mended.
func (f *falls) forget() {
	f.backoff.Reset()
	f.n, f.pause = 0, 0
}

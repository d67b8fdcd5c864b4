package provider

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "2", 2 * time.Second},
		{"Retry-After", " 1.5 ", 1500 * time.Millisecond},
		{"Retry-After", "Wed, 02 Jan 2030 03:04:15 GMT", 10 * time.Second},
		{"Retry-After", "Wed, 02 Jan 2030 03:04:00 GMT", 0},
		{"Retry-After", "-3", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "NaN", 0},
		{"Retry-After", "1e300", 24 * time.Hour},
		{"Retry-After-Ms", "250", 250 * time.Millisecond},
		{"Retry-After-Ms", "+Inf", 24 * time.Hour},
		{"X", "1", 0},
	} {
		if got := retryAfter(http.Header{c.name: {c.value}}, now); got != c.want {
			t.Errorf("%s: %s is %v, not %v", c.name, c.value, got, c.want)
		}
	}
	both := http.Header{"Retry-After": {"9"}, "Retry-After-Ms": {"40"}}
	if got := retryAfter(both, now); got != 40*time.Millisecond {
		t.Errorf("of both it is %v", got)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"2", "1.5", "Wed, 02 Jan 2030 03:04:15 GMT", "-1", "NaN", "1e999", "", "0x1p-2"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, seconds, ms string) {
		d := retryAfter(http.Header{"Retry-After": {seconds}, "Retry-After-Ms": {ms}}, time.Unix(1e9, 0))
		if d < 0 || d > 24*time.Hour {
			t.Errorf("%q and %q are %v", seconds, ms, d)
		}
	})
}

func TestBackoff(t *testing.T) {
	for retry := range 80 {
		whole := min(firstBackoff<<min(retry, 10), maxBackoff)
		for range 20 {
			if d := backoff(retry); d <= whole/2 || d > whole {
				t.Errorf("retry %d waits %v", retry, d)
			}
		}
	}
}

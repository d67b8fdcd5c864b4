package provider

import (
	"testing"
	"testing/synctest"
	"time"
)

func enter(t *testing.T, b *breaker) *pass {
	t.Helper()
	p, wait := b.enter()
	if p == nil {
		t.Fatalf("nobody may pass for %v", wait)
	}
	return p
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		for range breakerFailures - 1 {
			enter(t, &b).bad(0)
		}
		enter(t, &b).good()
		for range breakerFailures {
			if b.isOpen() {
				t.Fatal("it opened too early")
			}
			enter(t, &b).bad(0)
		}
		for _, pause := range []time.Duration{5, 10, 20, 40, 60, 60} {
			pause *= time.Second
			if p, wait := b.enter(); p != nil || wait != pause {
				t.Fatalf("it lets %v pass, waits %v and not %v", p, wait, pause)
			}
			time.Sleep(pause)
			probe := enter(t, &b)
			if p, wait := b.enter(); p != nil || wait != time.Second {
				t.Fatalf("a second one may pass beside the probe: %v, %v", p, wait)
			}
			probe.bad(0)
			probe.over()
		}
		time.Sleep(time.Minute)
		enter(t, &b).over() // a probe that was given up says nothing
		enter(t, &b).good()
		if b.isOpen() {
			t.Error("it is open after a good probe")
		}
		enter(t, &b).bad(0)
		if b.isOpen() {
			t.Error("it does not begin to count anew")
		}
	})
}

func TestBreakerLeavesAloneAsLongAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		for range breakerFailures {
			enter(t, &b).bad(30 * time.Second)
		}
		if _, wait := b.enter(); wait != 30*time.Second {
			t.Errorf("it waits %v", wait)
		}
	})
}

// TestBreakerIsNotHeldByLateOnes: what began before it opened, and fails after that, does not make the pause longer.
func TestBreakerIsNotHeldByLateOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b breaker
		late := enter(t, &b)
		for range breakerFailures {
			enter(t, &b).bad(0)
		}
		time.Sleep(breakerPause / 2)
		late.bad(0)
		if _, wait := b.enter(); wait != breakerPause/2 {
			t.Errorf("it waits %v", wait)
		}
	})
}

package plugin

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestGateHoldsSoMany: calls that wait are bounded in number, and all of them are let in when there is a process again.
func TestGateHoldsSoMany(t *testing.T) {
	t.Parallel()
	gate := newGate()
	gate.shut(true)
	var calls sync.WaitGroup
	for range maxWaiting {
		calls.Go(func() {
			p, err := gate.enter(context.Background(), visit{change: true})
			if err != nil {
				t.Error(err)
				return
			}
			p.leave()
		})
	}
	for waiting := 0; waiting < maxWaiting; {
		gate.mu.Lock()
		waiting = gate.waiting
		gate.mu.Unlock()
	}
	if _, err := gate.enter(context.Background(), visit{}); schema.CodeOf(err) != schema.CodeUnavailable || !strings.Contains(err.Error(), "too many") {
		t.Errorf("one too many: %v", err)
	}
	gate.open(&generation{})
	calls.Wait()
	select {
	case <-gate.hold():
	default:
		t.Error("calls that are over are still under way")
	}
}

// TestHeldGate lets in what only reads, and waits for the changes that are under way.
func TestHeldGate(t *testing.T) {
	t.Parallel()
	gate := newGate()
	gate.open(&generation{})
	change, err := gate.enter(context.Background(), visit{change: true})
	if err != nil {
		t.Fatal(err)
	}
	quiet := gate.hold()
	select {
	case <-quiet:
		t.Error("a change is under way")
	default:
	}
	if read, err := gate.enter(context.Background(), visit{}); err != nil || read.g != change.g {
		t.Errorf("a call that reads: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := gate.enter(ctx, visit{change: true}); schema.CodeOf(err) != schema.CodeCancelled {
		t.Errorf("a change: %v", err)
	}
	change.leave()
	change.leave() // which counts once
	<-quiet
	gate.refuse(away("it is broken"))
	if _, err := gate.enter(context.Background(), visit{}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("refused: %v", err)
	}
}

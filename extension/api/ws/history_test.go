package ws

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestHistory compares with a client that notes what it gets, while it subscribes and unsubscribes as it likes.
func TestHistory(t *testing.T) {
	agents := []string{"", "nyx", "aria", "later"}
	for range 200 {
		var h history
		var subs subscription
		type note struct {
			agent string
			bit   events
			seq   uint64
		}
		got := map[note]bool{}
		for seq := uint64(1); seq < 60; seq++ {
			if rand.IntN(2) == 0 {
				c := change{after: seq - 1, add: rand.IntN(3) > 0, set: events(rand.IntN(8))}
				if rand.IntN(2) == 0 {
					c.named = agents[1 : 1+rand.IntN(3)]
				}
				h.add(c)
				subs.change(c.add, c.named, c.set)
			}
			for _, a := range agents {
				for bit := events(1); bit < 8; bit <<= 1 {
					got[note{a, bit, seq}] = subs.matches(a, bit)
				}
			}
		}
		for n, want := range got {
			if had := h.had(n.agent, n.bit, n.seq); had != want && n.seq > h.from {
				t.Fatalf("%+v: had %v, want %v; %+v", n, had, want, h)
			}
		}
	}
}

// TestHistoryIsBounded, and what is forgotten counts as not had.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	for i := range 10 * maxChanges {
		var named []string
		for j := range 100 {
			named = append(named, fmt.Sprint("agent ", i%5, j))
		}
		h.add(change{after: uint64(i), add: true, named: named, set: 1})
	}
	if len(h.changes) > maxChanges || h.names > maxChangedNames {
		t.Errorf("knows %d changes with %d names", len(h.changes), h.names)
	}
	if h.had("agent 0 0", 1, h.from) || !h.had("agent 0 0", 1, h.from+1) {
		t.Errorf("behind %d it does not know better than before", h.from)
	}
}

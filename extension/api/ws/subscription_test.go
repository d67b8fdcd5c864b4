package ws

import (
	"testing"

	"pgregory.net/rapid"
)

// naiveSubscription is a set of pairs, over agents that are known, one that is not yet (later), and no agent at all ("").
type naiveSubscription map[[2]string]bool

// TestSubscriptionIsTheSetOfPairs compares the bit masks with the set that they stand for, over any sequence of commands.
func TestSubscriptionIsTheSetOfPairs(t *testing.T) {
	c := newCatalogue()
	universe := []string{"", "a", "b", "c", "later"}
	rapid.Check(t, func(t *rapid.T) {
		var s subscription
		naive := naiveSubscription{}
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			set := events(rapid.IntRange(0, int(c.all)).Draw(t, "events"))
			named := rapid.SampledFrom([]string{"*", "a", "b", "c"}).Draw(t, "agent")
			add := rapid.Bool().Draw(t, "add")
			switch {
			case named == "*" && add:
				s.addAll(set)
			case named == "*":
				s.removeAll(set)
			case add:
				s.add(named, set)
			default:
				s.remove(named, set)
			}
			for _, agent := range universe {
				for _, e := range c.list(set) {
					if named == "*" || named == agent {
						naive[[2]string{agent, string(e)}] = add
					}
				}
			}
			some := false
			for _, agent := range universe {
				for _, e := range c.types {
					want := naive[[2]string{agent, string(e)}]
					some = some || want
					if got := s.matches(agent, c.bits[e]); got != want {
						t.Fatalf("matches(%q, %s) = %v", agent, e, got)
					}
				}
			}
			if s.empty() == some || s.size() > 3 {
				t.Fatalf("empty = %v, size = %d", s.empty(), s.size())
			}
		}
		s.removeAll(c.all)
		if !s.empty() || s.size() != 0 {
			t.Fatalf("after everything was removed: %+v", s)
		}
	})
}

func TestCatalogue(t *testing.T) {
	c := newCatalogue()
	for _, e := range c.types {
		if set, unknown := c.set([]string{string(e)}); unknown != nil || len(c.list(set)) != 1 || c.list(set)[0] != e {
			t.Errorf("%s stands for %v", e, c.list(set))
		}
	}
	shorts := 0
	for name := range c.names {
		if set, _ := c.set([]string{name}); len(c.list(set)) == 1 {
			shorts++
		}
	}
	if want := 2 * len(c.types); shorts != want {
		t.Errorf("%d names of one event, want %d: two short names are the same", shorts, want)
	}
	if _, unknown := c.set([]string{"thought", "x", "chat:*", "chat:"}); len(unknown) != 2 {
		t.Errorf("unknown: %v", unknown)
	}
}

package local

import (
	"slices"
	"testing"
	"time"
)

func TestIDsSortInTheOrderInWhichTheyWereGiven(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g := newIDs(func() time.Time { return now })
	var given []string
	for i := range 3000 {
		switch i {
		case 1000:
			now = now.Add(-time.Hour) // the clock goes back
		case 2000:
			now = now.Add(2 * time.Hour)
		}
		given = append(given, g.next(runPrefix))
	}
	if !slices.IsSorted(given) || len(slices.Compact(slices.Clone(given))) != len(given) {
		t.Error("ids are not in order, or not different")
	}
	for _, id := range given[:3] {
		if !validRunID(id) {
			t.Errorf("%q cannot be chosen", id)
		}
	}
}

func TestTitleAndClipCutBetweenCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"Hello":               "Hello",
		"  two\n lines\there": "two lines here",
		"":                    "",
	} {
		if got := title(in); got != want {
			t.Errorf("title(%q) = %q, want %q", in, got, want)
		}
	}
	long := ""
	for range 40 {
		long += "wörd "
	}
	if got := title(long); len([]rune(got)) > maxTitleRunes || got[len(got)-len("wörd…"):] != "wörd…" {
		t.Errorf("title of a long text is %q", got)
	}
	for limit := 3; limit < 20; limit++ {
		if got := clip("ääääääääääääää", limit); len(got) > limit || []rune(got)[len([]rune(got))-1] != '…' {
			t.Errorf("clip to %d is %q", limit, got)
		}
	}
}

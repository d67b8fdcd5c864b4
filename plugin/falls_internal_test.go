package plugin

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestFallsFollowTheirRule compares falls with what Supervision says: the breaker opens at so many falls in a row, the pause
// before each restart is within chance of one that doubles up to its bound, and both begin anew after a stable run or a reload.
func TestFallsFollowTheirRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := Supervision{
			RestartMin:  time.Duration(rapid.IntRange(1, 1000).Draw(t, "min")) * time.Millisecond,
			RestartMax:  time.Duration(rapid.IntRange(1000, 60_000).Draw(t, "max")) * time.Millisecond,
			StableAfter: time.Duration(rapid.IntRange(0, 100).Draw(t, "stable")) * time.Second,
			BreakAfter:  rapid.IntRange(0, 12).Draw(t, "break"),
		}
		f := newFalls(rules)
		row := 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if want := rules.BreakAfter > 0 && row >= rules.BreakAfter; f.broken() != want {
					t.Fatalf("after %d falls in a row broken = %v", row, f.broken())
				}
				if row == 0 {
					return
				}
				mean := rules.RestartMin
				for range row - 1 {
					mean = min(2*mean, rules.RestartMax)
				}
				if f.pause < mean/2 || f.pause > mean*3/2+1 {
					t.Fatalf("after %d falls in a row the pause is %v, want about %v", row, f.pause, mean)
				}
			},
			"did not start": func(*rapid.T) { f.fell(0); row++ },
			"fell": func(t *rapid.T) {
				ran := time.Duration(rapid.IntRange(1, 200).Draw(t, "ran")) * time.Second
				f.fell(ran)
				if row++; ran >= rules.StableAfter {
					row = 1
				}
			},
			"was reloaded": func(*rapid.T) { f.forget(); row = 0 },
		})
	})
}

// Extensions that fall together do not come back together.
func TestThePauseHasSomeChanceInIt(t *testing.T) {
	pauses := map[time.Duration]bool{}
	for range 100 {
		f := newFalls(DefaultSupervision())
		f.fell(0)
		pauses[f.pause] = true
	}
	if len(pauses) < 50 {
		t.Errorf("100 extensions wait for %d different pauses", len(pauses))
	}
}

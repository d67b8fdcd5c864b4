package conform_test

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/schema/conform"
)

var _ conform.T = (*testing.T)(nil)

// one is a group of one check.
func one(run func(conform.T)) []conform.Group {
	return []conform.Group{{Name: "g", Checks: []conform.Check{{Name: "c", Expect: "e", Contract: "schema.Once", Run: run}}}}
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(conform.T)
		want conform.Outcome
		got  string
	}{
		"passes":               {func(conform.T) {}, conform.Passed, ""},
		"fails and goes on":    {func(t conform.T) { t.Errorf("one"); t.Errorf("two") }, conform.Failed, "one|two"},
		"fails and ends":       {func(t conform.T) { t.Fatalf("one"); t.Errorf("two") }, conform.Failed, "one"},
		"is skipped":           {func(t conform.T) { t.Skipf("not offered"); t.Errorf("two") }, conform.Skipped, "not offered"},
		"fails and is skipped": {func(t conform.T) { t.Errorf("one"); t.Skipf("two") }, conform.Failed, "one|two"},
		"panics":               {func(conform.T) { panic("on purpose") }, conform.Failed, "panic: on purpose"},
		"fails in cleanup": {func(t conform.T) {
			t.Cleanup(func() { t.Errorf("last") })
			t.Cleanup(func() { t.Fatalf("first") })
		}, conform.Failed, "first|last"},
		"panics in cleanup": {func(t conform.T) {
			t.Cleanup(func() { t.Errorf("last") })
			t.Cleanup(func() { panic("first") })
		}, conform.Failed, "panic: first|last"},
		"is told of its end before the cleanup": {func(t conform.T) {
			if t.Context().Err() != nil {
				t.Errorf("its context has ended")
			}
			t.Cleanup(func() {
				if t.Context().Err() == nil {
					t.Errorf("its context has not ended")
				}
			})
		}, conform.Passed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := conform.Runner{}.Run(t.Context(), "x", one(c.run))
			if len(r.Results) != 1 || r.Results[0].Outcome != c.want || strings.Join(r.Results[0].Got, "|") != c.got {
				t.Errorf("%+v, want %s because of %q", r.Results, c.want, c.got)
			}
		})
	}
}

func TestAMessageIsShortened(t *testing.T) {
	r := conform.Runner{}.Run(t.Context(), "x", one(func(t conform.T) {
		t.Errorf("%s", strings.Repeat("x", 1<<20))
		for range 100 {
			t.Errorf("again")
			t.Logf("a line")
		}
	}))
	got := r.Results[0]
	if len(got.Got[0]) > 5000 || len(got.Got) != 21 || got.Got[20] != "and more" || len(got.Log) != 50 {
		t.Errorf("%d messages, the first of %d bytes, and %d lines", len(got.Got), len(got.Got[0]), len(got.Log))
	}
}

func TestSelection(t *testing.T) {
	var ran, told []string
	check := func(name string) conform.Check {
		return conform.Check{Name: name, Run: func(conform.T) { ran = append(ran, name) }}
	}
	groups := []conform.Group{
		{Name: "a", Setup: func(conform.T) { ran = append(ran, "setup") }, Checks: []conform.Check{check("one"), check("two")}},
		{Name: "b", Setup: func(conform.T) { ran = append(ran, "never") }, Checks: []conform.Check{check("three")}},
	}
	r := conform.Runner{Match: regexp.MustCompile("^a/t"), Told: func(r conform.Result) { told = append(told, r.ID) }}
	if got := r.Selected(groups); !slices.Equal(got, []string{"a/two"}) {
		t.Errorf("selected %v", got)
	}
	report := r.Run(t.Context(), "x", groups)
	if !slices.Equal(ran, []string{"setup", "two"}) || !slices.Equal(told, []string{"a/two"}) || report.Count(conform.Passed) != 1 {
		t.Errorf("ran %v, told of %v: %+v", ran, told, report)
	}
}

// TestSetup has groups whose setup comes to nothing, and one whose end does.
func TestSetup(t *testing.T) {
	for want, setup := range map[string]func(conform.T){
		"g/c skipped no chat":   func(t conform.T) { t.Skipf("no chat") },
		"g/c failed no luck":    func(t conform.T) { t.Fatalf("no luck") },
		"g/c failed panic: x":   func(conform.T) { panic("x") },
		"g/cleanup failed left": func(t conform.T) { t.Cleanup(func() { t.Errorf("left") }) },
	} {
		cleaned := false
		groups := one(func(conform.T) {})
		groups[0].Setup = func(t conform.T) {
			t.Cleanup(func() { cleaned = true })
			setup(t)
		}
		r := conform.Runner{}.Run(t.Context(), "x", groups)
		last := r.Results[len(r.Results)-1]
		if got := last.ID + " " + string(last.Outcome) + " " + strings.Join(last.Got, "|"); got != want || !cleaned {
			t.Errorf("%s (cleaned up: %v), want %s", got, cleaned, want)
		}
	}
}

func TestTempDirsAreRemoved(t *testing.T) {
	var dir string
	conform.Runner{}.Run(t.Context(), "x", one(func(t conform.T) {
		dir = t.TempDir()
		if err := os.WriteFile(dir+"/x", nil, 0o600); err != nil {
			t.Errorf("%v", err)
		}
	}))
	if _, err := os.Stat(dir); dir == "" || !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", dir, err)
	}
}

// TestACheckThatHangs is given up, with the rest of its group; the next group is run.
func TestACheckThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		groups := one(func(conform.T) { <-release })
		groups[0].Checks = append(groups[0].Checks, conform.Check{Name: "next", Run: func(conform.T) {}})
		groups = append(groups, conform.Group{Name: "h", Checks: []conform.Check{{Name: "c", Run: func(conform.T) {}}}})
		r := conform.Runner{Patience: time.Second}.Run(t.Context(), "x", groups)
		if r.Count(conform.Failed) != 2 || r.Results[2].Outcome != conform.Passed || !strings.Contains(r.Results[0].Got[0], "did not end within 3s") {
			t.Errorf("%+v", r.Results)
		}
		close(release)
	})
}

// TestACheckThatIsLate ends with its context, and its message is kept.
func TestACheckThatIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := conform.Runner{Patience: time.Second}.Run(t.Context(), "x", one(func(t conform.T) {
			if got := conform.Patience(t); got != time.Second {
				t.Errorf("patience is %v", got)
			}
			<-t.Context().Done()
			t.Errorf("it did not come")
		}))
		if got := r.Results[0]; got.Outcome != conform.Failed || got.Got[0] != "it did not come" {
			t.Errorf("%+v", got)
		}
	})
}

func TestARunThatIsInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	groups := one(func(t conform.T) { stop(); <-t.Context().Done() })
	groups[0].Checks = append(groups[0].Checks, conform.Check{Name: "next", Run: func(conform.T) {}})
	r := conform.Runner{}.Run(ctx, "x", groups)
	if len(r.Results) != 2 || r.Results[1].Outcome != conform.Failed || r.Results[1].Got[0] != "it was not run: context canceled" {
		t.Errorf("%+v", r.Results)
	}
	if got := conform.Patience(t); got != conform.DefaultPatience {
		t.Errorf("in a Go test, patience is %v", got)
	}
}

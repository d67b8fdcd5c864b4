package conform

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Bounds of a run.
const (
	// A check is given up after so many times its patience: it may wait for more than one thing.
	patiencesPerCheck = 3
	// endGrace is how long a check may take to notice that its context has ended.
	endGrace = 5 * time.Second

	maxMessages     = 20
	maxMessageBytes = 4 << 10
	maxLog          = 50 // lines
)

// Runner runs checks, one after the other.
type Runner struct {
	Match    *regexp.Regexp // which ids are run; nil = all
	Patience time.Duration  // how long a check may wait for one thing; 0 = DefaultPatience
	Told     func(Result)   // is told of every check when it is over; nil = nobody
}

// Run runs the selected checks of the groups and returns what came of them, also when ctx ends before: then the rest has
// failed. A check that does not end by itself is left behind, and so is the rest of its group.
func (r Runner) Run(ctx context.Context, target string, groups []Group) Report {
	report := Report{Target: target, Begun: time.Now().UTC(), Results: []Result{}}
	for _, g := range groups {
		checks := slices.DeleteFunc(slices.Clone(g.Checks), func(c Check) bool { return !r.selects(g.ID(c)) })
		if len(checks) > 0 {
			r.group(ctx, g, checks, &report)
		}
	}
	report.Took = time.Since(report.Begun)
	return report
}

// Selected returns the ids of the checks that Run would run, in order.
func (r Runner) Selected(groups []Group) []string {
	ids := []string{}
	for _, g := range groups {
		for _, c := range g.Checks {
			if id := g.ID(c); r.selects(id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (r Runner) selects(id string) bool { return r.Match == nil || r.Match.MatchString(id) }

// group runs checks of g, which come to nothing where its setup does.
func (r Runner) group(ctx context.Context, g Group, checks []Check, report *Report) {
	shared := newTrial(ctx, r.patience())
	ended := true
	if g.Setup != nil {
		ended = shared.do(ctx, r.bound(), g.Setup)
	}
	if !ended {
		shared.Errorf("the setup of %s did not end", g.Name)
	}
	for _, c := range checks {
		begun := time.Now()
		t := newTrial(shared.ctx, r.patience())
		switch {
		case shared.over() != Passed:
			t.outcome, t.messages, t.log = shared.outcome, shared.messages, shared.log
		case ctx.Err() != nil:
			t.Errorf("it was not run: %v", context.Cause(ctx))
		case !ended:
			t.Errorf("it was not run, because a check before it did not end")
		default:
			ended = r.check(ctx, t, c)
		}
		t.cancel()
		r.tell(report, t.result(g.ID(c), c, time.Since(begun)))
	}
	if !ended {
		return // somebody is still at work with what would be cleaned up
	}
	if before := shared.over(); before != Passed {
		_ = shared.do(context.WithoutCancel(ctx), r.bound(), shared.end) // the checks have told why
		return
	}
	if !shared.do(context.WithoutCancel(ctx), r.bound(), shared.end) {
		shared.Errorf("what %s had set up did not end within %v", g.Name, r.bound())
	}
	if shared.over() != Passed {
		r.tell(report, shared.result(g.ID(cleanup), cleanup, 0))
	}
}

// cleanup stands for a group whose end has failed, which no check of it has.
var cleanup = Check{Name: "cleanup", Expect: "what was set up for the checks ends in good order", Contract: "host.Runtime"}

// check runs one check and reports whether it came to its end.
func (r Runner) check(ctx context.Context, t *trial, c Check) bool {
	if !t.do(ctx, r.bound(), c.Run) || !t.do(context.WithoutCancel(ctx), r.bound(), t.end) {
		t.Errorf("it did not end within %v, although its context did", r.bound())
		return false
	}
	return true
}

func (r Runner) tell(report *Report, result Result) {
	report.Results = append(report.Results, result)
	if r.Told != nil {
		r.Told(result)
	}
}

func (r Runner) patience() time.Duration { return cmp.Or(r.Patience, DefaultPatience) }
func (r Runner) bound() time.Duration    { return patiencesPerCheck * r.patience() }

// result returns what came of a trial.
func (t *trial) result(id string, c Check, took time.Duration) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	res := Result{ID: id, Outcome: t.outcome, Expected: c.Expect, Contract: c.Contract, Took: took, Got: slices.Clone(t.messages)}
	if t.outcome == Failed {
		res.Log = slices.Clone(t.log)
		if len(res.Got) == 0 {
			res.Got = []string{fmt.Sprintf("%s failed without a word", id)}
		}
	}
	return res
}

package hosttest_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// brokenPatience is for a runtime that keeps somebody waiting.
const brokenPatience = 2 * time.Second

// defect is something that may be wrong with a runtime.
type defect struct {
	caught string // the checks that must fail, without "runtime/"
	breaks func(b *broken, s schema.Services)
}

// ids returns the ids of the checks that must fail.
func (d defect) ids() []string {
	var out []string
	for _, id := range strings.Fields(d.caught) {
		out = append(out, "runtime/"+id)
	}
	return out
}

// groups returns the checks of the runtime that open opens.
func groups(open services.Open, guarded services.Open) []conform.Group {
	return slices.Concat(services.Runtime(open), services.Errors(guarded))
}

// TestEveryDefectIsCaught runs, against runtimes with one defect each, the checks that must find it.
func TestEveryDefectIsCaught(t *testing.T) {
	for name, d := range defects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some only wait
			whole := func(t conform.T) schema.Services { return openFor(t) }
			with := func(s schema.Services) schema.Services {
				b := new(broken)
				d.breaks(b, s)
				return b.of(s)
			}
			var quoted []string
			for _, id := range d.ids() {
				quoted = append(quoted, regexp.QuoteMeta(id))
			}
			r := conform.Runner{Match: regexp.MustCompile("^(" + strings.Join(quoted, "|") + ")$"), Patience: brokenPatience}
			report := r.Run(t.Context(), name, groups(
				func(t conform.T) schema.Services { return with(whole(t)) },
				func(t conform.T) schema.Services { return with(guard.New(whole(t))) }))
			ran := map[string]bool{}
			for _, res := range report.Results {
				ran[res.ID] = true
				if res.Outcome != conform.Failed {
					t.Errorf("%s has %s", res.ID, res.Outcome)
				}
			}
			for _, id := range d.ids() {
				if !ran[id] {
					t.Errorf("there is no check %s", id)
				}
			}
		})
	}
}

// TestEveryCheckCanFail: each check catches at least one of the defects.
func TestEveryCheckCanFail(t *testing.T) {
	caught := map[string]bool{}
	for d := range maps.Values(defects()) {
		for _, id := range d.ids() {
			caught[id] = true
		}
	}
	for _, id := range (conform.Runner{}).Selected(groups(nil, nil)) {
		if !caught[id] {
			t.Errorf("%s catches no defect", id)
		}
	}
}

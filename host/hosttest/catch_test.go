package hosttest_test

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
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
	// opens opens a runtime that does not last; nil = the reference runtime. What it leaves open, after closes.
	opens func(ctx context.Context, dir string, after func(func())) (services.Opened, error)
}

// open opens the runtime that keeps what it has in dir, with what is broken in it.
func (d defect) open(after func(func())) services.OpenIn {
	return func(ctx context.Context, dir string) (services.Opened, error) {
		if d.opens != nil {
			return d.opens(ctx, dir, after)
		}
		r, err := local.Open(ctx, spending(dir))
		if err != nil {
			return nil, err
		}
		return seen{r, d.with(r.Services())}, nil
	}
}

func (d defect) with(s schema.Services) schema.Services {
	b := new(broken)
	d.breaks(b, s)
	return b.of(s)
}

// seen is a runtime that is seen through something broken.
type seen struct {
	services.Opened
	services schema.Services
}

func (s seen) Services() schema.Services { return s.services }

// ids returns the ids of the checks that must fail.
func (d defect) ids() []string {
	var out []string
	for _, id := range strings.Fields(d.caught) {
		out = append(out, "runtime/"+id)
	}
	return out
}

// groups returns the checks of the runtime that open opens.
func groups(open services.OpenIn, guarded services.Open) []conform.Group {
	return slices.Concat(services.Runtime(open.In()), services.Errors(guarded), services.Lasting(open))
}

// TestEveryDefectIsCaught runs, against runtimes with one defect each, the checks that must find it.
func TestEveryDefectIsCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("a runtime for every defect takes long")
	}
	for name, d := range defects() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some only wait
			var quoted []string
			for _, id := range d.ids() {
				quoted = append(quoted, regexp.QuoteMeta(id))
			}
			r := conform.Runner{Match: regexp.MustCompile("^(" + strings.Join(quoted, "|") + ")$"), Patience: brokenPatience}
			guarded := func(t conform.T) schema.Services { return d.with(guard.New(openFor(t))) }
			report := r.Run(t.Context(), name, groups(d.open(t.Cleanup), guarded))
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

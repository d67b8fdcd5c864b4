//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
	"github.com/stagehouse/stagehouse/schema"
)

// modelTime bounds how long new sequences are begun, unless -rapid.checks says how many there are to be.
const modelTime = 15 * time.Second

// modelBreak is small, so that short sequences reach it.
const modelBreak = 3

// TestTheManagerKeepsItsWord has a manager and real processes go through random sequences of what people and processes do,
// and compares them with a model of what was promised. To look longer: -run TheManagerKeepsItsWord -rapid.checks 200.
func TestTheManagerKeepsItsWord(t *testing.T) {
	bounded := true
	flag.Visit(func(f *flag.Flag) { bounded = bounded && f.Name != "rapid.checks" })
	deadline := time.Now().Add(modelTime)
	file := newScriptFile(t, plugintest.Good)
	specs := map[plugintest.Script]plugin.Spec{}
	for _, s := range append(slices.Collect(maps.Keys(failing())), plugintest.Good, plugintest.HangsInStart) {
		specs[s] = plugintest.Spec(t, "api", s)
	}
	specs[fromFile] = plugintest.SpecOf(t, "api", file.path)
	specs[elsewhere] = at(specs[fromFile], "localhost:0")
	rapid.Check(t, func(rt *rapid.T) {
		if bounded && time.Now().After(deadline) {
			return
		}
		defer func() { bounded = bounded && !rt.Failed() }() // a sequence that failed is made smaller for as long as it takes
		file.write(plugintest.Good)
		m := newModel(rt, t.TempDir(), file, specs)
		defer m.host.end()
		defer m.observe()()
		actions := m.actions()
		m.start()
		for range rapid.IntRange(3, 12).Draw(rt, "actions") {
			actions[rapid.SampledFrom(slices.Sorted(maps.Keys(actions))).Draw(rt, "action")]()
			m.check()
		}
		m.end()
	})
}

// Two specs that plugintest has no name for.
const (
	fromFile  plugintest.Script = "from-file" // runs the script of the file
	elsewhere plugintest.Script = "elsewhere" // and at another address
)

// failing are the scripts that never come up, and the phase in which they fail.
func failing() map[plugintest.Script]plugin.Phase {
	return map[plugintest.Script]plugin.Phase{
		plugintest.StdoutFirst: plugin.PhaseLaunch, plugintest.SilentExit: plugin.PhaseLaunch, plugintest.WrongMajor: plugin.PhaseLaunch,
		plugintest.DiesInInit: plugin.PhaseInit, plugintest.Requires: plugin.PhaseInit,
		plugintest.RefusesConfig: plugin.PhaseConfigure, plugintest.PanicsInStart: plugin.PhaseStart,
		plugintest.FailsInStart: plugin.PhaseStart, plugintest.NeverHealthy: plugin.PhaseHealth,
	}
}

// model is what must be true of a manager of one extension, between two actions.
type model struct {
	host  *host
	t     *rapid.T
	file  *scriptFile
	specs map[plugintest.Script]plugin.Spec

	there    bool              // the extension
	broken   bool              // it
	runs     plugintest.Script // the spec of what runs, or would be started anew
	falls    int               // in a row
	restarts int               // since the first start
	last     plugin.Status     // of the last generation that was seen running
	lives    atomic.Int64      // counts the extensions of this name: each one's generations begin anew
}

func newModel(t *rapid.T, runDir string, file *scriptFile, specs map[plugintest.Script]plugin.Spec) *model {
	supervision := quick()
	supervision.BreakAfter = modelBreak
	supervision.HealthTimeout = patience // nobody is to be killed because the machine is slow
	h := openHost(t, runDir, schema.Services{}, plugin.WithSupervision(supervision))
	return &model{host: h, t: t, file: file, specs: specs}
}

func (m *model) running() bool { return m.there && !m.broken }

// check compares the status with the model, and with what is the case.
func (m *model) check() {
	m.t.Helper()
	if !m.there {
		if all := m.host.Status(); len(all) > 0 || len(m.host.directories()) > 0 {
			m.t.Fatalf("nothing should be left: %+v, %v", all, m.host.directories())
		}
		return
	}
	s := m.host.only()
	if s.Restarts != m.restarts {
		m.t.Fatalf("%d restarts, want %d: %+v", s.Restarts, m.restarts, s)
	}
	if m.broken {
		if s.State != plugin.StateBroken || s.PID != 0 || len(s.Listeners) > 0 || s.LastError == "" || len(m.host.directories()) > 0 {
			m.t.Fatalf("it is not broken: %+v, %v", s, m.host.directories())
		}
		return
	}
	if !serves(s) || s.PID != m.last.PID || s.Generation != m.last.Generation || !alive(s.PID) {
		m.t.Fatalf("status %+v, want what was there: %+v", s, m.last)
	}
	eventually(m.t, "all other generations to be gone", func() bool { return len(m.host.directories()) == 1 })
	if answer, err := m.host.order("/"); err != nil || number(m.t, answer) != s.PID {
		m.t.Fatalf("generation %d answers %q, %v: %+v", s.Generation, answer, err, s)
	}
}

// replaced takes note of the generation that runs now, which is another one.
func (m *model) replaced() {
	m.t.Helper()
	s := m.host.await("another generation", func(s plugin.Status) bool { return serves(s) && s.PID != m.last.PID })
	if s.Generation <= m.last.Generation || s.Generation < 1 {
		m.t.Fatalf("generation %d followed %d", s.Generation, m.last.Generation)
	}
	if m.last.PID != 0 {
		eventually(m.t, "the generation before to be gone", func() bool { return !alive(m.last.PID) })
	}
	m.last, m.broken = s, false
}

// observe looks at the status all the time, until the function that it returns is called: no generation that runs is
// followed by an older one, and none has two processes.
func (m *model) observe() func() {
	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		var life int64
		var before plugin.Status
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			now, all := m.lives.Load(), m.host.Status()
			if len(all) == 0 || m.lives.Load() != now {
				continue
			}
			s := all[0]
			if life == now && (s.Generation < before.Generation || s.Restarts < before.Restarts ||
				s.Generation == before.Generation && s.PID != 0 && before.PID != 0 && s.PID != before.PID) {
				m.t.Errorf("%+v was followed by %+v", before, s)
			}
			life, before = now, s
		}
	}()
	return func() { close(stop); <-over }
}

// end closes the manager, perhaps with something under way.
func (m *model) end() {
	begun := make(chan error, 1)
	want := plugin.ErrClosed
	busy := rapid.Bool().Draw(m.t, "busy at the end")
	if busy {
		n := len(m.host.directories())
		do := m.host.Start
		if m.there {
			do, want = m.host.Reload, plugin.ErrStopped
		} else {
			m.lives.Add(1)
		}
		go func() { begun <- do(context.Background(), m.specs[plugintest.HangsInStart]) }()
		eventually(m.t, "a launch", func() bool { return len(m.host.directories()) > n })
	}
	m.host.close()
	if busy {
		if err := <-begun; !errors.Is(err, want) {
			m.t.Fatalf("what was under way at the close ended with %v, want %v", err, want)
		}
	}
	ctx, good := context.Background(), m.specs[plugintest.Good]
	want = plugin.ErrUnknown
	if m.there {
		want = plugin.ErrStopped
		if s := m.host.only(); s.State != plugin.StateStopped || s.PID != 0 || len(s.Listeners) > 0 {
			m.t.Fatalf("after the close: %+v", s)
		}
	}
	if err := m.host.Reload(ctx, good); !errors.Is(err, want) {
		m.t.Fatalf("a reload after the close = %v, want %v", err, want)
	}
	if err := m.host.Start(ctx, good); !errors.Is(err, plugin.ErrClosed) {
		m.t.Fatalf("a start after the close = %v", err)
	}
}

//go:build unix

package plugin_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"syscall"

	"pgregory.net/rapid"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/plugintest"
)

// actions are what can happen, by name. Each one brings the model to where the manager has to be.
func (m *model) actions() map[string]func() {
	return map[string]func(){
		"start": m.start, "start and stop": m.startAndStop, "start what fails": m.startFails, "stop": m.stop, "stop in a reload": m.stopInReload,
		"reload": m.reload, "reload what fails": m.reloadFails, "reload and give up": m.reloadGivenUp,
		"supersede": m.supersede, "many reloads": m.manyReloads,
		"fall": m.fall, "fall for good": m.fallForGood, "fall in a reload": m.fallInReload, "reload in a restart": m.reloadInRestart,
	}
}

// works draws a spec that comes up.
func (m *model) works() plugintest.Script {
	return rapid.SampledFrom([]plugintest.Script{plugintest.Good, fromFile, elsewhere}).Draw(m.t, "spec")
}

// fails draws one that does not.
func (m *model) fails() plugintest.Script {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(failing()))).Draw(m.t, "bad spec")
}

func (m *model) call(what string, f func(context.Context, plugin.Spec) error, s plugintest.Script, want error) {
	m.t.Helper()
	if err := f(context.Background(), m.specs[s]); !errors.Is(err, want) {
		m.t.Fatalf("%s %s = %v, want %v", what, s, err, want)
	}
}

// background reloads what hangs, and returns when that is launched.
func (m *model) background() (result <-chan error, giveUp func()) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	n := len(m.host.directories())
	go func() { done <- m.host.Reload(ctx, m.specs[plugintest.HangsInStart]) }()
	eventually(m.t, "a launch", func() bool { return len(m.host.directories()) > n })
	return done, cancel
}

func (m *model) came(result <-chan error, want error) {
	m.t.Helper()
	if err := <-result; !errors.Is(err, want) {
		m.t.Fatalf("the reload in the background ended with %v, want %v", err, want)
	}
}

func (m *model) wantStartError(err error, s plugintest.Script) {
	m.t.Helper()
	var e *plugin.StartError
	if !errors.As(err, &e) || e.Phase != failing()[s] || e.Extension != "api" || e.Generation <= m.last.Generation || e.Next == "" {
		m.t.Fatalf("%s: error = %v (%+v), want one of phase %s", s, err, e, failing()[s])
	}
}

func (m *model) start() {
	s := m.works()
	if m.there {
		var e *plugin.StartError
		if err := m.host.Start(context.Background(), m.specs[s]); !errors.As(err, &e) || e.Generation != 0 {
			m.t.Fatalf("a second start = %v", err)
		}
		return
	}
	m.lives.Add(1)
	m.call("start", m.host.Start, s, nil)
	m.there, m.broken, m.falls, m.restarts, m.last, m.runs = true, false, 0, 0, plugin.Status{}, s
	m.replaced()
}

func (m *model) startFails() {
	if m.there {
		return
	}
	m.lives.Add(1)
	s := m.fails()
	m.last = plugin.Status{}
	m.wantStartError(m.host.Start(context.Background(), m.specs[s]), s)
}

func (m *model) startAndStop() {
	if m.there {
		return
	}
	m.lives.Add(1)
	started := make(chan error, 1)
	go func() { started <- m.host.Start(context.Background(), m.specs[plugintest.HangsInStart]) }()
	eventually(m.t, "a launch", func() bool { return len(m.host.directories()) > 0 })
	if err := m.host.Stop(context.Background(), "api"); err != nil || len(m.host.directories()) > 0 {
		m.t.Fatalf("stop during a start = %v, and %v is left", err, m.host.directories())
	}
	if err := <-started; !errors.Is(err, plugin.ErrStopped) {
		m.t.Fatalf("a start that was stopped = %v", err)
	}
}

func (m *model) stop() {
	err := m.host.Stop(context.Background(), "api")
	if !m.there {
		if !errors.Is(err, plugin.ErrUnknown) {
			m.t.Fatalf("stop = %v", err)
		}
		return
	}
	if err != nil || m.last.PID != 0 && alive(m.last.PID) {
		m.t.Fatalf("stop = %v; process %d is there: %v", err, m.last.PID, alive(m.last.PID))
	}
	m.there = false
}

func (m *model) stopInReload() {
	if !m.there {
		return
	}
	result, _ := m.background()
	m.stop()
	m.came(result, plugin.ErrStopped)
}

func (m *model) reload() {
	s := m.works()
	if !m.there {
		m.call("reload", m.host.Reload, s, plugin.ErrUnknown)
		return
	}
	m.call("reload", m.host.Reload, s, nil)
	m.falls, m.runs = 0, s
	m.replaced()
}

func (m *model) reloadFails() {
	if s := m.fails(); m.there {
		m.wantStartError(m.host.Reload(context.Background(), m.specs[s]), s)
	}
}

func (m *model) reloadGivenUp() {
	if !m.there {
		return
	}
	result, giveUp := m.background()
	giveUp()
	m.came(result, context.Canceled)
}

func (m *model) supersede() {
	if !m.there {
		return
	}
	result, giveUp := m.background()
	defer giveUp()
	if rapid.Bool().Draw(m.t, "by one that works") {
		m.reload()
	} else {
		m.reloadFails()
	}
	m.came(result, plugin.ErrSuperseded)
}

// manyReloads: the last one counts, and it is not known which one that is; so they are all the same.
func (m *model) manyReloads() {
	if !m.there {
		return
	}
	s := m.works()
	errs := make([]error, rapid.IntRange(2, 4).Draw(m.t, "reloads"))
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = m.host.Reload(context.Background(), m.specs[s]) })
	}
	all.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, plugin.ErrSuperseded):
			m.t.Fatalf("one of many reloads = %v", err)
		}
	}
	if done == 0 {
		m.t.Fatal("every one of many reloads was superseded")
	}
	m.falls, m.runs = 0, s
	m.replaced()
}

// knock has what runs fall.
func (m *model) knock() {
	m.t.Helper()
	if rapid.Bool().Draw(m.t, "by a signal") {
		kill(m.t, m.last.PID, syscall.SIGKILL)
		return
	}
	if _, err := m.host.order(plugintest.Sicken); err != nil {
		m.t.Fatal(err)
	}
}

// fallen is how it must be after a fall, when a restart works.
func (m *model) fallen() {
	m.t.Helper()
	if m.falls++; m.falls < modelBreak {
		m.restarts++
		m.replaced()
		return
	}
	m.broke()
}

func (m *model) broke() {
	m.t.Helper()
	m.host.await("it to be broken", func(s plugin.Status) bool { return s.State == plugin.StateBroken })
	m.falls, m.broken = modelBreak, true
	// What is said first is that it is broken; then its listeners are let go.
	eventually(m.t, "the process to be gone", func() bool { return !alive(m.last.PID) && len(m.host.directories()) == 0 })
}

func (m *model) fall() {
	if m.running() {
		m.knock()
		m.fallen()
	}
}

// fallForGood: it falls, and no restart works.
func (m *model) fallForGood() {
	if !m.running() || m.runs == plugintest.Good {
		return
	}
	m.file.write(plugintest.SilentExit)
	defer m.file.write(plugintest.Good)
	m.knock()
	m.restarts += modelBreak - (m.falls + 1)
	m.broke()
}

// fallInReload: what serves falls while a reload hangs, which then is given up, or superseded by one that works.
func (m *model) fallInReload() {
	if !m.running() {
		return
	}
	result, giveUp := m.background()
	defer giveUp()
	m.knock()
	m.host.await("the fall to be seen", func(s plugin.Status) bool { return s.State == plugin.StateRestarting && s.PID == 0 })
	if rapid.Bool().Draw(m.t, "given up") {
		giveUp()
		m.came(result, context.Canceled)
		m.fallen()
		return
	}
	m.reload()
	m.came(result, plugin.ErrSuperseded)
}

// reloadInRestart: while it is started anew, which takes long, a reload comes.
func (m *model) reloadInRestart() {
	if !m.running() || m.runs == plugintest.Good || m.falls+1 >= modelBreak {
		return
	}
	m.file.write(plugintest.WaitsInStart)
	m.knock()
	m.host.await("the restart", func(s plugin.Status) bool { return s.Restarts > m.restarts })
	m.restarts++
	if rapid.Bool().Draw(m.t, "a reload that works") {
		m.call("reload", m.host.Reload, plugintest.Good, nil)
		m.falls, m.runs = 0, plugintest.Good
	} else {
		m.reloadFails()
		m.falls++
	}
	m.file.write(plugintest.Good)
	m.replaced()
}

package trial

import (
	"cmp"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema/conform"
)

// reloads is how often an extension is replaced by one of its own kind.
const reloads = 5

// drainTimeout is how long an extension may drain whose spec does not say. Nothing is in flight.
const drainTimeout = 3 * time.Second

func (p Program) hostGroup() conform.Group {
	return conform.Group{Name: "extension/host", Checks: []conform.Check{
		{Name: "runs", Expect: "a host runs it, and somebody accepts at its listeners", Contract: itsLife, Run: p.runs},
		{Name: "reload-repeated", Expect: "it is replaced again and again, and each generation before has ended", Contract: itsEnd, Run: p.reloadRepeated},
		{Name: "reload-refuses-nobody", Expect: "while it is replaced, no connect to its listeners is refused", Contract: itsEnd, Run: p.reloadRefusesNobody},
		{Name: "reload-under-way", Expect: "a reload that comes during another one takes its place", Contract: itsEnd, Run: p.reloadUnderWay},
		{Name: "bad-reload-keeps-the-old", Expect: "a block that it does not accept leaves the one that runs alone", Contract: itsEnd, Run: p.badReload},
		{Name: "killed-comes-back", Expect: "after kill -9 it is started anew as it was", Contract: itsEnd, Run: p.killed},
		{Name: "stops-in-time", Expect: "stopped, it ends by the deadline of its drain", Contract: itsLife, Run: p.stops},
	}}
}

// hosted is the program under a manager.
type hosted struct {
	*plugin.Manager
	spec plugin.Spec
}

// start runs the program under a manager of its own.
func (p Program) start(t conform.T) hosted {
	t.Helper()
	supervision := plugin.DefaultSupervision()
	supervision.RestartMin = 10 * time.Millisecond
	services := p.Services(t)
	spec, _ := p.marked(t)
	spec.DrainTimeout = cmp.Or(spec.DrainTimeout, drainTimeout)
	h := hosted{Manager: plugin.New(services, plugin.WithLogger(logger(t)), plugin.WithSupervision(supervision)), spec: spec}
	t.Cleanup(func() {
		if err := h.Close(t.Context()); err != nil { // which has ended: what still runs is killed
			t.Errorf("stop what runs: %v", err)
		}
	})
	if err := h.Start(bound(t, startTimeout), spec); err != nil {
		t.Fatalf("%v", err)
	}
	return h
}

// now returns what the extension is doing.
func (h hosted) now() plugin.Status {
	for _, s := range h.Status() {
		return s
	}
	return plugin.Status{}
}

// serving fails the check unless the extension runs and somebody accepts at its listeners.
func (h hosted) serving(t conform.T) {
	t.Helper()
	s := h.now()
	if s.State != plugin.StateRunning || !alive(s.PID) {
		t.Errorf("it is %s, its process is %d: %s", s.State, s.PID, s.LastError)
	}
	for _, address := range s.Listeners {
		c, err := net.DialTimeout("tcp", address, callTimeout)
		if err != nil {
			t.Errorf("connect to %s: %v", address, err)
			continue
		}
		_ = c.Close() // nothing was written
	}
}

func (p Program) runs(t conform.T) {
	h := p.start(t)
	h.serving(t)
}

func (p Program) reloadRepeated(t conform.T) {
	h := p.start(t)
	for range reloads {
		before := h.now()
		if err := h.Reload(bound(t, startTimeout), h.spec); err != nil {
			t.Fatalf("%v", err)
		}
		if after := h.now(); after.PID == before.PID || after.Generation <= before.Generation {
			t.Errorf("process %d of generation %d came after %d of %d", after.PID, after.Generation, before.PID, before.Generation)
		}
		if !eventually(t, h.spec.DrainTimeout+endTimeout, func() bool { return !alive(before.PID) }) {
			t.Errorf("process %d of the generation before does not end", before.PID)
		}
	}
	h.serving(t)
}

func (p Program) reloadRefusesNobody(t conform.T) {
	h := p.start(t)
	listeners := h.now().Listeners
	if len(listeners) == 0 || !tether.Shared {
		t.Skipf("it listens nowhere, or generations cannot share listeners on this system")
	}
	var over atomic.Bool
	var knocking sync.WaitGroup
	for _, address := range listeners {
		knocking.Go(func() {
			for !over.Load() {
				c, err := net.DialTimeout("tcp", address, callTimeout)
				if err != nil {
					t.Errorf("connect to %s while it is replaced: %v", address, err)
					return
				}
				_ = c.Close() // nothing was written
			}
		})
	}
	for range reloads {
		if err := h.Reload(bound(t, startTimeout), h.spec); err != nil {
			t.Errorf("%v", err)
		}
	}
	over.Store(true)
	knocking.Wait()
}

func (p Program) reloadUnderWay(t conform.T) {
	h := p.start(t)
	first := make(chan error, 1)
	go func() { first <- h.Reload(bound(t, startTimeout), h.spec) }()
	if err := h.Reload(bound(t, startTimeout), h.spec); err != nil && !errors.Is(err, plugin.ErrSuperseded) {
		t.Errorf("one reload: %v", err)
	}
	if err := <-first; err != nil && !errors.Is(err, plugin.ErrSuperseded) {
		t.Errorf("the other reload: %v", err)
	}
	h.serving(t)
}

func (p Program) badReload(t conform.T) {
	h := p.start(t)
	before := h.now()
	bad := p.badBlock(t)
	bad.Env = h.spec.Env
	var problems *plugin.ProblemsError
	if err := h.Reload(bound(t, startTimeout), bad); !errors.As(err, &problems) {
		t.Errorf("a block with an unknown key: %v", err)
	}
	if after := h.now(); after.PID != before.PID {
		t.Errorf("process %d runs, and not %d", after.PID, before.PID)
	}
	h.serving(t)
}

func (p Program) killed(t conform.T) {
	h := p.start(t)
	before := h.now()
	process, err := os.FindProcess(before.PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatalf("kill it: %v", err)
	}
	back := func() bool { s := h.now(); return s.State == plugin.StateRunning && s.PID != before.PID }
	if !eventually(t, startTimeout, back) {
		t.Fatalf("it does not come back: %s", h.now().LastError)
	}
	h.serving(t)
}

func (p Program) stops(t conform.T) {
	h := p.start(t)
	before := h.now()
	begun := time.Now()
	if err := h.Stop(bound(t, startTimeout), h.spec.Name); err != nil {
		t.Errorf("%v", err)
	}
	if took := time.Since(begun); took > h.spec.DrainTimeout {
		t.Errorf("it took %v to stop, with %v to drain", took.Round(time.Millisecond), h.spec.DrainTimeout)
	}
	if alive(before.PID) {
		t.Errorf("process %d still runs", before.PID)
	}
}

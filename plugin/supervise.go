package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// supervisor keeps an extension running until it is told to stop. All of it belongs to one goroutine, which waits for no
// launch where two generations can be there at the same time: it watches what serves while the next one is launched.
//
// A reload goes before a restart. It is launched at once, whether something serves or not; while it is under way no restart
// begins, and one that has begun goes on. So the generation that serves is never followed by an older one.
type supervisor struct {
	e      *extension
	falls  *falls
	health *time.Ticker

	serving *generation      // nil = none
	bad     int              // answers of it in a row that were not good, or did not come
	reason  string           // why the process that is to be attached was last not there
	pause   <-chan time.Time // before it is started anew; nil = it is not to be
	again   *attempt         // that starts it anew as it was; nil = none
	next    *attempt         // of the reload that is under way; nil = none
	wish    *reload          // that next is for
	placing *placing         // the reload that what serves is carrying out; nil = none

	unsettled *generation     // that may have taken half of a block; nil = none
	untidy    <-chan struct{} // closed when listeners may be let go that only another generation had; nil = there are none
}

// newSupervisor returns a supervisor of an extension that runs. The generation that runs in the end is left to whoever
// stops the extension.
func newSupervisor(e *extension, g *generation) *supervisor {
	s := e.manager.supervision
	return &supervisor{e: e, falls: newFalls(s), health: time.NewTicker(s.HealthInterval), serving: g}
}

func (s *supervisor) run() {
	defer s.e.refuse()
	defer s.health.Stop()
	for s.step() {
	}
	if s.again != nil {
		s.again.discard()
	}
	if s.next != nil {
		s.next.discard()
		s.e.finish(s.wish, s.e.gone())
	}
	if s.placing != nil {
		<-s.placing.done // which ends with e.watching
		s.e.finish(s.placing.wish, s.e.gone())
	}
}

// step waits for the next thing that happens, and sees to it. It returns false when the extension is told to stop.
func (s *supervisor) step() bool {
	var asked, untidy, dead <-chan struct{}
	var check, pause <-chan time.Time
	if s.next == nil && s.placing == nil {
		asked = s.e.asked
		if !s.e.wished() {
			pause = s.pause
		}
	}
	if s.serving != nil {
		dead, check = s.serving.proc.Done(), s.health.C
		if s.next == nil && s.again == nil {
			untidy = s.untidy
		}
	}
	select {
	case <-s.e.watching.Done():
		return false
	case <-asked:
		s.reload()
	case <-s.placing.over():
		s.placed()
	case <-s.next.over():
		s.reloaded()
	case <-dead:
		s.fall(s.serving.proc.Ended())
	case <-check:
		s.check()
	case <-pause:
		s.restart()
	case <-s.again.over():
		s.restarted()
	case <-untidy:
		s.tidy()
	}
	return true
}

// check asks what serves whether it is well.
func (s *supervisor) check() {
	rules, g := s.e.manager.supervision, s.serving
	err := g.probe(s.e.watching, rules.HealthTimeout)
	g.lookAtFiles()
	switch {
	case err == nil:
		s.bad = 0
		return
	case s.e.watching.Err() != nil:
		return
	case errors.Is(err, errFailed):
		s.fall(err)
		return
	}
	s.bad++
	if g.spec.Attach != "" { // somebody looks at it, who may have stopped it
		if s.bad == 1 {
			g.log.Warn("extension is not well; because it is attached it is left as it is", "error", err.Error())
		}
		return
	}
	g.log.Warn("extension is not well", "error", err.Error(), "times", s.bad, "of", rules.UnhealthyAfter)
	if s.bad >= rules.UnhealthyAfter {
		s.fall(g.cause(fmt.Errorf("not well %d times in a row: %w", s.bad, err)))
	}
}

func (g *generation) probe(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return g.health(ctx)
}

// serve watches over g from now on.
func (s *supervisor) serve(g *generation) {
	s.serving, s.bad, s.pause, s.reason, s.unsettled = g, 0, nil, "", nil
	s.health.Reset(s.e.manager.supervision.HealthInterval)
}

// fall ends a generation that died or hangs. The listeners stay.
func (s *supervisor) fall(cause error) {
	g := s.serving
	if g.spec.Attach != "" {
		s.detached(cause)
		return
	}
	cause = g.withFiles(cause)
	g.log.Error("extension failed; it is started anew", "error", cause.Error())
	s.e.mu.Lock()
	s.e.current = nil
	s.e.now.State, s.e.now.Since, s.e.now.PID, s.e.now.LastError = StateRestarting, time.Now(), 0, cause.Error()
	s.e.mu.Unlock()
	if err := g.proc.Kill(0); err != nil {
		g.log.Error("kill extension", "error", err.Error())
	}
	s.e.crashed(g.number, cause)
	s.serving = nil
	s.fell(time.Since(g.since))
}

// fell counts a fall after a run of that length, and has it followed by a restart, if it was not one too many.
func (s *supervisor) fell(ran time.Duration) {
	s.falls.fell(ran)
	s.pause = nil
	if !s.falls.broken() {
		s.pause = time.After(s.falls.pause)
	}
	s.giveUp()
}

// restart begins to start the extension anew, as it was.
func (s *supervisor) restart() {
	if s.absent() {
		return
	}
	s.pause = nil
	s.e.mu.Lock()
	s.e.now.Restarts++
	spec := s.e.spec
	s.e.mu.Unlock()
	s.again = s.e.attempt(s.e.watching, spec, nil)
}

// restarted is what follows when a restart is over.
func (s *supervisor) restarted() {
	a := s.again
	s.again = nil
	g, err := s.e.install(a, nil)
	switch {
	case err == nil:
		s.serve(g)
		return
	case s.e.watching.Err() != nil:
		return
	}
	if a.spec.Attach != "" {
		s.await(err, 0)
		return
	}
	s.e.log.Error("extension did not start anew", "error", err.Error())
	s.e.mu.Lock()
	s.e.now.LastError = err.Error()
	s.e.mu.Unlock()
	s.e.crashed(a.number, err)
	s.fell(0)
}

// giveUp breaks an extension down that has fallen too often, once there is no launch that may save it. Connects to it are
// refused from now on, because nobody would serve those that wait.
func (s *supervisor) giveUp() {
	if s.serving != nil || s.again != nil || s.next != nil || s.e.attached() != "" || !s.falls.broken() {
		return
	}
	e := s.e
	e.mu.Lock()
	already := e.now.State == StateBroken
	e.now.State, e.now.Listeners = StateBroken, nil
	if !already {
		e.now.Since = time.Now()
	}
	last, number := e.now.LastError, e.launched
	e.mu.Unlock()
	if !already {
		defer func() {
			e.manager.observe(Change{Kind: ChangeBreakerOpened, Extension: e.name, Generation: number, Cause: last})
		}()
		e.log.Error("extension is broken: it failed again and again and is not started any more; mend it and reload it",
			"times", s.falls.n, "error", last)
	}
	if err := e.listeners.Release(); err != nil { // those of a reload that failed, too
		e.log.Warn("let go of the listeners", "error", err.Error())
	}
}

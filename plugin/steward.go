package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// steward keeps a runtime running until it is closed. All of it belongs to one goroutine, which waits for no launch, but for
// the swap that follows one: at most one process is active at any time.
type steward struct {
	r      *Runtime
	falls  *falls
	health *time.Ticker

	serving *generation      // nil = none
	bad     int              // answers of it in a row that were not good, or did not come
	pause   <-chan time.Time // before it is started anew; nil = it is not to be
	next    *attempt         // of the wish, or to start it anew as it was; nil = none
	wish    *wish            // that is under way; nil = none
}

func newSteward(r *Runtime, g *generation) *steward {
	rules := r.manager.supervision
	return &steward{r: r, falls: newFalls(rules), health: time.NewTicker(rules.HealthInterval), serving: g}
}

func (s *steward) run() {
	defer s.health.Stop()
	for s.step() {
	}
	if s.next != nil {
		s.next.discard()
	}
	if s.wish != nil {
		s.wish.done <- ErrStopped
	}
}

// step waits for the next thing that happens, and sees to it. It returns false when the runtime is closed.
func (s *steward) step() bool {
	var wishes <-chan *wish
	var given, dead <-chan struct{}
	var check, pause <-chan time.Time
	if s.wish == nil {
		wishes = s.r.wishes
	} else {
		given = s.wish.ctx.Done()
	}
	if s.serving != nil {
		dead, check = s.serving.proc.Done(), s.health.C
	}
	if s.next == nil {
		pause = s.pause
	}
	select {
	case <-s.r.watching.Done():
		return false
	case w := <-wishes:
		s.begin(w)
	case <-given:
		s.next.cancel() // its end says why
		<-s.next.done
		s.launched()
	case <-s.next.over():
		s.launched()
	case <-dead:
		s.fall(s.serving.proc.Ended())
	case <-check:
		s.check()
	case <-pause:
		s.restart()
	}
	return true
}

// begin launches what somebody wishes. It takes the place of a restart that is under way.
func (s *steward) begin(w *wish) {
	if s.next != nil {
		s.next.discard()
	}
	s.wish, s.next = w, s.r.attempt(w.ctx, w.spec)
}

// restart begins to start the runtime anew, as it was.
func (s *steward) restart() {
	s.pause = nil
	s.r.mu.Lock()
	s.r.now.Restarts++
	spec := s.r.spec
	s.r.mu.Unlock()
	s.next = s.r.attempt(s.r.watching, spec)
}

// launched is what follows when a launch is over.
func (s *steward) launched() {
	a, w, before, broken := s.next, s.wish, s.serving, s.falls.broken()
	s.next, s.wish = nil, nil
	defer a.cancel()
	err := a.err
	switch {
	case err != nil:
	case a.ctx.Err() != nil: // nobody wants it any more
		a.discard()
		err = a.ctx.Err()
	default: // from here on nobody changes his mind
		err = s.replace(a)
	}
	switch {
	case w == nil && err != nil:
		s.failed(a, err)
	case w != nil && err != nil:
		s.kept(err)
		w.done <- err
	case w != nil:
		s.falls.forget()
		s.tellReloaded(a.g, before, broken)
		w.done <- nil
	}
}

// replace makes what came of an attempt the process that serves, in the place of the one that does, if there is one. With an
// error nothing is left of it.
func (s *steward) replace(a *attempt) error {
	begun, before := time.Now(), s.serving
	if before != nil {
		s.clear(before)
	}
	if err := s.r.activate(s.r.watching, a.g); err != nil {
		a.discard()
		if s.serving != nil {
			s.back(before)
		}
		return err
	}
	s.serve(a.g)
	if before != nil {
		a.g.log.Info("runtime was replaced", "previous", before.number, "took", time.Since(begun).Round(time.Millisecond).String())
		s.r.manager.starting.Go(func() { s.r.retire(before) })
	}
	return nil
}

// clear has what serves finish what it has and let go of what it keeps, which the next process takes. One that does not is
// killed: two must not have it.
func (s *steward) clear(g *generation) {
	ctx, cancel := context.WithTimeout(context.Background(), g.spec.DrainTimeout)
	defer cancel()
	quiet := s.r.gate.hold()
	select {
	case <-quiet:
	case <-time.After(g.spec.DrainTimeout / 2):
		g.log.Warn("calls of the runtime do not come to an end; they are cut off when it is released")
	case <-g.proc.Done():
	}
	err := g.release(ctx)
	s.r.gate.shut(true)
	if err == nil {
		return
	}
	g.log.Warn("the runtime did not let go of what it keeps; its process is ended", "error", err.Error())
	s.end(g, err)
}

// back has a process that was released serve again.
func (s *steward) back(g *generation) {
	err := s.r.activate(s.r.watching, g)
	if err == nil {
		g.log.Warn("the runtime was not replaced; the process before serves again")
		s.serve(g)
		return
	}
	if s.r.watching.Err() == nil {
		s.fall(fmt.Errorf("it could not be activated again after its successor had failed: %w", err))
	}
}

// serve watches over g from now on.
func (s *steward) serve(g *generation) {
	s.serving, s.bad, s.pause = g, 0, nil
	s.health.Reset(s.r.manager.supervision.HealthInterval)
	s.r.install(g)
}

// check asks what serves whether it is well.
func (s *steward) check() {
	rules, g := s.r.manager.supervision, s.serving
	err := g.probe(s.r.watching, rules.HealthTimeout)
	g.lookAtFiles()
	switch {
	case err == nil:
		s.bad = 0
		return
	case s.r.watching.Err() != nil:
		return
	case errors.Is(err, errFailed):
		s.fall(err)
		return
	}
	s.bad++
	g.log.Warn("runtime is not well", "error", err.Error(), "times", s.bad, "of", rules.UnhealthyAfter)
	if s.bad >= rules.UnhealthyAfter {
		s.fall(g.cause(fmt.Errorf("not well %d times in a row: %w", s.bad, err)))
	}
}

// fall ends a process that died or hangs.
func (s *steward) fall(cause error) {
	g := s.serving
	cause = g.withFiles(cause)
	s.r.gate.shut(false)
	g.log.Error("runtime failed; it is started anew", "error", cause.Error())
	s.end(g, cause)
	s.r.tell(Change{Kind: ChangeCrashed, Generation: g.number, Cause: cause.Error()})
	s.fell(time.Since(g.since))
}

// end kills what serves.
func (s *steward) end(g *generation, cause error) {
	s.serving = nil
	s.r.uninstall(cause)
	if err := g.proc.Kill(0); err != nil {
		g.log.Error("kill runtime", "error", err.Error())
	}
}

// failed is what follows a restart that has failed.
func (s *steward) failed(a *attempt, err error) {
	if s.r.watching.Err() != nil {
		return
	}
	s.r.manager.log.Error("runtime did not start anew", "generation", a.number, "error", err.Error())
	s.r.uninstall(err)
	s.r.tell(Change{Kind: ChangeCrashed, Generation: a.number, Cause: err.Error()})
	s.fell(0)
}

// kept is what follows a reload that has failed: where nothing serves any more, the runtime is started anew as it was.
func (s *steward) kept(err error) {
	s.r.manager.log.Debug("the runtime was not reloaded; it goes on as it was", "error", err.Error())
	if s.serving == nil && s.pause == nil && s.r.watching.Err() == nil && !s.falls.broken() {
		s.r.gate.shut(false)
		s.pause = time.After(s.falls.pause)
	}
}

// fell counts a fall after a run of that length, and has it followed by a restart, if it was not one too many.
func (s *steward) fell(ran time.Duration) {
	s.falls.fell(ran)
	if !s.falls.broken() {
		s.pause = time.After(s.falls.pause)
		return
	}
	s.pause = nil
	s.r.mu.Lock()
	already := s.r.now.State == StateBroken
	s.r.now.State, s.r.now.Since = StateBroken, time.Now()
	last, number := s.r.now.LastError, s.r.launched
	s.r.mu.Unlock()
	s.r.gate.refuse(away("the runtime failed again and again and is not started any more; its operator has to reload it"))
	if already {
		return
	}
	s.r.manager.log.Error("runtime is broken: it failed again and again and is not started any more; mend it and reload it",
		"times", s.falls.n, "error", last)
	s.r.tell(Change{Kind: ChangeBreakerOpened, Generation: number, Cause: last})
}

// tellReloaded tells that g serves now, in the place of before, if there was one, and whether the runtime was broken.
func (s *steward) tellReloaded(g, before *generation, broken bool) {
	if broken {
		s.r.tell(Change{Kind: ChangeBreakerClosed, Generation: g.number})
	}
	c := Change{Kind: ChangeReloaded, Generation: g.number}
	if before != nil {
		c.Previous = before.number
	}
	s.r.tell(c)
}

// retire ends a process that has been released.
func (r *Runtime) retire(g *generation) {
	ctx, cancel := context.WithTimeout(context.Background(), g.spec.DrainTimeout)
	defer cancel()
	g.drain(ctx, true)
	if err := g.proc.Kill(r.manager.supervision.KillTimeout); err != nil {
		g.log.Error("end a runtime whose place another one has taken", "error", err.Error())
	}
}

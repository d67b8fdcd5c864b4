package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// reloadInTurn replaces what runs where two generations cannot share listeners. The next one is made ready beside the one that
// serves as far as can be; only when it is to listen does that one let go of its listeners, and finish what it has while the
// next one serves. If that does not start, the old one is started anew.
func (s *supervisor) reloadInTurn(r *reload) {
	before, broken, ran := s.serving, s.e.isBroken(), s.serving != nil || s.again != nil
	if s.again != nil {
		s.again.discard()
		s.again = nil
	}
	var g *generation
	err := s.e.retiring.wait(r.ctx) // at most two generations have connections
	if err == nil {
		g, err = s.e.launch(r.ctx, r.spec, s.leave)
	}
	var start *StartError
	if before != nil && s.serving == nil && errors.As(err, &start) && start.Phase == PhaseStart { // perhaps it was still in the way
		_ = s.e.retiring.wait(context.Background()) // which is bounded by the drain
		g, err = s.e.launch(r.ctx, r.spec, nil)
	}
	if err == nil {
		s.replaced(g)
		s.e.tellReloaded(g, before, broken)
		s.e.finish(r, nil)
		return
	}
	err = s.e.whyNot(r, err)
	if s.accept(r, err) {
		s.e.finish(r, nil)
		return
	}
	if ran && s.serving == nil {
		err = s.back(err)
	}
	s.settle()
	s.e.finish(r, err)
}

// leave has what serves let go of its listeners and end. The supervisor waits for the launch that calls it.
func (s *supervisor) leave() {
	g := s.serving
	if g == nil {
		return
	}
	s.serving = nil
	s.e.mu.Lock()
	s.e.current = nil
	s.e.now.State, s.e.now.Since, s.e.now.PID = StateRestarting, time.Now(), 0
	successor := s.e.launched
	s.e.mu.Unlock()
	s.e.retire(g, successor)
	s.untidy = s.e.retiring.over
}

// back starts the extension as it was before a reload that failed, and returns the error of that.
func (s *supervisor) back(err error) error {
	s.e.mu.Lock()
	before := s.e.spec
	s.e.mu.Unlock()
	g, again := s.e.launch(s.e.watching, before, nil)
	switch {
	case again == nil:
		s.e.log.Warn("the extension was not reloaded; it was started as it was before", "error", err.Error())
		s.serve(g)
		return err
	case s.e.watching.Err() != nil:
		return err
	}
	s.e.mu.Lock()
	s.e.now.LastError = again.Error()
	s.e.mu.Unlock()
	s.fell(0)
	return errors.Join(err, fmt.Errorf("and as it was before it does not start either: %w", again))
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// reloadInTurn ends what runs before it launches the next generation, because the two cannot share listeners. If the next
// one does not start, the old one is started anew.
func (s *supervisor) reloadInTurn(r *reload) {
	ran := s.serving != nil || s.again != nil
	s.leave(context.WithoutCancel(r.ctx))
	g, err := s.e.launch(r.ctx, r.spec)
	if err == nil {
		s.replaced(g)
		s.e.finish(r, nil)
		return
	}
	err = s.e.whyNot(r, err)
	if ran {
		err = s.back(err)
	}
	s.e.finish(r, err)
}

// leave ends what runs or is started anew.
func (s *supervisor) leave(ctx context.Context) {
	if s.again != nil {
		s.again.discard()
		s.again = nil
	}
	g := s.serving
	if g == nil {
		return
	}
	g.drain(ctx, false)
	if err := g.proc.Kill(s.e.manager.supervision.KillTimeout); err != nil {
		g.log.Error("end a generation that is replaced", "error", err.Error())
	}
	s.serving = nil
	s.e.mu.Lock()
	s.e.current = nil
	s.e.now.State, s.e.now.Since, s.e.now.PID = StateRestarting, time.Now(), 0
	s.e.mu.Unlock()
}

// back starts the extension as it was before a reload that failed, and returns the error of that.
func (s *supervisor) back(err error) error {
	s.e.mu.Lock()
	before := s.e.spec
	s.e.mu.Unlock()
	g, again := s.e.launch(s.e.watching, before)
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

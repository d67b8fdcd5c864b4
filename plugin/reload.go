package plugin

import (
	"context"
	"time"
)

// leaveWait is how long a reload waits for the generation before to stop accepting. It serves well until then.
const leaveWait = 2 * time.Second

// reload is a wish for another generation.
type reload struct {
	spec    Spec
	inPlace bool            // the generation that serves may take it
	ctx     context.Context // ends when nobody wants it any more, with the cause
	abort   context.CancelCauseFunc
	done    chan error // of capacity 1
}

// reload has the supervisor replace the generation that runs, and waits for what becomes of that. A reload that has not
// brought a generation to serve yet is superseded.
func (e *extension) reload(ctx context.Context, s Spec, inPlace bool) error {
	r := &reload{spec: s, inPlace: inPlace, done: make(chan error, 1)}
	r.ctx, r.abort = context.WithCancelCause(e.watching)
	defer r.abort(nil)
	defer context.AfterFunc(ctx, func() { r.abort(ctx.Err()) })()
	e.mu.Lock()
	if e.watching.Err() != nil {
		e.mu.Unlock()
		return e.gone()
	}
	if e.next != nil {
		e.next.done <- ErrSuperseded
	}
	if e.under != nil {
		e.under.abort(ErrSuperseded)
	}
	e.next = r
	e.mu.Unlock()
	select {
	case e.asked <- struct{}{}:
	default: // the supervisor has not looked yet
	}
	select {
	case err := <-r.done:
		return err
	case <-r.ctx.Done():
	}
	if e.withdraw(r) { // it may be long until somebody looks at it, as during the first start
		return e.whyNot(r, nil)
	}
	return <-r.done
}

// withdraw takes a reload back that has not begun, and reports whether it was that.
func (e *extension) withdraw(r *reload) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next != r {
		return false
	}
	e.next = nil
	return true
}

// wished reports whether there is a reload that has not begun.
func (e *extension) wished() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.next != nil
}

// begin takes the reload that waits, if there still is one.
func (e *extension) begin() *reload {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.next
	e.next, e.under = nil, r
	return r
}

// finish tells whoever asked for the reload what became of it.
func (e *extension) finish(r *reload, err error) {
	e.mu.Lock()
	e.under = nil
	e.mu.Unlock()
	r.done <- err
}

// refuse answers a reload that will never begin.
func (e *extension) refuse() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next != nil {
		e.next.done <- e.gone()
		e.next = nil
	}
}

// whyNot returns why a reload came to nothing: because of err, where nobody has ended it.
func (e *extension) whyNot(r *reload, err error) error {
	switch cause := context.Cause(r.ctx); {
	case e.watching.Err() != nil:
		return e.gone()
	case cause == nil:
		return err
	default:
		return cause
	}
}

// reload begins the reload that waits, if there still is one.
func (s *supervisor) reload() {
	r := s.e.begin()
	switch {
	case r == nil:
	case s.placeable(r):
		s.place(r)
	default:
		s.replace(r)
	}
}

// replace begins to launch the next generation for a reload.
func (s *supervisor) replace(r *reload) {
	if !s.e.manager.overlap {
		s.reloadInTurn(r)
		return
	}
	s.wish, s.next = r, s.e.attempt(r.ctx, r.spec, nil)
}

// reloaded is what follows when the launch of a reload is over.
func (s *supervisor) reloaded() {
	a, r, before := s.next, s.wish, s.serving
	s.next, s.wish = nil, nil
	s.untidy = s.e.retiring.over
	broken := s.e.isBroken()
	g, err := s.e.install(a, before)
	if err != nil {
		err = s.e.whyNot(r, err)
		if s.accept(r, err) {
			s.e.finish(r, nil)
			return
		}
		s.e.log.Debug("the extension was not reloaded; it goes on as it was", "error", err.Error())
		s.settle()
		s.giveUp()
		s.e.finish(r, err)
		return
	}
	s.replaced(g)
	if before != nil {
		s.e.retire(before, g.number)
		s.untidy = s.e.retiring.over
		select { // whoever asked for the reload meets the new generation from now on
		case <-before.proc.Left():
		case <-s.e.retiring.over:
		case <-time.After(leaveWait):
		}
	}
	s.e.tellReloaded(g, before, broken)
	s.e.finish(r, nil)
}

// replaced begins anew with the generation of a reload. What has fallen before was another one.
func (s *supervisor) replaced(g *generation) {
	if s.again != nil {
		s.again.discard()
		s.again = nil
	}
	s.falls.forget()
	s.serve(g)
}

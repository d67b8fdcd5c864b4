package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leaveWait is how long a reload waits for the generation before to stop accepting. It serves well until then.
const leaveWait = 2 * time.Second

// reload is a wish for another generation.
type reload struct {
	spec  Spec
	ctx   context.Context // ends when nobody wants it any more, with the cause
	abort context.CancelCauseFunc
	done  chan error // of capacity 1
}

// reload has supervise replace the generation that runs, and waits for what becomes of that. A reload that has not brought
// a generation to serve yet is superseded.
func (e *extension) reload(ctx context.Context, s Spec) error {
	r := &reload{spec: s, done: make(chan error, 1)}
	r.ctx, r.abort = context.WithCancelCause(e.watching)
	defer r.abort(nil)
	defer context.AfterFunc(ctx, func() { r.abort(ctx.Err()) })()
	e.mu.Lock()
	if e.watching.Err() != nil {
		e.mu.Unlock()
		return ErrStopped
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
	default: // supervise has not looked yet
	}
	return <-r.done
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
func (e *extension) refuse(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.next != nil {
		e.next.done <- err
		e.next = nil
	}
}

// replace carries a reload out. It returns the generation that runs afterwards: another one, or g, which is nil where none
// runs.
func (e *extension) replace(g *generation) *generation {
	r := e.begin()
	if r == nil {
		return g
	}
	if g != nil && !e.manager.overlap {
		return e.replaceInTurn(g, r)
	}
	broken := e.isBroken()
	next, err := e.launch(r.ctx, r.spec, g, nil)
	if err != nil {
		err = e.whyNot(r, err)
		e.log.Debug("the extension was not reloaded; it goes on as it was", "error", err.Error())
		e.finish(r, err)
		return g
	}
	if g != nil {
		e.retire(g, next)
		select { // whoever asked for the reload meets the new generation from now on
		case <-g.proc.Left():
		case <-e.retiring.over:
		case <-time.After(leaveWait):
		}
	}
	if broken {
		e.manager.observe(Change{Kind: ChangeBreakerClosed, Extension: e.name, Generation: next.number})
	}
	e.reloaded(next, g)
	e.finish(r, nil)
	return next
}

func (e *extension) isBroken() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now.State == StateBroken
}

// whyNot returns why a reload came to nothing.
func (e *extension) whyNot(r *reload, err error) error {
	switch cause := context.Cause(r.ctx); {
	case e.watching.Err() != nil:
		return ErrStopped
	case cause == nil:
		return err
	default:
		return cause
	}
}

// retirement is the end of a generation whose place another one has taken.
type retirement struct {
	over  chan struct{} // closed when the generation is gone
	hurry func()        // has it end without finishing what is in flight
}

func noRetirement() retirement {
	over := make(chan struct{})
	close(over)
	return retirement{over: over, hurry: func() {}}
}

func (r retirement) wait(ctx context.Context) error {
	select {
	case <-r.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retire drains g and ends it, in the background, while its successor is watched already, or starts.
func (e *extension) retire(g, successor *generation) {
	begun := time.Now()
	ctx, hurry := context.WithCancel(context.Background())
	r := retirement{over: make(chan struct{}), hurry: hurry}
	e.retiring = r
	go func() {
		defer close(r.over)
		defer hurry()
		g.drain(ctx, false)
		if err := g.proc.Kill(e.manager.supervision.KillTimeout); err != nil {
			g.log.Error("end a generation whose place another one has taken", "error", err.Error())
		}
		if successor != nil { // nobody listens any more where only g did
			if err := successor.proc.KeepListeners(); err != nil {
				e.log.Warn("let go of listeners", "error", err.Error())
			}
		}
		g.log.Info("generation is gone", "took", time.Since(begun).Round(time.Millisecond).String())
	}()
}

// replaceInTurn is replace where the two cannot share listeners. The next one is made ready beside g as far as can be; only
// when it is to listen does g let go of its listeners, and finish what it has while the next one serves. If that one does not
// start, g is started anew.
func (e *extension) replaceInTurn(g *generation, r *reload) *generation {
	turned := false
	err := e.retiring.wait(r.ctx) // at most two generations have connections
	if err == nil {
		var next *generation
		next, err = e.launch(r.ctx, r.spec, nil, func() { turned = true; e.retire(g, nil) })
		if err == nil {
			e.reloaded(next, g)
			e.finish(r, nil)
			return next
		}
	}
	if !turned {
		e.finish(r, e.whyNot(r, err))
		return g
	}
	e.mu.Lock()
	e.current = nil
	e.mu.Unlock()
	var start *StartError
	if errors.As(err, &start) && start.Phase == PhaseStart { // perhaps g was still in the way
		_ = e.retiring.wait(context.Background()) // which is bounded by the drain
		var next *generation
		if next, err = e.launch(r.ctx, r.spec, nil, nil); err == nil {
			e.reloaded(next, g)
			e.finish(r, nil)
			return next
		}
	}
	return e.goBack(g.spec, r, e.whyNot(r, err))
}

// goBack starts the extension as it was before a reload that failed with err.
func (e *extension) goBack(before Spec, r *reload, err error) *generation {
	back, again := e.launch(e.watching, before, nil, nil)
	switch {
	case again == nil:
		e.log.Warn("the extension was not reloaded; it was started as it was before", "error", err.Error())
		e.finish(r, err)
		return back
	case e.watching.Err() != nil:
		e.finish(r, err)
		return nil
	}
	e.finish(r, errors.Join(err, fmt.Errorf("and as it was before it does not start either: %w", again)))
	e.mu.Lock()
	e.now.State, e.now.Since, e.now.PID, e.now.LastError = StateRestarting, time.Now(), 0, again.Error()
	e.mu.Unlock()
	return e.restart(e.newFalls())
}

package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stagehouse/stagehouse/plugin/attach"
)

const (
	// attachInterval is how often a process is looked for that is to be attached.
	attachInterval = 250 * time.Millisecond
	// attachPatience is how long a first start waits for a process that is attached and may be stopped by its debugger.
	attachPatience = 5 * time.Second
)

// startAttached is start for a process that somebody else runs. It need not be there, nor get well soon: then this goes on by
// itself.
func (e *extension) startAttached(ctx context.Context) error {
	a := e.attempt(e.watching, e.spec, nil)
	s := newSupervisor(e, nil)
	select {
	case <-ctx.Done():
		a.discard()
		return ctx.Err()
	case <-time.After(attachPatience):
		s.again = a
		s.wait(&attach.AbsentError{Address: e.spec.Attach, Silent: true})
	case <-a.done:
		g, err := e.install(a, nil)
		switch {
		case err == nil:
			s.serve(g)
		case errors.As(err, new(*attach.AbsentError)):
			s.await(err, 0)
		default:
			return err
		}
	}
	e.watched.Go(s.run)
	return nil
}

// detached is what follows when the process that was attached is gone, or says that it is done for. It is no fall: whoever runs
// it has ended it, and starts it again when it suits him.
func (s *supervisor) detached(cause error) {
	g := s.serving
	if err := g.proc.Kill(0); err != nil {
		g.log.Error("let go of the process that was attached", "error", err.Error())
	}
	s.e.mu.Lock()
	s.e.current, s.e.now.PID = nil, 0
	s.e.mu.Unlock()
	s.serving = nil
	s.await(fmt.Errorf("%w; the host waits for it at %s: run it again with -debug", cause, g.spec.Attach), time.Since(g.since))
}

// await has the process looked for again in a while, after it has served for so long; 0 = it did not come to that. One that is
// there and does not get well is asked less and less often, but never given up.
func (s *supervisor) await(why error, served time.Duration) {
	s.falls.fell(served)
	s.pause = time.After(max(s.falls.pause, attachInterval))
	s.wait(why)
}

// wait shows that the extension waits for the process, and why. A reason is logged once.
func (s *supervisor) wait(why error) {
	reason := why
	if failed := new(StartError); errors.As(why, &failed) {
		reason = failed.Cause // which does not name the generation
	}
	s.e.mu.Lock()
	now := &s.e.now
	if now.State != StateWaiting {
		now.State, now.Since = StateWaiting, time.Now()
	}
	now.LastError = why.Error()
	s.e.mu.Unlock()
	if s.reason != reason.Error() {
		s.reason = reason.Error()
		s.e.log.Warn("the extension is not attached", "why", why.Error())
	}
}

// absent reports whether the extension is to be attached to a process that is not there, and has it looked for again in a while.
func (s *supervisor) absent() bool {
	address := s.e.attached()
	if address == "" || attach.Waits(address) {
		return false
	}
	s.falls.forget() // the next one is another process
	s.pause = time.After(attachInterval)
	return true
}

// accept has a reload that failed count all the same where nothing serves, and the process is not there yet that it is for.
func (s *supervisor) accept(r *reload, err error) bool {
	if s.serving != nil || s.again != nil || !errors.As(err, new(*attach.AbsentError)) {
		return false
	}
	s.e.mu.Lock()
	s.e.spec = r.spec
	s.e.mu.Unlock()
	s.await(err, 0)
	return true
}

// attached returns the address of the process that the extension is to be attached to, or "".
func (e *extension) attached() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spec.Attach
}

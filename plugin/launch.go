package plugin

import (
	"context"
	"time"
)

// attempt is the launch of a generation in the background.
type attempt struct {
	ctx    context.Context
	cancel context.CancelFunc
	number uint64
	spec   Spec
	begun  time.Time
	done   chan struct{} // closed when the launch is over
	g      *generation   // that is well and accepts nothing yet; read after done
	err    error         // read after done
}

// attempt begins to launch a generation. Whoever calls it waits for the end, and then installs or discards what came of it.
// turn, if it is not nil, is called when the generation is about to listen.
func (e *extension) attempt(ctx context.Context, s Spec, turn func()) *attempt {
	a := &attempt{spec: s, begun: time.Now(), done: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(ctx)
	e.mu.Lock()
	e.launched++
	a.number = e.launched
	e.mu.Unlock()
	before := e.retiring
	go func() {
		defer close(a.done)
		if a.g, a.err = e.manager.launch(a.ctx, s, a.number, e.listeners, turn); a.err == nil {
			_ = before.wait(a.ctx) // at most two generations have connections; install sees when ctx is done
		}
	}()
	return a
}

// over is closed when the attempt is; it is nil where there is no attempt.
func (a *attempt) over() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.done
}

// discard ends an attempt, or what came of it.
func (a *attempt) discard() {
	a.cancel()
	<-a.done
	if a.err != nil {
		return // nothing came of it
	}
	if err := a.g.proc.Kill(0); err != nil {
		a.g.log.Error("kill an extension that did not start", "error", err.Error())
	}
}

// launch launches a generation that has no other one beside it, at least from its turn on.
func (e *extension) launch(ctx context.Context, s Spec, turn func()) (*generation, error) {
	a := e.attempt(ctx, s, turn)
	<-a.done
	return e.install(a, nil)
}

// install makes what came of an attempt the current generation, in the place of before, if there is one. With an error
// nothing is left of it, and before has not heard of it.
func (e *extension) install(a *attempt, before *generation) (*generation, error) {
	defer a.cancel()
	if a.err != nil {
		return nil, a.err
	}
	err := a.ctx.Err()
	if err == nil { // from here on nobody changes his mind: before accepts nothing once it has been told
		if err = a.g.takeOver(before); err != nil {
			err = failed(a.spec, a.number, PhaseTakeOver, err)
		}
	}
	if err != nil {
		a.discard()
		return nil, err
	}
	g := a.g
	g.since = time.Now()
	e.mu.Lock()
	e.spec, e.current, e.lastCommands, e.lastBrain, e.now.Generation = a.spec, g, g.commands, g.brain, a.number
	e.now.Reloaded = time.Time{}
	e.now.State, e.now.Since, e.now.PID, e.now.Listeners = StateRunning, g.since, g.proc.PID(), g.listeners
	e.mu.Unlock()
	e.manager.release(e.name, g.commands)
	g.log.Info("extension is running", "pid", g.proc.PID(), "listeners", g.listeners, "took", time.Since(a.begun).Round(time.Millisecond).String())
	return g, nil
}

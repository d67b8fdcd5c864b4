package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/plugin/tether"
)

// extension is one extension through all its generations. One goroutine, supervise, decides what becomes of them.
type extension struct {
	manager   *Manager
	name      string
	log       *slog.Logger
	listeners *tether.Listeners // outlive the generations, so that connects wait while there is none

	watching context.Context // ends when the extension stops
	unwatch  context.CancelFunc
	watched  sync.WaitGroup
	retiring retirement    // of the generation before
	asked    chan struct{} // of capacity 1: there is a reload in next
	stopOnce sync.Once
	stopErr  error

	mu       sync.Mutex
	spec     Spec // of the generation that runs, or is to run
	now      Status
	current  *generation // nil = none runs
	launched uint64      // generations so far
	next     *reload     // that has not begun; nil = none
	under    *reload     // that is under way; nil = none
}

func newExtension(m *Manager, s Spec) *extension {
	e := &extension{
		manager: m, name: s.Name, spec: s, log: m.log.With("extension", s.Name),
		listeners: tether.NewListeners(s.Name, m.holder), asked: make(chan struct{}, 1),
		now: Status{Name: s.Name, State: StateStarting, Since: time.Now()},
	}
	e.watching, e.unwatch = context.WithCancel(m.life)
	e.retiring = noRetirement()
	return e
}

// start launches the first generation and begins to watch.
func (e *extension) start(ctx context.Context) error {
	g, err := e.launch(ctx, e.spec, nil, nil)
	if err != nil {
		e.unwatch()
		if err := e.listeners.Close(); err != nil {
			e.log.Warn("let go of the listeners", "error", err.Error())
		}
		return err
	}
	e.watched.Go(func() { e.supervise(g) })
	return nil
}

// launch launches a generation and makes it the current one, in the place of before, if there is one; or of the one that
// turn retires when it is to listen.
func (e *extension) launch(ctx context.Context, s Spec, before *generation, turn func()) (*generation, error) {
	e.mu.Lock()
	e.launched++
	number := e.launched
	e.mu.Unlock()
	begun := time.Now()
	g, err := e.manager.launch(ctx, s, number, e.listeners, turn)
	if err != nil {
		return nil, err
	}
	if turn != nil || e.retiring.wait(ctx) == nil { // at most two generations have connections: the one before and this one
		err = g.takeOver(before)
	}
	if err != nil || ctx.Err() != nil {
		if kill := g.proc.Kill(0); kill != nil {
			g.log.Error("kill an extension that did not start", "error", kill.Error())
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failed(s, number, PhaseTakeOver, err)
	}
	e.mu.Lock()
	e.spec, e.current, e.now.Generation = s, g, number
	e.now.State, e.now.Since, e.now.PID, e.now.Listeners = StateRunning, time.Now(), g.proc.PID(), g.listeners
	e.mu.Unlock()
	g.log.Info("extension is running", "pid", g.proc.PID(), "listeners", g.listeners, "took", time.Since(begun).Round(time.Millisecond).String())
	return g, nil
}

// supervise keeps the extension running until it is told to stop; the generation that runs then is left to whoever stops it.
func (e *extension) supervise(g *generation) {
	defer e.refuse(ErrStopped)
	falls := e.newFalls()
	for g != nil {
		since := time.Now()
		cause := e.watch(g)
		if time.Since(since) >= e.manager.supervision.StableAfter {
			falls.reset()
		}
		switch {
		case errors.Is(cause, errStop):
			return
		case errors.Is(cause, errReload):
			before := g
			if g = e.replace(g); g != before {
				falls.reset() // they were another generation's
			}
		default:
			e.down(g, cause)
			g = e.restart(falls)
		}
	}
}

// Why a generation is watched no longer, beside that it failed.
var (
	errStop   = errors.New("the extension stops")
	errReload = errors.New("the extension is to be reloaded")
)

// watch returns why the generation is not to be watched any more: errStop, errReload, or why it has to be replaced.
func (e *extension) watch(g *generation) error {
	s := e.manager.supervision
	tick := time.NewTicker(s.HealthInterval)
	defer tick.Stop()
	bad := 0
	for {
		select {
		case <-e.watching.Done():
			return errStop
		case <-e.asked:
			return errReload
		case <-g.proc.Done():
			return g.proc.Ended()
		case <-tick.C:
		}
		err := g.probe(e.watching, s.HealthTimeout)
		if err == nil {
			bad = 0
			continue
		}
		if errors.Is(err, errFailed) && e.watching.Err() == nil {
			return err
		}
		bad++
		g.log.Warn("extension is not well", "error", err.Error(), "times", bad, "of", s.UnhealthyAfter)
		if bad >= s.UnhealthyAfter && e.watching.Err() == nil {
			return fmt.Errorf("not well %d times in a row: %w", bad, err)
		}
	}
}

func (g *generation) probe(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return g.health(ctx)
}

// down ends a generation that died or hangs. The listeners stay.
func (e *extension) down(g *generation, cause error) {
	g.log.Error("extension failed; it is started anew", "error", cause.Error())
	e.mu.Lock()
	e.current = nil
	e.now.State, e.now.Since, e.now.PID, e.now.LastError = StateRestarting, time.Now(), 0, cause.Error()
	e.mu.Unlock()
	if err := g.proc.Kill(0); err != nil {
		g.log.Error("kill extension", "error", err.Error())
	}
	e.manager.observe(Change{Kind: ChangeCrashed, Extension: e.name, Generation: g.number, Cause: cause.Error()})
}

// falls counts how often in a row an extension died or did not start, and says how long to wait before the next try.
type falls struct {
	pause *backoff.ExponentialBackOff
	n     int
}

func (e *extension) newFalls() *falls {
	s := e.manager.supervision
	f := &falls{pause: backoff.NewExponentialBackOff()}
	f.pause.InitialInterval, f.pause.MaxInterval, f.pause.Multiplier = s.RestartMin, s.RestartMax, 2
	f.reset()
	return f
}

func (f *falls) fall() int {
	f.n++
	return f.n
}

func (f *falls) reset() {
	f.pause.Reset()
	f.n = 0
}

// restart launches generations until one runs, or until the extension is told to stop. A reload is tried at once, and one
// that fails leaves everything as it was.
func (e *extension) restart(f *falls) *generation {
	for {
		var again <-chan time.Time // nil = not by itself
		if most := e.manager.supervision.BreakAfter; f.fall() < most || most <= 0 {
			again = time.After(f.pause.NextBackOff())
		} else {
			e.breakDown(f.n)
		}
		select {
		case <-e.watching.Done():
			return nil
		case <-e.asked:
			if g := e.replace(nil); g != nil || e.watching.Err() != nil {
				f.reset()
				return g
			}
			f.n-- // whoever asked has been told
			continue
		case <-again:
		}
		e.mu.Lock()
		e.now.Restarts++
		spec := e.spec
		e.mu.Unlock()
		g, err := e.launch(e.watching, spec, nil, nil)
		switch {
		case err == nil:
			return g
		case e.watching.Err() != nil:
			return nil
		}
		e.log.Error("extension did not start anew", "error", err.Error())
		e.mu.Lock()
		e.now.LastError = err.Error()
		crash := Change{Kind: ChangeCrashed, Extension: e.name, Generation: e.launched, Cause: err.Error()}
		e.mu.Unlock()
		e.manager.observe(crash)
	}
}

// breakDown gives an extension up that falls again and again. Connects to it are refused from now on, because nobody would
// serve those that wait.
func (e *extension) breakDown(times int) {
	e.mu.Lock()
	already := e.now.State == StateBroken
	e.now.State, e.now.Listeners = StateBroken, nil
	if !already {
		e.now.Since = time.Now()
	}
	last, generation := e.now.LastError, e.launched
	e.mu.Unlock()
	if already {
		return
	}
	e.log.Error("extension is broken: it failed again and again and is not started any more; mend it and reload it", "times", times, "error", last)
	if err := e.listeners.Release(); err != nil {
		e.log.Warn("let go of the listeners", "error", err.Error())
	}
	e.manager.observe(Change{Kind: ChangeBreakerOpened, Extension: e.name, Generation: generation, Cause: last})
}

// stop drains the extension and ends it. When ctx is done it is killed. Only the first call stops; the others wait for it.
func (e *extension) stop(ctx context.Context) error {
	e.stopOnce.Do(func() { e.stopErr = e.end(ctx) })
	return e.stopErr
}

func (e *extension) end(ctx context.Context) error {
	e.unwatch()
	e.watched.Wait()
	e.mu.Lock()
	g := e.current
	e.current = nil
	e.now.State, e.now.Since = StateDraining, time.Now()
	e.mu.Unlock()
	// First the host's own hold on the listeners: a connection that comes later is refused, and does not wait in a queue
	// that nobody will serve.
	if err := e.listeners.Close(); err != nil {
		e.log.Warn("let go of the listeners", "error", err.Error())
	}
	defer context.AfterFunc(ctx, e.retiring.hurry)()
	var err error
	if g != nil {
		g.drain(ctx, true)
		bound := e.manager.supervision.KillTimeout
		if ctx.Err() != nil {
			bound = 0
		}
		err = g.proc.Kill(bound)
		g.log.Info("extension is stopped")
	}
	_ = e.retiring.wait(context.Background()) // which is bounded by the drain
	e.mu.Lock()
	e.now.State, e.now.Since, e.now.PID, e.now.Listeners = StateStopped, time.Now(), 0, nil
	e.mu.Unlock()
	return err
}

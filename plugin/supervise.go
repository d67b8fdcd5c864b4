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

// extension is one extension through all its generations.
type extension struct {
	manager   *Manager
	spec      Spec
	log       *slog.Logger
	listeners *tether.Listeners // outlive the generations, so that connects wait while there is none

	watching context.Context // ends when the extension stops
	unwatch  context.CancelFunc
	watched  sync.WaitGroup

	mu       sync.Mutex
	now      Status
	current  *generation // nil = none runs
	launched uint64      // generations so far
}

func newExtension(m *Manager, s Spec) *extension {
	e := &extension{
		manager: m, spec: s, log: m.log.With("extension", s.Name), listeners: tether.NewListeners(s.Name, m.holder),
		now: Status{Name: s.Name, State: StateStarting, Since: time.Now()},
	}
	e.watching, e.unwatch = context.WithCancel(m.life)
	return e
}

// start launches the first generation and begins to watch.
func (e *extension) start(ctx context.Context) error {
	g, err := e.launch(ctx)
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

// launch launches the next generation and makes it the current one.
func (e *extension) launch(ctx context.Context) (*generation, error) {
	e.mu.Lock()
	e.launched++
	number := e.launched
	e.now.Generation = number
	e.mu.Unlock()
	begun := time.Now()
	g, err := e.manager.launch(ctx, e.spec, number, e.listeners)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.current = g
	e.now.State, e.now.Since, e.now.PID, e.now.Listeners = StateRunning, time.Now(), g.proc.PID(), g.listeners
	e.mu.Unlock()
	g.log.Info("extension is running", "pid", g.proc.PID(), "listeners", g.listeners, "took", time.Since(begun).Round(time.Millisecond).String())
	return g, nil
}

// supervise keeps the extension running until it is told to stop; the generation that runs then is left to whoever stops it.
func (e *extension) supervise(g *generation) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier = e.manager.supervision.RestartMin, e.manager.supervision.RestartMax, 2
	pause.Reset()
	for {
		since := time.Now()
		cause := e.watch(g)
		if cause == nil {
			return
		}
		if time.Since(since) >= e.manager.supervision.StableAfter {
			pause.Reset()
		}
		e.down(g, cause)
		if g = e.restart(pause); g == nil {
			return
		}
	}
}

// watch returns why the generation has to be replaced, or nil when it is no longer to be watched.
func (e *extension) watch(g *generation) error {
	s := e.manager.supervision
	tick := time.NewTicker(s.HealthInterval)
	defer tick.Stop()
	bad := 0
	for {
		select {
		case <-e.watching.Done():
			return nil
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
}

// restart launches generations until one runs, or until the extension is told to stop.
func (e *extension) restart(pause *backoff.ExponentialBackOff) *generation {
	for {
		wait := time.NewTimer(pause.NextBackOff())
		select {
		case <-e.watching.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		e.mu.Lock()
		e.now.Restarts++
		e.mu.Unlock()
		g, err := e.launch(e.watching)
		switch {
		case err == nil:
			return g
		case e.watching.Err() != nil:
			return nil
		}
		e.log.Error("extension did not start anew; it is tried again", "error", err.Error())
		e.mu.Lock()
		e.now.LastError = err.Error()
		e.mu.Unlock()
	}
}

// stop drains the extension and ends it. When ctx is done it is killed.
func (e *extension) stop(ctx context.Context) error {
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
	var err error
	if g != nil {
		g.drain(ctx)
		bound := e.manager.supervision.KillTimeout
		if ctx.Err() != nil {
			bound = 0
		}
		err = g.proc.Kill(bound)
		g.log.Info("extension is stopped")
	}
	e.mu.Lock()
	e.now.State, e.now.Since, e.now.PID, e.now.Listeners = StateStopped, time.Now(), 0, nil
	e.mu.Unlock()
	return err
}

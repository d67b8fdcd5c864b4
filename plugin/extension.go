package plugin

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
)

// extension is one extension through all its generations. A supervisor decides what becomes of them.
type extension struct {
	manager   *Manager
	name      string
	log       *slog.Logger
	listeners *tether.Listeners // outlive the generations, so that connects wait while there is none

	watching context.Context         // ends when the extension stops
	unwatch  context.CancelCauseFunc // with ErrUnknown where it never ran
	started  chan struct{}           // closed when the first start is over, well or not
	watched  sync.WaitGroup
	retiring retirement    // of the generation before; changed by the supervisor alone
	asked    chan struct{} // of capacity 1: there is a reload in next
	stopOnce sync.Once
	stopErr  error

	mu           sync.Mutex
	spec         Spec // of the generation that runs, or is to run
	now          Status
	current      *generation      // nil = none runs
	lastCommands []schema.Command // of the generation that runs, or ran last
	lastBrain    *schema.BrainInfo
	launched     uint64  // generations so far
	next         *reload // that has not begun; nil = none
	under        *reload // that is under way; nil = none
}

func newExtension(m *Manager, s Spec) *extension {
	e := &extension{
		manager: m, name: s.Name, spec: s, log: m.log.With("extension", s.Name),
		listeners: tether.NewListeners(s.Name, m.holder),
		started:   make(chan struct{}), asked: make(chan struct{}, 1),
		now: Status{Name: s.Name, State: StateStarting, Since: time.Now()},
	}
	e.watching, e.unwatch = context.WithCancelCause(m.life)
	e.retiring = noRetirement()
	return e
}

// start launches the first generation and begins to watch. It ends with ErrStopped when the extension is stopped meanwhile.
func (e *extension) start(ctx context.Context) error {
	defer close(e.started)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.watching, cancel)()
	err := e.begun(ctx)
	if err == nil {
		return nil
	}
	if e.watching.Err() != nil {
		err = ErrStopped
	}
	e.unwatch(ErrUnknown)
	e.refuse()
	if err := e.listeners.Close(); err != nil {
		e.log.Warn("let go of the listeners", "error", err.Error())
	}
	return err
}

// begun launches the first generation and has it watched.
func (e *extension) begun(ctx context.Context) error {
	if e.spec.Attach != "" {
		return e.startAttached(ctx)
	}
	g, err := e.launch(ctx, e.spec, nil)
	if err == nil {
		e.watched.Go(newSupervisor(e, g).run)
	}
	return err
}

// gone returns why there is nothing to reload any more.
func (e *extension) gone() error {
	if context.Cause(e.watching) == ErrUnknown { //nolint:errorlint // it is ours, as it is
		return ErrUnknown
	}
	return ErrStopped
}

// stop drains the extension and ends it. When ctx is done it is killed. Only the first call stops; the others wait for it.
func (e *extension) stop(ctx context.Context) error {
	e.stopOnce.Do(func() { e.stopErr = e.end(ctx) })
	return e.stopErr
}

func (e *extension) end(ctx context.Context) error {
	e.unwatch(ErrStopped)
	<-e.started
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
		answered := g.drain(ctx, true)
		bound := e.manager.supervision.KillTimeout
		if ctx.Err() != nil || g.spec.Attach != "" && !answered { // one that is stopped in a debugger does not let go by itself
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

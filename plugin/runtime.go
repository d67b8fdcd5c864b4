package plugin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// RuntimeName is the name of a runtime that is a process, where an extension has its own: in a Spec, a Status, a log. No
// extension may be called so.
const RuntimeName = "runtime"

// Runtime is a runtime that is a process, watched over like an extension. All methods are safe for concurrent use.
//
// Its services are there as long as it is. A process that dies is started anew; calls wait for that for a while, and then are
// CodeUnavailable. A call that is lost with its process is made again by the next one where it only reads, is idempotent or
// carries a schema.Once, and is CodeUnavailable otherwise. A subscription goes on at its cursor, and a turn is watched on,
// where the next process still knows it.
type Runtime struct {
	manager   *Manager // of this process alone
	dir       string
	gate      *gate
	offers    []string
	services  schema.Services
	publisher pb.RuntimeClient
	deaf      atomic.Bool // it takes no events of the host
	offer     hostOffer

	watching context.Context // ends when the runtime closes
	unwatch  context.CancelFunc
	watched  sync.WaitGroup
	wishes   chan *wish

	closeOnce sync.Once
	closeErr  error

	mu       sync.Mutex
	spec     Spec // of the process that serves, or is to serve
	now      Status
	serving  *generation // nil = none
	launched uint64
	observe  func(Change)
}

// wish is for another process.
type wish struct {
	spec Spec
	ctx  context.Context // of whoever wishes
	done chan error      // of capacity 1
}

// OpenRuntime runs a runtime and returns when its services can be called. It keeps what it has in dir, which is there. The name
// of s is RuntimeName, whatever it says. ctx bounds the opening only; the caller closes the runtime. The error is a *StartError,
// or that of ctx. With WithRunDir, the directory is not one that a Manager has.
func OpenRuntime(ctx context.Context, s Spec, dir string, opts ...Option) (*Runtime, error) {
	s.Name = RuntimeName
	if err := s.validate(); err != nil {
		return nil, failed(s, 0, PhaseLaunch, err)
	}
	r := &Runtime{
		manager: New(schema.Services{}, opts...), dir: dir, gate: newGate(), wishes: make(chan *wish),
		now: Status{Name: RuntimeName, State: StateStarting, Since: time.Now(), Listeners: []string{}},
	}
	r.manager.toRuntime = r.offer.services()
	r.observe = r.manager.observe
	r.watching, r.unwatch = context.WithCancel(context.Background())
	g, err := r.open(ctx, s.withDefaults())
	if err != nil {
		r.unwatch()
		return nil, errors.Join(err, r.manager.Close(ctx))
	}
	r.offers = g.offers
	r.services = throughGate(wire.Dial(route{r.gate}, r.offers), r.gate)
	r.publisher = pb.NewRuntimeClient(route{r.gate})
	r.watched.Go(newSteward(r, g).run)
	return r, nil
}

// open runs the first process.
func (r *Runtime) open(ctx context.Context, s Spec) (*generation, error) {
	if err := r.manager.needRunDir(); err != nil {
		return nil, failed(s, 0, PhaseLaunch, err)
	}
	r.manager.sweepOnce.Do(r.manager.sweep)
	a := r.attempt(ctx, s)
	<-a.done
	if a.err != nil {
		a.cancel()
		return nil, a.err
	}
	if err := r.activate(ctx, a.g); err != nil {
		a.discard()
		return nil, err
	}
	a.cancel()
	r.install(a.g)
	return a.g, nil
}

// Services returns what the first process offers. A later one has to offer it too.
func (r *Runtime) Services() schema.Services { return r.services }

// UseCommands lets the agents of every process have c carried out from now on; until then there are no commands.
func (r *Runtime) UseCommands(c schema.Commands) { r.offer.commands.Store(&c) }

// UseBrains lets the agents of every process think with b from now on; until then no brain is there.
func (r *Runtime) UseBrains(b schema.Brains) { r.offer.brains.Store(&b) }

// Observe has f told of every Change from now on, see WithObserver.
func (r *Runtime) Observe(f func(Change)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observe = f
}

func (r *Runtime) tell(c Change) {
	c.Extension = RuntimeName
	r.mu.Lock()
	f := r.observe
	r.mu.Unlock()
	f(c)
}

// Publish appends an event of the host's to the log of the runtime. One whose log takes none is not asked twice, which is no
// error.
func (r *Runtime) Publish(ctx context.Context, e schema.Event) error {
	if r.deaf.Load() {
		return nil
	}
	_, err := r.publisher.Publish(ctx, &pb.PublishRequest{Event: wire.ToEvent(e)})
	if status.Code(err) == codes.Unimplemented {
		r.deaf.Store(true)
		return nil
	}
	return wire.FromStatus(err)
}

// Reload replaces the process by one of s. The new one is launched beside the old one, which serves until the new one is ready.
// Then calls that change something wait while the old one finishes what it has; it lets go of what it keeps, the new one takes
// it, and the calls go on. Nothing is refused or lost by that, and what the old one could not finish by its deadline is
// cancelled. With any error the old process serves on, or again. When Reload returns, it is decided which one serves.
func (r *Runtime) Reload(ctx context.Context, s Spec) error {
	s.Name = RuntimeName
	if err := s.validate(); err != nil {
		return failed(s, 0, PhaseLaunch, err)
	}
	w := &wish{spec: s.withDefaults(), ctx: ctx, done: make(chan error, 1)}
	select {
	case r.wishes <- w:
		return <-w.done
	case <-ctx.Done():
		return ctx.Err()
	case <-r.watching.Done():
		return ErrStopped
	}
}

// Status returns what the runtime is doing.
func (r *Runtime) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.now
	if r.serving != nil {
		files := r.serving.proc.Files()
		s.Memory, s.OpenFiles, s.FileLimit = r.serving.proc.Memory(), files.Open, files.Limit
	}
	return s
}

// Close has the process finish the turns that it has accepted, until ctx is done or its drain is over, and ends it. Calls are
// refused from now on.
func (r *Runtime) Close(ctx context.Context) error {
	r.closeOnce.Do(func() { r.closeErr = r.close(ctx) })
	return r.closeErr
}

func (r *Runtime) close(ctx context.Context) error {
	r.unwatch()
	r.watched.Wait()
	r.mu.Lock()
	g := r.serving
	r.serving = nil
	r.now.State, r.now.Since = StateDraining, time.Now()
	r.mu.Unlock()
	var err error
	if g != nil {
		g.drain(ctx, true)
		bound := r.manager.supervision.KillTimeout
		if ctx.Err() != nil {
			bound = 0
		}
		err = g.proc.Kill(bound)
		g.log.Info("runtime is stopped")
	}
	r.gate.refuse(away("the host is stopping"))
	r.mu.Lock()
	r.now.State, r.now.Since, r.now.PID = StateStopped, time.Now(), 0
	r.mu.Unlock()
	return errors.Join(err, r.manager.Close(ctx))
}

// attempt begins to launch a process, which is ready in the end, and not active. Whoever calls it waits for that.
func (r *Runtime) attempt(ctx context.Context, s Spec) *attempt {
	a := &attempt{spec: s, begun: time.Now(), done: make(chan struct{})}
	a.ctx, a.cancel = context.WithCancel(ctx)
	r.mu.Lock()
	r.launched++
	a.number = r.launched
	r.mu.Unlock()
	go func() {
		defer close(a.done)
		l := tether.NewListeners(RuntimeName, nil) // a runtime listens nowhere
		defer func() { _ = l.Close() }()
		if a.g, a.err = r.manager.launch(a.ctx, s, a.number, l, nil); a.err != nil {
			return
		}
		if err := r.compare(a.g.offers); err != nil {
			a.err = errors.Join(failed(s, a.number, PhaseInit, err), a.g.proc.Kill(0))
		}
	}()
	return a
}

// compare returns what is wrong with the services that a process offers.
func (r *Runtime) compare(offers []string) error {
	if len(offers) == 0 {
		return errors.New("it offers no services, so it is no runtime")
	}
	for _, name := range offers {
		if name == schema.ServiceIdentity || !slices.Contains(schema.ServiceNames(), name) {
			return fmt.Errorf("it offers the service %q, which no runtime has", name)
		}
	}
	for _, name := range r.offers {
		if !slices.Contains(offers, name) {
			return fmt.Errorf("it does not offer the service %q, which the one that runs does and extensions may use; restart the host for that", name)
		}
	}
	return nil
}

// activate has a process that is ready open what the runtime keeps. The error is a *StartError, or that of ctx.
func (r *Runtime) activate(ctx context.Context, g *generation) error {
	bounded, cancel := context.WithTimeout(ctx, g.spec.StartTimeout)
	defer cancel()
	_, err := pb.NewRuntimeClient(g.proc.Conn()).Activate(bounded, &pb.ActivateRequest{Directory: r.dir})
	if err = wire.FromStatus(err); err == nil {
		err = g.health(bounded)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return failed(g.spec, g.number, PhaseActivate, g.blame(bounded, err))
}

// release has a process finish what it has by the deadline of ctx, and let go of what the runtime keeps.
func (g *generation) release(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(drainGrace))
	defer cancel()
	left := max(time.Until(deadline), time.Millisecond)
	_, err := pb.NewRuntimeClient(g.proc.Conn()).Release(ctx, &pb.ReleaseRequest{DeadlineMs: left.Milliseconds()})
	return wire.FromStatus(err)
}

// install makes an active process the one that serves.
func (r *Runtime) install(g *generation) {
	g.since = time.Now()
	r.mu.Lock()
	r.spec, r.serving = g.spec, g
	r.now.State, r.now.Generation, r.now.Since, r.now.PID = StateRunning, g.number, g.since, g.proc.PID()
	r.mu.Unlock()
	r.gate.open(g)
	g.log.Info("runtime is active", "pid", g.proc.PID(), "services", g.offers)
}

// uninstall takes note that nothing serves.
func (r *Runtime) uninstall(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serving = nil
	r.now.State, r.now.Since, r.now.PID, r.now.LastError = StateRestarting, time.Now(), 0, cause.Error()
}

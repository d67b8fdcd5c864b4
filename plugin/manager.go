package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/stagehouse/stagehouse/plugin/process"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
)

// Manager runs extensions. All methods are safe for concurrent use. Close it: until then it has processes, a thread and
// goroutines.
type Manager struct {
	services    schema.Services
	toRuntime   schema.HostServices // where what runs is no extension, but a runtime
	log         *slog.Logger
	runDir      string
	stateDir    string // "" = there is no state
	version     string
	supervision Supervision
	observe     func(Change)
	overlap     bool // two generations of an extension can be there at the same time
	launcher    *process.Launcher

	life   context.Context // ends when the manager closes
	ending context.CancelFunc

	mu         sync.Mutex
	ownRunDir  bool
	extensions []*extension      // in the order in which they were started
	claims     map[string]string // command → the extension that has it, or is about to
	closed     bool
	starting   sync.WaitGroup

	sweepOnce sync.Once
	closeOnce sync.Once
	closeDone chan struct{}
	closeErr  error
}

// New returns a manager whose extensions may use services, each of them what it is granted.
func New(services schema.Services, opts ...Option) *Manager {
	m := &Manager{
		services: services, log: slog.New(slog.DiscardHandler), supervision: DefaultSupervision(),
		observe: func(Change) {}, overlap: tether.Shared, claims: map[string]string{},
		closeDone: make(chan struct{}),
	}
	for _, o := range opts {
		o(m)
	}
	m.life, m.ending = context.WithCancel(context.Background())
	m.launcher = process.NewLauncher()
	return m
}

// Start runs an extension and returns when it is well. From then on it is watched over until Close. ctx bounds the
// starting only. The error is a *StartError, or ErrClosed, ErrStopped when the extension is stopped meanwhile, or that of ctx;
// then nothing of the extension is left.
func (m *Manager) Start(ctx context.Context, s Spec) error {
	if err := s.validate(); err != nil {
		return failed(s, 0, PhaseLaunch, err)
	}
	m.sweepOnce.Do(m.sweep)
	e, err := m.add(s.withDefaults())
	if err != nil {
		return err
	}
	defer m.starting.Done()
	if err = e.start(ctx); err == nil {
		return nil
	}
	m.remove(e)
	if m.life.Err() != nil {
		return ErrClosed
	}
	return err
}

// Reload replaces the running generation of an extension by one of s, which has its name. The new one is launched and goes
// through all phases beside the old one, which serves until then; only a new one that is well takes its place. Then the old
// one hands its connections over, finishes what is in flight, and ends; Reload has returned by then. With any error the old
// generation goes on as if nothing had been: a *StartError says what is wrong with the new one, ErrSuperseded that another
// Reload came before the new one was well. Where the system cannot share listeners between processes (see tether.Shared), the
// old one stops accepting when the new one is configured and about to listen, connects are refused for that moment, and the
// old one is started anew if the new one does not start.
//
// An extension that was broken or is being restarted is started at once. One whose generation falls while the new one is
// launched is started anew by the new one, or as it was if that fails. A Reload during the first start waits for it, and ends
// with ErrUnknown when that fails; ErrStopped says that the extension was stopped meanwhile.
func (m *Manager) Reload(ctx context.Context, s Spec) error { return m.reload(ctx, s, false) }

// Reconfigure is Reload, but where s differs from what runs in nothing but its Config, the generation that runs may take that
// itself: no other one is launched then, and Status.Reloaded says when. Its refusal is a *StartError of PhaseReload, and it goes
// on as it was. Where it takes no block while it serves, or not this one, or does not answer, the next generation does, as with
// Reload. Another Reload or Reconfigure waits until it has answered.
func (m *Manager) Reconfigure(ctx context.Context, s Spec) error { return m.reload(ctx, s, true) }

func (m *Manager) reload(ctx context.Context, s Spec, inPlace bool) error {
	if err := s.validate(); err != nil {
		return failed(s, 0, PhaseLaunch, err)
	}
	e := m.find(s.Name)
	if e == nil {
		return fmt.Errorf("reload extension %s: %w", s.Name, ErrUnknown)
	}
	return e.reload(ctx, s.withDefaults(), inPlace)
}

// Stop drains one extension and ends it; when ctx is done it is killed. It may be started again afterwards.
func (m *Manager) Stop(ctx context.Context, name string) error {
	e := m.find(name)
	if e == nil {
		return fmt.Errorf("stop extension %s: %w", name, ErrUnknown)
	}
	defer m.remove(e)
	if err := e.stop(ctx); err != nil {
		return fmt.Errorf("stop extension %s: %w", name, err)
	}
	return nil
}

func (m *Manager) find(name string) *extension {
	for _, e := range m.all() {
		if e.name == name {
			return e
		}
	}
	return nil
}

// add makes room for an extension; the caller calls m.starting.Done.
func (m *Manager) add(s Spec) (*extension, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if slices.ContainsFunc(m.extensions, func(e *extension) bool { return e.name == s.Name }) {
		return nil, failed(s, 0, PhaseLaunch, errors.New("an extension of that name is running already"))
	}
	if err := m.needRunDir(); err != nil {
		return nil, failed(s, 0, PhaseLaunch, err)
	}
	e := newExtension(m, s)
	m.extensions = append(m.extensions, e)
	m.starting.Add(1)
	return e, nil
}

// needRunDir makes a run directory where none was given. m.mu is held, or nobody else knows the manager.
func (m *Manager) needRunDir() error {
	if m.runDir != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "stagehouse-")
	if err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	m.runDir, m.ownRunDir = dir, true
	return nil
}

// sweep removes what a host that was killed has left in the run directory. What cannot be removed is in nobody's way.
func (m *Manager) sweep() {
	if m.runDir == "" { // it is going to be a new one
		return
	}
	swept, err := process.Sweep(m.runDir)
	if len(swept) > 0 {
		m.log.Info("removed what a host that was killed had left", "directories", swept)
	}
	if err != nil {
		m.log.Warn("remove what a host that was killed had left", "error", err.Error())
	}
}

// holder returns the name of the extension that listens at an address, or "".
func (m *Manager) holder(network, address string) string {
	for _, e := range m.all() {
		if e.listeners.At(network, address) {
			return e.name
		}
	}
	return ""
}

func (m *Manager) remove(e *extension) {
	m.release(e.name, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.extensions = slices.DeleteFunc(m.extensions, func(x *extension) bool { return x == e })
}

func (m *Manager) all() []*extension {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.extensions)
}

// Status returns what every extension is doing, in the order in which they were started.
func (m *Manager) Status() []Status {
	var out []Status
	for _, e := range m.all() {
		out = append(out, e.status())
	}
	return out
}

// Close stops every extension, the one that was started last first, and starts none from then on. Each is drained for as
// long as its Spec says; when ctx is done the rest is killed. It returns when all processes are gone; an error says what
// could not be done. Only the first call closes, the others wait for it.
func (m *Manager) Close(ctx context.Context) error {
	m.closeOnce.Do(func() {
		defer close(m.closeDone)
		m.closeErr = m.close(ctx)
	})
	<-m.closeDone
	return m.closeErr
}

func (m *Manager) close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.ending()
	m.starting.Wait()
	var errs []error
	for _, e := range slices.Backward(m.all()) {
		if err := e.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop extension %s: %w", e.name, err))
		}
	}
	m.launcher.Close()
	if m.ownRunDir {
		errs = append(errs, os.RemoveAll(m.runDir))
	}
	return errors.Join(errs...)
}

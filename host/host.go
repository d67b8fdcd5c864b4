// Package host puts a runtime and its extensions together: it takes hold of the data directory, guards the runtime's
// services, and has package plugin run every extension of the configuration as a process of its own.
//
// It knows no extension by name and imports none. host/cmd/stagehouse is one composition root; a program of yours may be another.
//
// # Making a host
//
//  1. Load a configuration: a [config.Config], from a file or from Go values, by a config.Loader whose Check is [Check].
//  2. Take hold of a directory by [OpenDataDir]. One host has it at a time.
//  3. Open a [Runtime]: host/local, or your own.
//  4. [New] owns the directory and the runtime from then on. It starts nothing.
//  5. [Host.Start] returns when every extension serves, or stops those that do and says which one does not.
//  6. [Host.Close] drains the extensions, then the runtime, and lets go of the directory. It is called after a failed Start, too.
//
// A host is a value: it takes no signals, reads no environment, logs to what it is given, and keeps nothing global. A process may
// have several. An extension that dies is started again; none of its failures is one of the process that has the host.
//
// # Bringing a runtime
//
// A runtime implements what it offers of package schema. It may do so from nothing, or from the parts that the
// reference runtime is made of: host/turns has the whole of schema.Chat, host/eventlog of schema.Events, host/memories of
// schema.Memory and host/usage of schema.Usage; host/roster has what happens to agents, host/routing who should answer, and host/once has requests carried out
// once. They work over any store.Store, such as host/store/memory. host/hosttest says whether the contract is kept.
// docs/runtimes.md is the chapter about it.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/host/watch"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// Version is the version of stagehouse.
const Version = "0.1.0"

// Host runs the extensions of one configuration against one runtime. Its life is New, Start, Close, once each; in between it
// may be reloaded as often as one likes. Methods are safe for concurrent use, but for Start and Close.
type Host struct {
	cfg     *config.Config
	source  Source
	data    *DataDir
	runtime Runtime
	process *plugin.Runtime // the runtime, where it is a process of its own; nil = it is not
	manager *plugin.Manager
	log     *slog.Logger
	files   *watch.Watcher
	tails   *logging.Tails
	around  func() (end func())
	control *control // nil = there is none
	herald  *herald
	started time.Time

	known atomic.Pointer[[]*config.Config] // whose secrets are scrubbed

	reloading sync.Mutex             // held by Start, and by one Reload at a time
	running   map[string]plugin.Spec // what runs, or should; guarded by reloading
	failed    map[string]plugin.Spec // what was tried last and did not come up; guarded by reloading
	closed    bool                   // guarded by reloading
	declared  *config.Config         // whose agents were declared last; guarded by reloading
	memory    config.Memory          // as memories are found now; guarded by reloading
	untold    string                 // what was last said to need a restart; guarded by reloading

	mu     sync.Mutex
	abort  context.CancelCauseFunc  // of the latest Reload
	named  []string                 // extensions that somebody wants to be replaced in any case
	wanted map[string]plugin.Spec   // the extensions that are enabled
	absent map[string]plugin.Status // those of them that did not start
}

// Option changes how a Host is made.
type Option func(*options)

type options struct {
	log      *slog.Logger
	identity schema.Identity
	source   Source
	files    *watch.Watcher
	around   func() (end func())
	manager  []plugin.Option // beside those that every host gives
}

// WithLogger sends the log lines of the host and of its extensions to l. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithIdentity offers i to the extensions beside the runtime's services. Default: none is offered.
func WithIdentity(i schema.Identity) Option { return func(o *options) { o.identity = i } }

// WithSource has Reload read the configuration from s. Default: it goes on with the one of New.
func WithSource(s Source) Option { return func(o *options) { o.source = s } }

// WithWatcher has Watch look at w, which has seen the configuration file, and the folder of agents, before they were read; the host adds the programs of
// the extensions. Default: a watcher that sees them in New, and misses what was changed between the reading and that.
func WithWatcher(w *watch.Watcher) Option { return func(o *options) { o.files = w } }

// WithReloadHook has each Reload call begin before it reads anything, and what that returns when it has done everything.
// Reloads are told one after the other. Default: nobody is told.
func WithReloadHook(begin func() (end func())) Option { return func(o *options) { o.around = begin } }

// New returns a host that has started nothing. It owns the runtime and the data directory from now on: Close closes both.
func New(cfg *config.Config, data *DataDir, rt Runtime, opts ...Option) *Host {
	h, o := newHost(cfg, data, opts)
	h.adopt(rt, o)
	return h
}

// newHost returns a host that has no runtime yet.
func newHost(cfg *config.Config, data *DataDir, opts []Option) (*Host, options) {
	o := options{log: slog.New(slog.DiscardHandler), around: func() func() { return func() {} }}
	for _, opt := range opts {
		opt(&o)
	}
	fresh := o.files == nil
	if fresh {
		o.files = watch.New()
	}
	h := &Host{
		cfg: cfg, declared: cfg, memory: cfg.Memory, source: o.source, data: data, files: o.files, tails: logging.NewTails(), around: o.around,
		running: map[string]plugin.Spec{}, failed: map[string]plugin.Spec{}, absent: map[string]plugin.Status{},
	}
	if fresh {
		h.see(cfg)
	}
	h.know(cfg)
	h.log = slog.New(logging.Scrubbed(h.tails.Handler(o.log.Handler()), h.Scrub))
	return h, o
}

// adopt gives the host its runtime.
func (h *Host) adopt(rt Runtime, o options) {
	h.runtime = rt
	h.want(h.cfg)
	services := rt.Services()
	services.Identity = o.identity
	h.herald = newHerald(rt, h.Scrub, h.log)
	h.manager = plugin.New(guard.New(services), append(o.manager,
		plugin.WithObserver(h.herald.tell),
		plugin.WithLogger(h.log),
		plugin.WithRunDir(h.runDir()),
		plugin.WithStateDir(filepath.Join(h.data.Path(), "extensions")),
		plugin.WithHostVersion(Version))...)
	if u, ok := rt.(CommandUser); ok {
		u.UseCommands(h.manager.Commands())
	}
	if u, ok := rt.(BrainUser); ok {
		u.UseBrains(brains{h.manager.Brains(), h.trace})
	}
	if k, ok := rt.(MemoryKeeper); ok && h.cfg.Memory.Embedder != nil {
		k.Memories().UseEmbedder(h.cfg.Memory.Embedder)
	}
}

// maxKnown is of how many configurations the secrets are scrubbed: an extension that was not replaced may still have old ones.
const maxKnown = 8

// know has the secrets of cfg scrubbed from now on. New calls it, and who holds h.reloading.
func (h *Host) know(cfg *config.Config) {
	var known []*config.Config
	if before := h.known.Load(); before != nil {
		known = slices.Clone(*before)
	}
	if len(known) == maxKnown {
		known = slices.Delete(known, 0, 1)
	}
	known = append(known, cfg)
	h.known.Store(&known)
}

// Scrub returns text with every secret of the configuration replaced by its reference, as it is now and as it was lately.
func (h *Host) Scrub(text string) string {
	for _, cfg := range *h.known.Load() {
		text = cfg.Scrub(text)
	}
	return text
}

// trace is Scrub, and says of each key that text names where its value comes from, if that is a reference.
func (h *Host) trace(text string) string {
	known := *h.known.Load()
	return known[len(known)-1].Trace(h.Scrub(text))
}

func (h *Host) runDir() string { return filepath.Join(h.data.Path(), "run") }

// Start starts every enabled extension, in the order of their names, and returns when all of them serve. If one fails,
// those that had started are stopped, and the error is a *plugin.StartError.
func (h *Host) Start(ctx context.Context) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	h.started = time.Now().UTC()
	for _, e := range h.cfg.Extensions {
		if !e.Enabled {
			continue
		}
		if err := h.bring(ctx, Spec(e), false); err != nil {
			return errors.Join(err, h.manager.Close(ctx))
		}
	}
	var err error
	if h.control, err = openControl(h); err != nil { // the agents are served all the same
		h.log.Warn("there is no control socket, so the commands \"stagehouse ext\" cannot reach this host", "error", err.Error())
	}
	if err := h.publish(); err != nil {
		return errors.Join(err, h.control.Close(), h.manager.Close(ctx))
	}
	return nil
}

// publish tells other commands what runs where.
func (h *Host) publish() error {
	state := State{PID: os.Getpid(), Version: Version, StartedAt: h.started, Control: h.control.Path(), Extensions: map[string][]string{}}
	for _, s := range h.manager.Status() {
		state.Extensions[s.Name] = s.Listeners
	}
	if err := h.data.publish(state); err != nil {
		return fmt.Errorf("tell other commands about this host: %w", err)
	}
	return nil
}

// Extensions returns what each enabled extension is doing now, after the runtime, if that is a process. One that did not start when the host was reloaded is stopped,
// and its last error says why.
func (h *Host) Extensions() []plugin.Status {
	all := h.processes()
	h.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(h.absent)) {
		if !slices.ContainsFunc(all, func(s plugin.Status) bool { return s.Name == name }) {
			all = append(all, h.absent[name])
		}
	}
	h.mu.Unlock()
	for i := range all {
		all[i].LastError = h.Scrub(all[i].LastError)
	}
	return all
}

// Alive returns once the runtime, if it is not a process that is watched over, and the manager of the extensions have answered.
// A host that hangs does not return.
func (h *Host) Alive(ctx context.Context) error {
	_ = h.processes()
	if h.process != nil {
		return nil
	}
	if events := h.runtime.Services().Events; events != nil {
		_, err := events.Head(ctx)
		return err
	}
	return nil
}

// DrainTimeout returns how long the processes may take to finish when the host is closed: as long as the slowest extension,
// and then the runtime, if that is one.
func (h *Host) DrainTimeout() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	var longest time.Duration
	for name, s := range h.wanted {
		if name != plugin.RuntimeName {
			longest = max(longest, s.DrainTimeout)
		}
	}
	return longest + h.wanted[plugin.RuntimeName].DrainTimeout
}

// Close drains the extensions, then the runtime, both until ctx is done, and lets go of the data directory. What could not be
// finished is cut off; the runtime makes that visible.
func (h *Host) Close(ctx context.Context) error {
	t := h.turn(ctx, nil)
	h.closed = true
	t.end() // whoever waits to reload is refused now
	err := errors.Join(h.data.withdraw(), h.manager.Close(ctx), h.control.Close())
	h.herald.close(ctx)
	return errors.Join(err, h.closeRuntime(ctx), h.data.Close())
}

// Spec returns how package plugin is to run an extension, or the runtime.
func Spec(e config.Extension) plugin.Spec {
	return plugin.Spec{
		Name: e.Name, Path: e.Command.Path, Args: e.Command.Args, Private: !e.Command.BuiltIn && e.Attach == "", Attach: e.Attach,
		Env: e.Env, SHA256: e.SHA256, Config: e.Block, Grants: e.Grants,
		StartTimeout: e.StartTimeout, DrainTimeout: e.DrainTimeout,
	}
}

// Check asks an extension to check its block. It is the config.Checker of a real host.
func Check(ctx context.Context, e config.Extension) (schema.CheckResult, error) {
	return plugin.Check(ctx, Spec(e))
}

// Package host puts a runtime and its extensions together: it takes hold of the data directory, guards the runtime's
// services, and has package plugin run every extension of the configuration as a process of its own.
//
// It knows no extension by name and imports none. host/cmd/stagehouse is the composition root.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/guard"
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
	manager *plugin.Manager
	log     *slog.Logger
	started time.Time

	reloading sync.Mutex             // held by Start, and by one Reload at a time
	running   map[string]plugin.Spec // what runs, or should; guarded by reloading
	closed    bool                   // guarded by reloading

	mu    sync.Mutex
	abort context.CancelCauseFunc // of the latest Reload
	named []string                // extensions that somebody wants to be replaced in any case
}

// Option changes how a Host is made.
type Option func(*options)

type options struct {
	log      *slog.Logger
	identity schema.Identity
	source   Source
}

// WithLogger sends the log lines of the host and of its extensions to l. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithIdentity offers i to the extensions beside the runtime's services. Default: none is offered.
func WithIdentity(i schema.Identity) Option { return func(o *options) { o.identity = i } }

// WithSource has Reload read the configuration from s. Default: it goes on with the one of New.
func WithSource(s Source) Option { return func(o *options) { o.source = s } }

// New returns a host that has started nothing. It owns the runtime and the data directory from now on: Close closes both.
func New(cfg *config.Config, data *DataDir, rt Runtime, opts ...Option) *Host {
	o := options{log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	services := rt.Services()
	services.Identity = o.identity
	return &Host{
		cfg: cfg, source: o.source, data: data, runtime: rt, log: o.log, running: map[string]plugin.Spec{},
		manager: plugin.New(guard.New(services),
			plugin.WithLogger(o.log),
			plugin.WithRunDir(filepath.Join(data.Path(), "run")),
			plugin.WithHostVersion(Version)),
	}
}

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
	if err := h.publish(); err != nil {
		return errors.Join(err, h.manager.Close(ctx))
	}
	return nil
}

// publish tells other commands what runs where.
func (h *Host) publish() error {
	state := State{PID: os.Getpid(), Version: Version, StartedAt: h.started, Extensions: map[string][]string{}}
	for _, s := range h.manager.Status() {
		state.Extensions[s.Name] = s.Listeners
	}
	if err := h.data.publish(state); err != nil {
		return fmt.Errorf("tell other commands about this host: %w", err)
	}
	return nil
}

// Extensions returns what each extension is doing now.
func (h *Host) Extensions() []plugin.Status { return h.manager.Status() }

// Close drains the extensions, then the runtime, both until ctx is done, and lets go of the data directory. What could not be
// finished is cut off; the runtime makes that visible.
func (h *Host) Close(ctx context.Context) error {
	_, _, end := h.turn(ctx, nil)
	defer end()
	h.closed = true
	return errors.Join(
		h.data.withdraw(),
		h.manager.Close(ctx),
		h.runtime.Close(ctx),
		h.data.Close(),
	)
}

// Spec returns how package plugin is to run an extension.
func Spec(e config.Extension) plugin.Spec {
	return plugin.Spec{
		Name: e.Name, Path: e.Command.Path, Args: e.Command.Args, Private: !e.Command.BuiltIn,
		Env: e.Env, SHA256: e.SHA256, Config: e.Block, Grants: e.Grants,
		StartTimeout: e.StartTimeout, DrainTimeout: e.DrainTimeout,
	}
}

// Check asks an extension to check its block. It is the config.Checker of a real host.
func Check(ctx context.Context, e config.Extension) (schema.CheckResult, error) {
	return plugin.Check(ctx, Spec(e))
}

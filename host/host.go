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
	"time"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// Version is the version of stagehouse.
const Version = "0.1.0"

// Host runs the extensions of one configuration against one runtime. Its life is New, Start, Close, once each.
type Host struct {
	cfg     *config.Config
	data    *DataDir
	runtime Runtime
	manager *plugin.Manager
	log     *slog.Logger
}

// Option changes how a Host is made.
type Option func(*options)

type options struct {
	log      *slog.Logger
	identity schema.Identity
}

// WithLogger sends the log lines of the host and of its extensions to l. Default: nowhere.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithIdentity offers i to the extensions beside the runtime's services. Default: none is offered.
func WithIdentity(i schema.Identity) Option { return func(o *options) { o.identity = i } }

// New returns a host that has started nothing. It owns the runtime and the data directory from now on: Close closes both.
func New(cfg *config.Config, data *DataDir, rt Runtime, opts ...Option) *Host {
	o := options{log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	services := rt.Services()
	services.Identity = o.identity
	return &Host{
		cfg: cfg, data: data, runtime: rt, log: o.log,
		manager: plugin.New(guard.New(services),
			plugin.WithLogger(o.log),
			plugin.WithRunDir(filepath.Join(data.Path(), "run")),
			plugin.WithHostVersion(Version)),
	}
}

// Start starts every enabled extension, in the order of their names, and returns when all of them serve. If one fails,
// those that had started are stopped, and the error is a *plugin.StartError.
func (h *Host) Start(ctx context.Context) error {
	for _, e := range h.cfg.Extensions {
		if !e.Enabled {
			continue
		}
		if err := h.manager.Start(ctx, Spec(e)); err != nil {
			return errors.Join(err, h.manager.Close(ctx))
		}
	}
	state := State{PID: os.Getpid(), Version: Version, StartedAt: time.Now().UTC(), Extensions: map[string][]string{}}
	for _, s := range h.manager.Status() {
		state.Extensions[s.Name] = s.Listeners
	}
	if err := h.data.publish(state); err != nil {
		return errors.Join(fmt.Errorf("tell other commands about this host: %w", err), h.manager.Close(ctx))
	}
	return nil
}

// Extensions returns what each extension is doing now.
func (h *Host) Extensions() []plugin.Status { return h.manager.Status() }

// Close drains the extensions, then the runtime, both until ctx is done, and lets go of the data directory. What could not be
// finished is cut off; the runtime makes that visible.
func (h *Host) Close(ctx context.Context) error {
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

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/systemd"
	"github.com/stagehouse/stagehouse/host/watch"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// service is what goes on around a host that serves: reloads, and news for the service manager.
type service struct {
	loader  config.Loader
	sources config.Sources
	files   *watch.Watcher
	hangups chan os.Signal
	manager systemd.Notifier
	warned  []schema.Problem // have been logged; the host reads one configuration at a time
}

// newService takes note of the configuration file as it is, and is called before that is read. SIGHUP ends nothing from now
// on. The caller calls end.
func newService(loader config.Loader, sources config.Sources) *service {
	if abs, err := filepath.Abs(sources.File); err == nil && sources.File != "" {
		sources.File = abs // others read of it in messages
	}
	s := &service{loader: loader, sources: sources, files: watch.New(), hangups: make(chan os.Signal, 1)}
	if sources.File != "" {
		s.files.Seen(sources.File)
	}
	if dir := sources.Folder(); dir != "" {
		s.files.SeenFolder(dir, character.IsFile)
	}
	signal.Notify(s.hangups, syscall.SIGHUP)
	return s
}

func (s *service) end() { signal.Stop(s.hangups) }

// options make a host that reloads from the same sources. warned is what has been logged already.
func (s *service) options(log *slog.Logger, warned []schema.Problem) []host.Option {
	s.manager, s.warned = systemd.New(log), warned
	return []host.Option{
		host.WithWatcher(s.files),
		host.WithSource(func(ctx context.Context) (*config.Config, error) { return s.load(ctx, log) }),
		host.WithReloadHook(func() func() {
			s.manager.Reloading()
			return func() { s.manager.Ready("serving") }
		}),
	}
}

// load reads the configuration anew, and logs the warnings that are new.
func (s *service) load(ctx context.Context, log *slog.Logger) (*config.Config, error) {
	cfg, problems, err := s.loader.Load(ctx, s.sources)
	if err != nil {
		return nil, err
	}
	if cfg != nil { // what is wrong with a single agent is told by the host, which goes on with it as it was
		problems = cfg.Without(problems)
	}
	if problem.Fatal(problems) {
		return nil, &host.ConfigError{File: s.sources.File, Problems: slices.DeleteFunc(problems, isWarning)}
	}
	warn(log, slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool { return slices.Contains(s.warned, p) }))
	s.warned = problems
	return cfg, nil
}

func isWarning(p schema.Problem) bool { return p.Severity == schema.SeverityWarning }

// serve tells the service manager that everything serves, and reloads what changes, until ctx is done. The caller calls
// closed when the host is; until then the manager is told that it lives.
func (s *service) serve(ctx context.Context, h *host.Host) (closed func()) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var watchdog sync.WaitGroup
	watchdog.Go(func() { s.manager.Watchdog(life, h.Alive) })
	extensions := slices.DeleteFunc(h.Extensions(), func(s plugin.Status) bool { return s.Name == plugin.RuntimeName })
	s.manager.Ready(fmt.Sprintf("serving, with %s", plural(len(extensions), "extension")))
	h.Watch(ctx, s.hangups)
	s.manager.Stopping()
	return func() {
		end()
		watchdog.Wait()
	}
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// closeSlack is what closing may take beyond the longest drain of an extension: finishing turns, closing the database.
const closeSlack = 5 * time.Second

func (p *Program) runCommand(common *commonFlags) *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the agents and their extensions",
		Long: `run starts the agents and every extension that is enabled, and serves until it is told to stop.

Without --config, the agents nyx and aria are served on http://127.0.0.1:3001. SIGINT and SIGTERM finish what is
in flight and exit 0; a second one exits at once. A change of the configuration file, or of the program of an
extension, counts within a second and drops nobody; SIGHUP and "stagehouse ext reload" reload by hand. Anything
that is wrong with the configuration, a port that is taken or a data directory in use is reported before anything
is served, with exit code 2.

The configuration is, each over the one before: defaults, the file, the environment
(STAGEHOUSE_EXTENSIONS__API__PORT=3002 sets extensions.api.port), --set and the other flags.`,
		Example: "  stagehouse run\n  stagehouse run --config stagehouse.json --data /var/lib/stagehouse\n  stagehouse run --set extensions.api.port=3002",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return p.run(c.Context(), p.sources(common, &flags))
		},
	}
	flags.register(c)
	return c
}

func (p *Program) run(ctx context.Context, sources config.Sources) error {
	ctx, stop := p.untilSignal(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	loader, err := p.loader()
	if err != nil {
		return err
	}
	s := newService(loader, sources)
	defer s.end()
	cfg, problems, err := loader.Load(ctx, sources)
	if ctx.Err() != nil {
		return nil // told to stop before anything was started
	}
	if err != nil {
		return err
	}
	if problem.Fatal(problems) {
		if err := writeProblems(p.Stderr, problems); err != nil {
			return err
		}
		return errors.New("the configuration has errors; nothing was started")
	}
	log := logging.New(p.Stderr, cfg.LogLevel, !isTerminal(p.Stderr))
	if cfg.HasSecrets() {
		log = slog.New(logging.Scrubbed(log.Handler(), cfg.Scrub))
	}
	warn(log, problems)
	if err := p.serve(ctx, s, cfg, log, s.options(log, problems)...); err != nil {
		return scrubbed{err, cfg.Scrub}
	}
	return nil
}

// serve runs a host until ctx is done.
func (p *Program) serve(ctx context.Context, s *service, cfg *config.Config, log *slog.Logger, opts ...host.Option) error {
	h, created, err := begin(ctx, cfg, log, opts...)
	if err != nil || h == nil {
		return err
	}
	if err := p.banner(cfg, h, created); err != nil {
		return failure{err}
	}
	defer s.serve(ctx, h)()
	log.Info("stopping: finishing what is in flight; a second signal stops at once")
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.DrainTimeout()+closeSlack)
	defer cancel()
	if err := h.Close(closing); err != nil {
		return failure{err}
	}
	return nil
}

// begin makes a host and starts it. created is the admin token if it is new, else "". Where ctx ends first there is no host,
// which is no error.
func begin(ctx context.Context, cfg *config.Config, log *slog.Logger, opts ...host.Option) (h *host.Host, created string, err error) {
	h, tokens, err := open(ctx, cfg, log, opts...)
	if err != nil {
		if ctx.Err() != nil {
			return nil, "", nil
		}
		return nil, "", err
	}
	admin, isNew, err := tokens.EnsureAdmin()
	if err == nil {
		err = h.Start(ctx)
	}
	if err == nil {
		if isNew {
			created = admin
		}
		return h, created, nil
	}
	if isNew { // nobody has been shown it, and it is shown only once
		err = errors.Join(err, os.Remove(tokens.AdminPath()))
	}
	if ctx.Err() != nil {
		err = nil
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeSlack)
	defer cancel()
	return nil, "", errors.Join(err, h.Close(closing))
}

// open takes hold of the data directory and makes the host, which has started nothing, and the tokens that it knows.
func open(ctx context.Context, cfg *config.Config, log *slog.Logger, opts ...host.Option) (*host.Host, *token.Store, error) {
	data, err := host.OpenDataDir(cfg.Data)
	if err != nil {
		return nil, nil, err
	}
	tokens := token.Open(data.Path())
	if err := tokens.Check(); err != nil { // it would refuse everybody
		return nil, nil, errors.Join(err, data.Close())
	}
	opts = append(opts, host.WithLogger(log), host.WithIdentity(tokens))
	if cfg.Runtime != nil {
		h, err := host.Open(ctx, cfg, data, opts...)
		if err != nil {
			return nil, nil, errors.Join(err, data.Close())
		}
		return h, tokens, nil
	}
	options := local.Options{
		Dir: data.Path(), Logger: log, RetainEvents: cfg.Events.Retain, RetainAge: cfg.Events.RetainAge,
		Usage: cfg.Usage, UseBrains: true,
	}
	if cfg.Agents != nil {
		if err := json.Unmarshal(cfg.Agents, &options.Agents); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("read /agents: %w", err), data.Close())
		}
	}
	runtime, err := local.Open(ctx, options)
	if err != nil {
		return nil, nil, errors.Join(err, data.Close())
	}
	return host.New(cfg, data, runtime, opts...), tokens, nil
}

// untilSignal returns a context that ends at the first of the signals given; the second one ends the process.
func (p *Program) untilSignal(ctx context.Context, which ...os.Signal) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, which...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for first := true; ; first = false {
			s, ok := <-signals
			if !ok {
				return
			}
			if !first {
				code := 128
				if n, ok := s.(syscall.Signal); ok {
					code += int(n)
				}
				p.Exit(code)
				return
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
	}
}

func warn(log *slog.Logger, problems []schema.Problem) {
	for _, w := range problems {
		log.Warn(w.Message, "at", w.Pointer, "remedy", w.Suggestion)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

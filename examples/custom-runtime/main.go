// Command custom-runtime is a host for a runtime of its own, with the API server built in.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
	"github.com/stagehouse/stagehouse/sdk"
)

// closeTimeout bounds the drain of the extensions and of the runtime.
const closeTimeout = 15 * time.Second

func main() {
	if len(os.Args) > 1 && os.Args[1] == "extension" { // the host runs this very program again, as the API server
		sdk.Main(api.Definition())
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// run serves until a signal comes. Its arguments set values, such as extensions.api.port=3002.
func run(set []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	self, err := os.Executable()
	if err != nil {
		return err
	}
	loader := config.Loader{
		BuiltIns: map[string]config.Command{"api": {Path: self, Args: []string{"extension"}, BuiltIn: true}},
		Check:    host.Check,
	}
	cfg, problems, err := loader.Load(ctx, config.Sources{File: os.Getenv("STAGEHOUSE_CONFIG"), Env: os.Environ(), Set: set})
	if err != nil {
		return err
	}
	for _, p := range problems {
		log.Warn(p.Message, "at", p.Pointer, "remedy", p.Suggestion)
	}
	if problem.Fatal(problems) {
		return errors.New("the configuration has errors")
	}
	h, err := open(ctx, cfg, log)
	if err != nil {
		return err
	}
	err = h.Start(ctx)
	if err == nil {
		<-ctx.Done()
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(err, h.Close(closing))
}

// open makes the host. The tokens are how clients show who they are: without them, auth.mode must be "none".
func open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*host.Host, error) {
	data, err := host.OpenDataDir(cfg.Data)
	if err != nil {
		return nil, err
	}
	tokens := token.Open(data.Path())
	if _, _, err := tokens.EnsureAdmin(); err != nil {
		return nil, errors.Join(err, data.Close())
	}
	runtime, err := Open(ctx, log, // yours goes here
		schema.NewAgent{ID: "nyx", Name: "Nyx", Skills: []string{"programming", "security"}},
		schema.NewAgent{ID: "aria", Name: "Aria", Skills: []string{"writing", "empathy"}})
	if err != nil {
		return nil, errors.Join(err, data.Close())
	}
	return host.New(cfg, data, runtime, host.WithLogger(log), host.WithIdentity(tokens)), nil
}

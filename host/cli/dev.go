package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/workshop"
	"github.com/stagehouse/stagehouse/schema"
)

func (p *Program) devCommand(common *commonFlags) *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use:   "dev [DIR]",
		Short: "Run an extension that you are writing, and reload it on every save",
		Long: `dev builds the extension in DIR (default: the current directory), runs it in a host of its own, and shows what
it logs. Whenever you save one of its sources it is built again, and takes the place of the one that runs, which
drops nobody. While it does not compile, or does not start, the one that runs goes on.

The configuration is stagehouse.json in DIR, if there is one and --config names no other.`,
		Example: "  stagehouse dev\n  stagehouse dev ./weather",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return p.dev(c.Context(), dir, p.sources(common, &flags))
		},
	}
	flags.register(c)
	return c
}

// dev runs a host with the extension in dir, and a bench beside it: the host watches the programs of its extensions, so all
// that the bench does is to put another one there.
func (p *Program) dev(ctx context.Context, dir string, sources config.Sources) error {
	if _, err := os.Stat(filepath.Join(dir, "stagehouse.json")); err == nil && sources.File == "" {
		sources.File, sources.Agents = filepath.Join(dir, "stagehouse.json"), "" // which are beside it
	}
	out, err := os.MkdirTemp("", "stagehouse-dev-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(out) }() // it is only a build
	bench := &workshop.Bench{Dir: dir, Out: filepath.Join(out, "extension")}
	if runtime.GOOS == "windows" {
		bench.Out += ".exe"
	}
	building, done := p.untilSignal(ctx, os.Interrupt, syscall.SIGTERM)
	err = p.build(building, bench)
	interrupted := building.Err() != nil
	done()
	if err != nil && interrupted {
		return nil // nothing was started
	}
	if err != nil {
		return err
	}
	name, err := nameOf(ctx, bench.Out)
	if err != nil {
		return err
	}
	sources.Set = append(sources.Set, "extensions."+name+".plugin.path="+bench.Out)
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() {
		bench.Watch(ctx, func() {
			if err := p.build(ctx, bench); err != nil && ctx.Err() == nil {
				fmt.Fprintf(p.Stderr, "%s does not build; the one that runs goes on\n%s\n", name, saidBy(err))
			}
		})
	})
	return p.run(ctx, sources)
}

func (p *Program) build(ctx context.Context, bench *workshop.Bench) error {
	begun := time.Now()
	if err := bench.Build(ctx); err != nil {
		return err
	}
	fmt.Fprintf(p.Stderr, "built in %v\n", time.Since(begun).Round(time.Millisecond))
	return nil
}

// saidBy returns what the compiler says, without the command that called it.
func saidBy(err error) string {
	var g *workshop.GoError
	if errors.As(err, &g) && g.Output != "" {
		return g.Output
	}
	return err.Error()
}

// describeTimeout bounds how long a program may take to say what it is.
const describeTimeout = 10 * time.Second

// nameOf asks a program what the extension is called that it is.
func nameOf(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "describe").Output()
	var d schema.Description
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err == nil && d.Name == "" {
		err = errors.New("it has no name")
	}
	if err != nil {
		return "", fmt.Errorf("ask the program what it is: %w; is it an extension, whose main calls sdk.Main?", err)
	}
	return d.Name, nil
}

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// localRuntime is the target that is the reference runtime.
const localRuntime = "local"

func (p *Program) conformRuntime() *cobra.Command {
	var flags conformFlags
	var block string
	var without []string
	c := &cobra.Command{
		Use:   "runtime TARGET [-- ARGUMENT...]",
		Short: "Hold a runtime to the contract",
		Long: `runtime checks whether a runtime keeps the contract of package schema: what happens once, in which order, who sees what,
what survives, and which errors come. TARGET is a program in any language that is a runtime as a process, or "local", the
reference runtime in this process; what follows -- are arguments of the program. Of a program it is also checked what it says of
itself, how its process ends, and how a host replaces it.

It expects the agents nyx (skills programming, security) and aria (writing, empathy) to run in a new runtime. What a runtime
does not offer is skipped; a method or more that it does without is named by --without. A runtime in Go is held to most of the checks by hosttest.TestRuntime, in ten lines.`,
		Example: `  stagehouse conform runtime local
  stagehouse conform runtime ./my-runtime --config block.json --junit report.xml
  stagehouse conform runtime local --run runtime/once --json -`,
		Args: oneTarget,
		RunE: func(c *cobra.Command, args []string) error {
			groups, err := runtimeGroups(args[0], args[1:], block, without)
			if err != nil {
				return err
			}
			return p.conform(c.Context(), &flags, args[0], groups)
		},
	}
	flags.register(c)
	c.Flags().StringSliceVar(&without, "without", nil, "what it does without although it offers the service: "+strings.Join(services.Optional(), ", "))
	c.Flags().StringVar(&block, "config", "", "the block of its configuration: JSON, or a file with it (default {})")
	return c
}

// runtimeGroups returns the checks of a target.
func runtimeGroups(target string, args []string, block string, without []string) ([]conform.Group, error) {
	for _, name := range without {
		if !slices.Contains(services.Optional(), name) {
			return nil, fmt.Errorf("conform runtime: --without %s: a runtime can do without %s", name, strings.Join(services.Optional(), ", "))
		}
	}
	declared := services.Without(without...)
	if target == localRuntime {
		if block != "" || len(args) > 0 {
			return nil, fmt.Errorf("conform runtime: %s is the reference runtime, which takes no arguments and no --config", localRuntime)
		}
		return servicesGroups(openLocal, declared), nil
	}
	spec, err := programTarget(target, args, "runtime")
	if err != nil {
		return nil, err
	}
	if spec.Config, err = readObject("the block of --config", block); err != nil {
		return nil, err
	}
	open := func(ctx context.Context, dir string) (services.Opened, error) {
		return plugin.OpenRuntime(ctx, spec, dir, plugin.WithLogger(slog.New(slog.DiscardHandler)), plugin.WithHostVersion(host.Version))
	}
	return slices.Concat(trial.Runtime{Spec: spec, Forgets: slices.Contains(without, "lasting")}.Groups(), servicesGroups(open, declared)), nil
}

// servicesGroups returns the checks of what a runtime offers: most of them with nothing in front of it that could cover up
// for it, and those of the errors behind the guard, where callers meet it.
func servicesGroups(open services.OpenIn, declared services.Option) []conform.Group {
	bare := open.In()
	guarded := func(t conform.T) schema.Services { return guard.New(bare(t)) }
	return slices.Concat(services.Runtime(bare, declared), services.Errors(guarded, declared), services.Lasting(open, declared))
}

// openLocal opens the reference runtime.
func openLocal(ctx context.Context, dir string) (services.Opened, error) {
	return local.Open(ctx, local.Options{Dir: dir})
}

package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// localRuntime is the target that is the reference runtime.
const localRuntime = "local"

// closeRuntime bounds the close of a runtime that was checked.
const closeRuntime = 30 * time.Second

func (p *Program) conformRuntime() *cobra.Command {
	var flags conformFlags
	c := &cobra.Command{
		Use:   "runtime TARGET",
		Short: "Hold a runtime to the contract",
		Long: `runtime checks whether a runtime keeps the contract of package schema: what happens once, in which order, who sees what,
what survives, and which errors come. TARGET is "local", the reference runtime.

It expects the agents nyx (skills programming, security) and aria (writing, empathy) to run in a new runtime. What a runtime
does not offer is skipped. A runtime in Go is held to the same checks by hosttest.TestRuntime, in ten lines.`,
		Example: "  stagehouse conform runtime local\n  stagehouse conform runtime local --run runtime/once --json -",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			open, err := runtimeTarget(args[0])
			if err != nil {
				return err
			}
			return p.conform(c.Context(), &flags, args[0], runtimeGroups(open))
		},
	}
	flags.register(c)
	return c
}

// openRuntime opens a runtime that nobody has used, for one group of checks, in a directory of its own.
type openRuntime func(ctx context.Context, dir string) (host.Runtime, error)

// runtimeTarget returns how to open the runtime of that name.
func runtimeTarget(name string) (openRuntime, error) {
	if name != localRuntime {
		return nil, fmt.Errorf("there is no runtime %q; the target is %q, the reference runtime", name, localRuntime)
	}
	return func(ctx context.Context, dir string) (host.Runtime, error) {
		return local.Open(ctx, local.Options{Dir: dir})
	}, nil
}

// runtimeGroups returns the checks of a runtime: most of them with nothing in front of it that could cover up for it, and
// those of the errors behind the guard, where callers meet it.
func runtimeGroups(open openRuntime) []conform.Group {
	bare := func(t conform.T) schema.Services { return openFor(t, open).Services() }
	guarded := func(t conform.T) schema.Services { return guard.New(bare(t)) }
	return slices.Concat(services.Runtime(bare), services.Errors(guarded))
}

// openFor opens a runtime for a check, or a group of them, and closes it afterwards.
func openFor(t conform.T, open openRuntime) host.Runtime {
	r, err := open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatalf("open the runtime: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeRuntime)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close the runtime: %v", err)
		}
	})
	return r
}

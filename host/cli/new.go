package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/workshop"
)

func (p *Program) newCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "new",
		Short: "Make the beginning of something",
		Long:  "new makes the beginning of something that you go on with.",
	}
	return group(c, p.newAgentCommand(), p.newExtensionCommand())
}

func (p *Program) newExtensionCommand() *cobra.Command {
	var plan workshop.Plan
	c := &cobra.Command{
		Use:   "extension NAME",
		Short: "Make an extension: a Go program with its test and a configuration",
		Long: `extension makes a directory with an extension that works: a Go program, its test, and a configuration in
which it runs beside the API server. Everything is written, built and tested in a directory beside it first;
if anything fails, nothing is left.

Then, in that directory, "stagehouse dev" runs it, and builds and reloads it on every save.`,
		Example: "  stagehouse new extension weather\n  cd weather\n  stagehouse dev",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			plan.Name, plan.Version = args[0], host.Version
			return p.newExtension(c.Context(), plan)
		},
	}
	c.Flags().StringVar(&plan.Dir, "dir", "", "directory to make (default ./NAME)")
	c.Flags().StringVar(&plan.Module, "module", "", "path of its Go module (default example.com/NAME)")
	c.Flags().StringVar(&plan.Source, "source", "", "directory with the sources of stagehouse, to build against those (default: the released "+host.Version+", or the sources around the current directory)")
	return c
}

func (p *Program) newExtension(ctx context.Context, plan workshop.Plan) error {
	if plan.Dir == "" {
		plan.Dir = plan.Name
	}
	if plan.Module == "" {
		plan.Module = "example.com/" + plan.Name
	}
	var err error
	if plan.Source, err = sourceOf(plan.Source); err != nil {
		return err
	}
	say := func(step string) { fmt.Fprintf(p.Stderr, "%s: %s …\n", plan.Name, step) }
	if err := workshop.New(ctx, plan, say); err != nil {
		return fmt.Errorf("make extension %s: %w", plan.Name, err)
	}
	_, err = fmt.Fprintf(p.Stdout, `%[1]s is a whole extension, built and tested. Run it, and change it while it runs:

    cd %[1]s
    %[2]s dev
    curl http://127.0.0.1:3002          # in another terminal; then change main.go, and ask again
`, plan.Dir, self())
	return err
}

// sourceOf returns the absolute path of the sources of stagehouse in dir. Without a dir, they are those that the current
// directory lies in, or "" if it does not.
func sourceOf(dir string) (string, error) {
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err == nil && !workshop.IsSource(abs) {
			err = fmt.Errorf("--source: there are no sources of stagehouse in %s; name the directory with its go.mod", dir)
		}
		return abs, err
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if workshop.IsSource(at) {
			return at, nil
		}
		above := filepath.Dir(at)
		if above == at {
			return "", nil
		}
		at = above
	}
}

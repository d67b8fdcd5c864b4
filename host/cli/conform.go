package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/schema/conform"
)

func (p *Program) conformCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "conform",
		Short: "Hold a runtime or an extension to the contract",
		Long: `conform runs checks against a runtime or an extension, in whatever language it is written, and says of each that fails
what was expected, what came, and where that is written. The ids of the checks are stable.

Exit codes: 0 all passed, 1 some failed, 2 nothing was checked (usage, no such target).`,
		Example: `  stagehouse conform runtime local
  stagehouse conform extension ./plugins/stagehouse-hello --config '{"address": "127.0.0.1:0"}'
  stagehouse conform extension api --config '{"port": 0}' --junit report.xml
  stagehouse conform runtime local --run 'once|events'`,
	}
	return group(c, p.conformRuntime(), p.conformExtension())
}

// conformFlags are the flags of both.
type conformFlags struct {
	run, junit, json string
	list             bool
	patience         time.Duration
}

func (f *conformFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.run, "run", "", "run only the checks whose id matches this regular expression")
	c.Flags().BoolVar(&f.list, "list", false, "print the ids of the checks, and run none")
	c.Flags().StringVar(&f.junit, "junit", "", "write a report as JUnit XML to this file (- = standard output)")
	c.Flags().StringVar(&f.json, "json", "", "write a report as JSON to this file (- = standard output)")
	c.Flags().DurationVar(&f.patience, "patience", conform.DefaultPatience, "how long a check waits for one thing")
}

func (f *conformFlags) runner() (conform.Runner, error) {
	if f.patience <= 0 {
		return conform.Runner{}, fmt.Errorf("--patience is %v; it is a time such as 30s", f.patience)
	}
	if f.junit == stdoutName && f.json == stdoutName {
		return conform.Runner{}, errors.New("--junit and --json cannot both be written to standard output")
	}
	r := conform.Runner{Patience: f.patience}
	if f.run == "" {
		return r, nil
	}
	var err error
	if r.Match, err = regexp.Compile(f.run); err != nil {
		return r, fmt.Errorf("--run is no regular expression: %w", err)
	}
	return r, nil
}

// stdoutName stands for standard output where a file is named.
const stdoutName = "-"

// conform runs the checks of a target, or lists them.
func (p *Program) conform(ctx context.Context, f *conformFlags, target string, groups []conform.Group) error {
	r, err := f.runner()
	if err != nil {
		return err
	}
	ids := r.Selected(groups)
	if len(ids) == 0 {
		return fmt.Errorf("no check has an id that matches %q; --list prints them", f.run)
	}
	if f.list {
		for _, id := range ids {
			if _, err := fmt.Fprintln(p.Stdout, id); err != nil {
				return err
			}
		}
		return nil
	}
	junit, err := p.createReport(f.junit)
	if err != nil {
		return err
	}
	asJSON, err := p.createReport(f.json)
	if err != nil {
		return errors.Join(err, junit.Close())
	}
	ctx, stop := p.untilSignal(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	text := p.Stdout
	if f.junit == stdoutName || f.json == stdoutName {
		text = p.Stderr
	}
	var unwritten error
	r.Told = func(res conform.Result) { unwritten = cmp.Or(unwritten, res.WriteText(text)) }
	report := r.Run(ctx, target, groups)
	err = errors.Join(unwritten, report.WriteSummary(text),
		report.WriteJUnit(junit), report.WriteJSON(asJSON), junit.Close(), asJSON.Close())
	switch {
	case err != nil:
		return failure{fmt.Errorf("write the report: %w", err)}
	case ctx.Err() != nil:
		return failure{errors.New("interrupted; what was not run counts as failed")}
	case report.Count(conform.Failed) > 0:
		return failure{errSaid}
	}
	return nil
}

// createReport makes the file of a report, before anything is checked. Without a path the report goes nowhere.
func (p *Program) createReport(path string) (io.WriteCloser, error) {
	switch path {
	case "":
		return standing{io.Discard}, nil
	case stdoutName:
		return standing{p.Stdout}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make the report: %w", err)
	}
	return file, nil
}

// standing is a writer that is not closed.
type standing struct{ io.Writer }

func (standing) Close() error { return nil }

package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// configFlags are the flags of the commands that read the configuration.
type configFlags struct {
	file     string
	set      []string
	logLevel string
}

func (f *configFlags) register(c *cobra.Command) {
	c.Flags().StringVarP(&f.file, "config", "c", "", "JSON configuration file (or STAGEHOUSE_CONFIG)")
	c.Flags().StringArrayVar(&f.set, "set", nil, "set one value, over file and environment: --set extensions.api.port=3002")
	c.Flags().StringVar(&f.logLevel, "log-level", "", "least important line to write: trace, debug, info, warn, error")
}

func (p *Program) sources(common *commonFlags, f *configFlags) config.Sources {
	file := f.file
	if file == "" {
		file = p.env("STAGEHOUSE_CONFIG")
	}
	s := config.Sources{File: file, Env: p.Environ, Set: f.set, Data: common.data, LogLevel: f.logLevel}
	if file == "" {
		s.Agents = character.Folder // as plugins without a file, in the working directory
	}
	return s
}

func (p *Program) validateCommand(common *commonFlags) *cobra.Command {
	var flags configFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate",
		Short: "Check a configuration without starting anything",
		Long: `validate reads the configuration as "run" would, asks every configured extension to check its
own block, and reports every problem at once, each with a JSON pointer to its place.

Exit code 0: it would start (there may be warnings). 2: it would not.`,
		Example: "  stagehouse validate --config stagehouse.json\n  stagehouse validate --config stagehouse.json --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			loader, err := p.loader()
			if err != nil {
				return err
			}
			sources := p.sources(common, &flags)
			_, problems, err := loader.Load(c.Context(), sources)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeProblemsJSON(c.OutOrStdout(), problems)
			} else {
				err = writeVerdict(c.OutOrStdout(), sources.File, problems)
			}
			if err == nil && problem.Fatal(problems) {
				err = errSaid
			}
			return err
		},
	}
	flags.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print {valid, problems} as JSON")
	return c
}

func writeProblemsJSON(w io.Writer, problems []schema.Problem) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if problems == nil {
		problems = []schema.Problem{}
	}
	return e.Encode(map[string]any{"valid": !problem.Fatal(problems), "problems": problems})
}

func writeVerdict(w io.Writer, file string, problems []schema.Problem) error {
	if file == "" {
		file = "the default configuration"
	}
	if err := writeProblems(w, problems); err != nil {
		return err
	}
	verdict := "is valid"
	if problem.Fatal(problems) {
		verdict = "is not valid"
	}
	_, err := fmt.Fprintf(w, "%s %s (%s)\n", file, verdict, count(problems))
	return err
}

// writeProblems prints problems for a person.
func writeProblems(w io.Writer, problems []schema.Problem) error {
	for _, p := range problems {
		at := p.Pointer
		if at != "" {
			at += ": "
		}
		if _, err := fmt.Fprintf(w, "%-8s %s%s\n", p.Severity, at, p.Message); err != nil {
			return err
		}
		if p.Suggestion == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "         → %s\n", p.Suggestion); err != nil {
			return err
		}
	}
	return nil
}

func count(problems []schema.Problem) string {
	var errs, warnings int
	for _, p := range problems {
		if p.Severity == schema.SeverityError {
			errs++
		} else {
			warnings++
		}
	}
	return plural(errs, "error") + ", " + plural(warnings, "warning")
}

func plural(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

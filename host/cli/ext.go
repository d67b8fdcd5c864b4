package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/plugin"
)

func (p *Program) extCommand(common *commonFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "ext",
		Short: "See, reload and follow the extensions of a running host",
		Long: `ext speaks to the host that runs at --data on this machine, as the same user.

A running host follows its configuration file and the programs of its extensions by itself; "ext reload" is for when
you want to wait for the result, or when nothing has changed that it could see, such as a secret in a file.

A runtime that is a process of its own stands among the extensions, as "runtime".

Exit codes: 0 done, 1 the host could not do it, 2 it was not asked (usage, an unknown name, no host at --data).`,
		Example: `  stagehouse ext list
  stagehouse ext reload api
  stagehouse ext logs api -f
  stagehouse ext describe api`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.extList(common), p.extReload(common), p.extLogs(common), p.extDescribe(common))
	return c
}

// withHost calls f with a client of the host at the data directory. What the host could not do is a failure; that it does
// not know a name is not.
func (p *Program) withHost(ctx context.Context, common *commonFlags, f func(ctx context.Context, c *host.Client) error) error {
	ctx, stop := p.untilSignal(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	data := p.dataDir(common)
	c, err := host.Connect(ctx, data)
	if errors.Is(err, host.ErrNoHost) {
		return fmt.Errorf("no host runs at %s; start one with %q, or name the directory of the one that runs with --data",
			data, self()+" run")
	}
	if err != nil {
		return err
	}
	defer c.Close()
	err = f(ctx, c)
	var refused *host.RefusedError
	switch {
	case err == nil, errors.Is(err, errSaid):
		return err
	case ctx.Err() != nil:
		return failure{errors.New("interrupted; a reload that was asked for goes on without this command")}
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return fmt.Errorf("%w; %s", err, known(ctx, c))
	}
	return failure{err}
}

// known says which extensions there are.
func known(ctx context.Context, c *host.Client) string {
	all, err := c.Extensions(ctx)
	if err != nil || len(all) == 0 {
		return "see extensions in the configuration"
	}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return "there is " + strings.Join(names, ", ")
}

func (p *Program) extList(common *commonFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the extensions and what each one is doing",
		Long: `list shows every enabled extension. GENERATION counts its processes: a reload that works begins the next one.

States: running     it serves
        starting    it does not serve yet
        restarting  it died or hung, and is started anew; clients wait
        waiting     for the process that it is attached to, which you start; clients wait
        broken      it died again and again, and is started only by a reload
        draining    it finishes what is in flight
        stopped     it does not run; below the table is why`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withHost(cmd.Context(), common, func(ctx context.Context, c *host.Client) error {
				all, err := c.Extensions(ctx)
				if err != nil {
					return err
				}
				if !asJSON {
					return writeExtensions(cmd.OutOrStdout(), all, dataArg(common))
				}
				vitals, err := c.Vitals(ctx)
				if err != nil {
					return err
				}
				return writeJSON(cmd.OutOrStdout(), map[string]any{"host": vitals, "extensions": all})
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON, and how the host is")
	return c
}

func (p *Program) extReload(common *commonFlags) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "reload [NAME | --all]",
		Short: "Replace an extension while it serves, or reload the configuration",
		Long: `reload NAME has the host read its configuration anew and replace that extension by a new process, even if nothing
about it has changed. reload --all replaces only what has changed: new extensions start, those that are gone or disabled
stop, the others are left alone. Where nothing but its block has changed, an extension that can takes that in place, without
another process.

The new process takes over only when it is well. If it does not get there, the old one goes on serving, and reload says
which generation failed, in which phase, why, and what to do, with exit code 1. --all is also what SIGHUP does.`,
		Example: "  stagehouse ext reload api\n  stagehouse ext reload --all",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) {
				return errors.New("ext reload: name the extension to replace, or give --all for everything that has changed")
			}
			name := ""
			if !all {
				name = args[0]
			}
			return p.withHost(cmd.Context(), common, func(ctx context.Context, c *host.Client) error {
				before, err := c.Extensions(ctx)
				if err != nil {
					return err
				}
				now, err := c.Reload(ctx, name)
				if err != nil {
					return p.explain(err)
				}
				for _, s := range now {
					if all || s.Name == name {
						fmt.Fprintf(cmd.OutOrStdout(), "%s is %s, generation %d%s\n", s.Name, s.State, s.Generation, inPlace(before, s))
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "read the configuration and replace everything that has changed")
	return c
}

// inPlace says whether an extension has taken another block since before without another generation.
func inPlace(before []plugin.Status, now plugin.Status) string {
	for _, s := range before {
		if s.Name == now.Name && s.Generation == now.Generation && !s.Reloaded.Equal(now.Reloaded) {
			return ", reloaded in place"
		}
	}
	return ""
}

// explain prints why a reload failed, and returns the error for the exit code.
func (p *Program) explain(err error) error {
	var refused *host.RefusedError
	if !errors.As(err, &refused) || refused.Status == http.StatusNotFound || len(refused.Failures) == 0 {
		return err
	}
	for _, f := range refused.Failures {
		fmt.Fprint(p.Stderr, failureText(f))
	}
	return failure{errSaid}
}

func failureText(f host.Failure) string {
	var b strings.Builder
	what := "the configuration was not reloaded"
	if f.Extension != "" {
		what = "extension " + f.Extension + " was not reloaded"
	}
	if f.Agent != "" {
		what = "agent " + f.Agent + " is not what is declared"
	}
	fmt.Fprintf(&b, "stagehouse: %s", what)
	switch {
	case f.Serving > 0:
		fmt.Fprintf(&b, "; generation %d goes on serving", f.Serving)
	case f.Agent != "":
		b.WriteString("; if it was there, it goes on as it was")
	case f.Extension != "":
		b.WriteString("; it does not serve")
	}
	b.WriteString("\n")
	for _, l := range []struct{ key, value string }{
		{"generation", number(f.Generation)}, {"phase", string(f.Phase)}, {"cause", f.Cause}, {"next", f.Next},
	} {
		if l.value != "" {
			fmt.Fprintf(&b, "  %-11s %s\n", l.key, l.value)
		}
	}
	return b.String()
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func (p *Program) extLogs(common *commonFlags) *cobra.Command {
	var follow, asJSON bool
	var n int
	c := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the last lines of the log about an extension, and follow it",
		Long: `logs prints what an extension has logged, and what the host has to say about it. The host keeps the last 1000 lines of
each extension, from level info on, whatever its own log level is. With -f it goes on until you interrupt it, over
reloads and restarts of the extension.`,
		Example: "  stagehouse ext logs api -n 20\n  stagehouse ext logs api -f\n  stagehouse ext logs api --json | jq .message",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 0 || n > 1000 {
				return fmt.Errorf("ext logs: -n is a number from 0 to 1000, and not %d", n)
			}
			return p.withHost(cmd.Context(), common, func(ctx context.Context, c *host.Client) error {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				for l, err := range c.Logs(ctx, args[0], n, follow) {
					if ctx.Err() != nil {
						return nil // told to stop
					}
					if err == nil && asJSON {
						err = encoder.Encode(l)
					} else if err == nil {
						_, err = fmt.Fprintln(cmd.OutOrStdout(), logText(l))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with the lines that come")
	c.Flags().IntVarP(&n, "lines", "n", 100, "how many of the last lines to begin with, up to 1000")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return c
}

func (p *Program) extDescribe(common *commonFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "describe NAME",
		Short: "Say what an extension is, what it needs, and which keys its block has",
		Long: `describe asks the program of an extension what it is: its version, the services that it cannot do without, and the
keys of its block of the configuration. --json has the whole JSON Schema of the block.`,
		Example: "  stagehouse ext describe api\n  stagehouse ext describe api --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withHost(cmd.Context(), common, func(ctx context.Context, c *host.Client) error {
				d, err := c.Describe(ctx, args[0])
				if err != nil {
					return p.explain(err)
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), d)
				}
				return writeDescription(cmd.OutOrStdout(), d)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print as JSON, with the JSON Schema of its block")
	return c
}

// troubled reports whether a person has to do something about an extension.
func troubled(s plugin.Status) bool {
	return s.LastError != "" && (s.State == plugin.StateStopped || s.State == plugin.StateBroken || s.State == plugin.StateRestarting || s.State == plugin.StateWaiting)
}

// Package cli is the command line of stagehouse. host/cmd/stagehouse gives it the built-in extensions and runs it.
//
// Exit codes: 0 done, 1 it went wrong while running, 2 it could not begin (usage, configuration, a taken port or data
// directory). Results go to standard output, everything else to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailed  = 1
	ExitRefused = 2
)

// Program is what the command line runs in.
type Program struct {
	Args     []string // without the name of the program
	Environ  []string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	BuiltIns map[string]func() // the main function of each built-in extension, by name
	Exit     func(code int)    // ends the process at once
}

// failure is an error that happened while running, after a good beginning.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// scrubbed is an error whose text shows no secret.
type scrubbed struct {
	error
	scrub func(string) string
}

func (s scrubbed) Error() string { return s.scrub(s.error.Error()) }

func (s scrubbed) Unwrap() error { return s.error }

// errSaid marks a failure that has been explained already.
var errSaid = errors.New("")

// Run runs one command and returns the exit code.
func (p *Program) Run(ctx context.Context) int {
	root := p.root()
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(p.Stderr, "stagehouse: %v\n", err)
	}
	if errors.As(err, new(failure)) {
		return ExitFailed
	}
	return ExitRefused
}

func (p *Program) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "stagehouse",
		Short: "An extension host for AI agents",
		Long: `stagehouse runs AI agents and serves them to the world through extensions: separate
processes that it starts, supervises and drains. The first one, "api", is a REST and
WebSocket server.

Start here, without any configuration:

  stagehouse run             serve the agents nyx and aria on 127.0.0.1:3001
  stagehouse chat nyx        in a second terminal: talk to one of them

State is kept in ./stagehouse-data; --data or STAGEHOUSE_DATA place it elsewhere.
Exit codes: 0 done, 1 failed while running, 2 could not begin.`,
		Version:           host.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return notEmpty(c, "data", "config", "log-level", "url", "token", "conversation", "by", "agent", "principal", "run", "since", "until")
		},
	}
	c.SetVersionTemplate("stagehouse {{.Version}}\n")
	var common commonFlags
	c.PersistentFlags().StringVar(&common.data, "data", "", "directory of all state (default "+config.DefaultData+", or STAGEHOUSE_DATA)")
	c.AddCommand(p.runCommand(&common), p.validateCommand(&common), p.chatCommand(&common), p.tokenCommand(&common),
		p.extCommand(&common), p.memoryCommand(&common), p.usageCommand(&common), p.newCommand(), p.devCommand(&common), p.conformCommand(),
		p.versionCommand(), p.extensionCommand())
	return c
}

// commonFlags are the flags of every command.
type commonFlags struct{ data string }

// notEmpty refuses flags that are given and empty: an unset variable of the shell must not start a host in the wrong place.
func notEmpty(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := c.Flag(name); f != nil && f.Changed && f.Value.String() == "" {
			return fmt.Errorf("--%s is empty; leave it out for the default", name)
		}
	}
	return nil
}

// dataDir returns the data directory for the commands that read no configuration.
func (p *Program) dataDir(f *commonFlags) string {
	if f.data != "" {
		return f.data
	}
	if d := p.env("STAGEHOUSE_DATA"); d != "" {
		return d
	}
	return config.DefaultData
}

func (p *Program) env(name string) string {
	for _, e := range p.Environ {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			return v
		}
	}
	return ""
}

// loader reads configurations for a host whose built-in extensions are this very executable.
func (p *Program) loader() (config.Loader, error) {
	self, err := selfPath()
	if err != nil {
		return config.Loader{}, fmt.Errorf("find the program's own file: %w", err)
	}
	builtIns := map[string]config.Command{}
	for name := range p.BuiltIns {
		builtIns[name] = config.Command{Path: self, Args: []string{"extension", name}, BuiltIn: true}
	}
	starters, err := json.Marshal(local.StarterAgents())
	if err != nil {
		return config.Loader{}, fmt.Errorf("encode the starter agents: %w", err)
	}
	return config.Loader{
		BuiltIns: builtIns, Brains: []string{local.BuiltinBrain}, Starters: starters, Check: host.Check, BrainProblems: local.BrainProblems,
	}, nil
}

// self returns how a person calls this program.
func self() string {
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") { // go run builds there
		return "go run ./host/cmd/stagehouse"
	}
	return shellQuote(os.Args[0])
}

// extensionCommand runs a built-in extension. The host calls it; for a person it explains itself.
func (p *Program) extensionCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "extension NAME",
		Short:              "Run a built-in extension (the host does this)",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("extension: name the extension to run")
			}
			main, ok := p.BuiltIns[args[0]]
			if !ok {
				return fmt.Errorf("extension: %q is not built in", args[0])
			}
			if !p.calledByHost() && !slices.Contains([]string{"describe", "check"}, args[len(args)-1]) {
				return explainBuiltIn(args[0])
			}
			main()
			return nil
		},
	}
}

// calledByHost reports whether a host has started this program as an extension.
func (p *Program) calledByHost() bool {
	return p.env(protocol.CookieKey) == protocol.CookieValue || p.env(protocol.EnvCheck) == "1"
}

func explainBuiltIn(name string) error {
	return fmt.Errorf(`the extension %[1]s is built in: "stagehouse run" runs it, with the block extensions.%[1]s of the configuration

%[2]s extension %[1]s describe    prints what it is, with the JSON Schema of its block
%[2]s extension %[1]s check       reads its block on standard input and prints what is wrong with it`, name, self())
}

func (p *Program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), "stagehouse "+host.Version+" "+buildDetails())
			return err
		},
	}
}

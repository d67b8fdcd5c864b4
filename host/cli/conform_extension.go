package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/token"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/trial"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

func (p *Program) conformExtension() *cobra.Command {
	var flags conformFlags
	var block, brain string
	c := &cobra.Command{
		Use:   "extension TARGET [-- ARGUMENT...]",
		Short: "Hold the program of an extension to the contract",
		Long: `extension checks whether a program is an extension: what it says of itself, the order of its life, how strict it is about
its configuration, what it thinks with for agents, how its process ends, and whether a host can run, replace and stop it. TARGET is a program in any language,
or the name of a built-in extension; what follows -- are arguments of the program.

The program is run many times, with the block of --config, against the reference runtime with the agents nyx and aria. Give
it port 0, so that its processes are not in each other's way. If it has a brain, --brain says options with which that answers
in several pieces; where the model behind it cannot be asked, what needs an answer is skipped. An extension in Go is held to most of the checks by
sdktest.TestExtension, too, without building it.`,
		Example: `  stagehouse conform extension ./plugins/stagehouse-hello --config '{"address": "127.0.0.1:0"}'
  stagehouse conform extension api --config '{"port": 0}'
  stagehouse conform extension ./plugins/stagehouse-brain --brain '{"upTo": 20}'
  stagehouse conform extension node --config block.json -- dist/main.js`,
		Args: oneTarget,
		RunE: func(c *cobra.Command, args []string) error {
			spec, err := p.extensionTarget(args[0], args[1:])
			if err != nil {
				return err
			}
			program := trial.Program{Spec: spec, Services: trialServices}
			if program.Spec.Config, err = readObject("the block of --config", block); err != nil {
				return err
			}
			if program.Brain, err = readObject("the options of --brain", brain); err != nil {
				return err
			}
			return p.conform(c.Context(), &flags, args[0], program.Groups())
		},
	}
	flags.register(c)
	c.Flags().StringVar(&block, "config", "", "the block of its configuration: JSON, or a file with it (default {})")
	c.Flags().StringVar(&brain, "brain", "", "options of its brain: JSON, or a file with it (default what it requires)")
	return c
}

// extensionTarget returns how to run an extension: a built-in one, or a program.
func (p *Program) extensionTarget(target string, args []string) (plugin.Spec, error) {
	if _, ok := p.BuiltIns[target]; ok {
		path, err := selfPath()
		if err != nil {
			return plugin.Spec{}, fmt.Errorf("find the program's own file: %w", err)
		}
		return plugin.Spec{Name: target, Path: path, Args: slices.Concat([]string{"extension", target}, args)}, nil
	}
	return programTarget(target, args, "extension")
}

// programTarget returns how to run a program.
func programTarget(target string, args []string, kind string) (plugin.Spec, error) {
	path, err := exec.LookPath(target)
	if err != nil {
		return plugin.Spec{}, fmt.Errorf("there is no program %q, and no built-in %s of that name: %w", target, kind, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return plugin.Spec{}, err
	}
	name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "stagehouse-")
	return plugin.Spec{Name: name, Path: path, Args: args}, nil
}

// oneTarget refuses everything but one target, with its own arguments after --.
func oneTarget(c *cobra.Command, args []string) error {
	if before := c.ArgsLenAtDash(); len(args) == 0 || before == 0 || before < 0 && len(args) > 1 || before > 1 {
		return fmt.Errorf("%s: name one target to check; its own arguments come after --", c.CommandPath())
	}
	return nil
}

// readObject returns the JSON object that a flag has, or names the file of. What says what it is.
func readObject(what, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	b := []byte(strings.TrimSpace(text))
	if !bytes.HasPrefix(b, []byte("{")) {
		var err error
		if b, err = os.ReadFile(text); err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
	}
	var block map[string]any
	if err := json.Unmarshal(b, &block); err != nil {
		return nil, fmt.Errorf("%s: this is no JSON object: %w", what, err)
	}
	return b, nil
}

// trialServices are what a host offers that has just been set up: the reference runtime, with the guard in front of it, and
// its tokens.
func trialServices(t conform.T) schema.Services {
	s := services.OpenIn(openLocal).In()(t)
	tokens := token.Open(t.TempDir())
	if _, _, err := tokens.EnsureAdmin(); err != nil {
		t.Fatalf("make the host's token: %v", err)
	}
	s.Identity = tokens
	return guard.New(s)
}

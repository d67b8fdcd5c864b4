package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/character"
	"github.com/stagehouse/stagehouse/host/config"
)

// agentSchema is where editors find the schema of what new agent writes.
const agentSchema = "https://raw.githubusercontent.com/stagehouse/stagehouse/v" + host.Version + "/schema/config/agent.schema.json"

func (p *Program) newAgentCommand() *cobra.Command {
	var file, from string
	c := &cobra.Command{
		Use:   "agent NAME",
		Short: "Make an agent: a file in the folder agents",
		Long: `agent writes agents/NAME.json beside the configuration, or in the current directory without one: an agent that
works, for you to change. A host that runs takes it up, and every change of it, within a second.

With --from, the agent is made of a character of another format: a SYMindX character, or a character card (v2; also v1
and v3 as far as they are the same), as JSON or inside a PNG image. What could not be carried over is listed.

No file is ever replaced.`,
		Example: "  stagehouse new agent luna\n  stagehouse new agent luna --from luna.card.png\n  stagehouse new agent luna --config /etc/stagehouse/stagehouse.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := notEmpty(c, "from"); err != nil {
				return err
			}
			if file == "" {
				file = p.env("STAGEHOUSE_CONFIG")
			}
			if err := p.newAgent(c.Context(), args[0], file, from); err != nil {
				return fmt.Errorf("make agent %s: %w", args[0], err)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&file, "config", "c", "", "JSON configuration file that the agent is for (or STAGEHOUSE_CONFIG)")
	c.Flags().StringVar(&from, "from", "", "file of a character of another format to make it of")
	return c
}

func (p *Program) newAgent(ctx context.Context, name, file, from string) error {
	made := character.Converted{Character: character.Sample(name)}
	if from != "" {
		text, err := readForeign(from)
		if err != nil {
			return err
		}
		if made, err = character.Convert(name, text); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	made.Character.Schema = agentSchema
	dir := character.Folder
	if file != "" {
		dir = config.Sources{File: file}.Folder()
	}
	path, err := character.Write(ctx, dir, name, made.Character)
	if err != nil {
		return err
	}
	return p.tellAgent(name, path, file, made)
}

// readForeign reads a file of bounded size.
func readForeign(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(in, character.MaxForeignBytes+1))
}

// tellAgent says what was made, what is not in it, and what to do next.
func (p *Program) tellAgent(name, path, file string, made character.Converted) error {
	var b strings.Builder
	if made.Format == "" {
		fmt.Fprintf(&b, "%s is an agent that works. Change it: its schema says what each key means.\n", path)
	} else {
		fmt.Fprintf(&b, "%s is an agent, made of a %s.\n", path, made.Format)
	}
	if len(made.Lost) > 0 {
		b.WriteString("\nThis could not be carried over:\n")
	}
	for _, l := range made.Lost {
		fmt.Fprintf(&b, "  %s: %s\n", l.Place, l.Why)
	}
	config := ""
	if file != "" {
		config = " --config " + shellQuote(filepath.ToSlash(file))
	}
	fmt.Fprintf(&b, `
A host that runs with this configuration has it within a second. If there is none:

    %[1]s run%[2]s
    %[1]s chat %[3]s          # in another terminal
`, self(), config, shellQuote(name))
	_, err := fmt.Fprint(p.Stdout, b.String())
	return err
}

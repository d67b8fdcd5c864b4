package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagehouse/stagehouse/schema/problem"
)

// group makes c a command that only holds others. Alone it prints its help; a word that is none of them is refused, which
// cobra does at the root and nowhere else.
func group(c *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	c.AddCommand(commands...)
	c.DisableFlagsInUseLine = true
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(c, args[0])
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.SetFlagErrorFunc(func(of *cobra.Command, err error) error {
		if of == c && c.Flags().NArg() > 0 { // the flag is one of the command that is meant
			return unknownCommand(c, c.Flags().Arg(0))
		}
		return err
	})
	return c
}

func unknownCommand(c *cobra.Command, name string) error {
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	hint := "the commands are " + strings.Join(known, ", ")
	if near := problem.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Errorf("unknown command %q for %q; %s", name, c.CommandPath(), hint)
}

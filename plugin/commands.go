package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// maxCommands of one extension.
const maxCommands = 256

// TakenError says that an extension has a command that another one has already.
type TakenError struct{ Command, By string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("its command %q is also one of the extension %s, and agents could not tell them apart", e.Command, e.By)
}

// Commands returns what the running extensions let agents do. Whoever calls it carries the caller in the context.
func (m *Manager) Commands() schema.Commands { return commands{m} }

type commands struct{ m *Manager }

// List returns the commands of all extensions that the caller may have carried out, also of one that is being restarted.
func (c commands) List(ctx context.Context) ([]schema.Command, error) {
	caller := schema.CallerFrom(ctx)
	var all []schema.Command
	for _, e := range c.m.all() {
		all = append(all, e.commands()...)
	}
	all = slices.DeleteFunc(all, func(x schema.Command) bool { return !caller.Can(x.Scope) })
	slices.SortFunc(all, func(a, b schema.Command) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Run carries a command out in the generation that serves. One that does not begin because its generation leaves at this very
// moment is begun in the next one.
func (c commands) Run(ctx context.Context, call schema.CommandCall) (schema.Object, error) {
	e, command := c.find(call.Name)
	caller := schema.CallerFrom(ctx)
	switch {
	case e == nil:
		return nil, schema.Errorf(schema.CodeNotFound, "there is no command %.80q", call.Name)
	case !caller.Can(command.Scope):
		return nil, schema.Errorf(schema.CodePermissionDenied, "the command %s needs the scope %q, which the caller does not have", call.Name, command.Scope)
	}
	ctx, cancel := context.WithTimeout(ctx, command.Timeout())
	defer cancel()
	var last *generation
	for {
		g := e.serving()
		if g == nil || g == last {
			return nil, schema.Errorf(schema.CodeUnavailable, "the extension %s, whose command %s is, does not run at the moment; try again", e.name, call.Name)
		}
		result, err := g.run(ctx, call)
		if !wire.NotBegun(err) {
			return result, g.commandError(ctx, command, err)
		}
		last = g
	}
}

// run carries a command out, unless the generation leaves.
func (g *generation) run(ctx context.Context, call schema.CommandCall) (schema.Object, error) {
	if !g.calls.Begin() {
		return nil, errLeaving
	}
	defer g.calls.End()
	return wire.RunCommand(ctx, pb.NewCommandsClient(g.proc.Conn()), call)
}

// commandError tells what a person makes of the error of a command.
func (g *generation) commandError(ctx context.Context, c schema.Command, err error) error {
	if err == nil {
		return nil
	}
	switch schema.CodeOf(err) {
	case schema.CodeDeadlineExceeded:
		if deadline, _ := ctx.Deadline(); !time.Now().Before(deadline) { // ctx itself may hear of it later than the extension
			return schema.Errorf(schema.CodeDeadlineExceeded, "the command %s did not finish within %v", c.Name, c.Timeout())
		}
	case schema.CodeUnavailable:
		if !wire.Answered(err) {
			return schema.Errorf(schema.CodeUnavailable, "the extension %s went away while it carried out the command %s, which may be done or not", g.spec.Name, c.Name)
		}
	}
	return err
}

// find returns the extension that has a command.
func (c commands) find(name string) (*extension, schema.Command) {
	for _, e := range c.m.all() {
		for _, x := range e.commands() {
			if x.Name == name {
				return e, x
			}
		}
	}
	return nil, schema.Command{}
}

// commands returns what the extension lets agents do: the generation that serves, or that served last.
func (e *extension) commands() []schema.Command {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lastCommands)
}

// serving returns the generation that serves; nil = none does.
func (e *extension) serving() *generation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.current
}

// takeCommands reads what a generation lets agents do, if the extension may add to that, and has nobody else take the names.
func (g *generation) takeCommands(m *Manager, in []*pb.Command) error {
	if len(in) == 0 {
		return nil
	}
	if len(in) > maxCommands {
		return fmt.Errorf("it has %d commands, and may have %d", len(in), maxCommands)
	}
	if g.spec.Grants != nil && !slices.Contains(g.spec.Grants, schema.GrantCommands) {
		g.log.Warn("the extension has commands for agents and is not granted to add them",
			"remedy", fmt.Sprintf("add %q to extensions.%s.plugin.grants", schema.GrantCommands, g.spec.Name))
		return nil
	}
	for _, x := range in {
		c := wire.FromCommand(x)
		if err := c.Validate(); err != nil {
			return fmt.Errorf("it has a command that cannot be: %s", strings.TrimPrefix(err.Error(), string(schema.CodeInvalidArgument)+": "))
		}
		if slices.ContainsFunc(g.commands, func(d schema.Command) bool { return d.Name == c.Name }) {
			return fmt.Errorf("it has two commands of the name %s", c.Name)
		}
		g.commands = append(g.commands, c)
	}
	return m.claim(g.spec.Name, g.commands)
}

// claim takes the names of commands for an extension, or says who has one of them.
func (m *Manager) claim(extension string, commands []schema.Command) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range commands {
		if by, ok := m.claims[c.Name]; ok && by != extension {
			return &TakenError{Command: c.Name, By: by}
		}
	}
	for _, c := range commands {
		m.claims[c.Name] = extension
	}
	return nil
}

// release lets go of the names of commands that an extension does not have, whatever it wanted.
func (m *Manager) release(extension string, has []schema.Command) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, by := range m.claims {
		if by == extension && !slices.ContainsFunc(has, func(c schema.Command) bool { return c.Name == name }) {
			delete(m.claims, name)
		}
	}
	for _, c := range has {
		m.claims[c.Name] = extension
	}
}

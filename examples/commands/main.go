// Command commands is an extension that lets agents roll dice and say who else is there. Say "/roll 2d6" to one.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/stagehouse/stagehouse/sdk"
)

type tools struct{ host *sdk.Host }

type dice struct {
	Dice string `json:"dice" required:"true" pattern:"^[1-9][0-9]?d[1-9][0-9]{0,2}$" doc:"How many of how many sides, such as 2d6"`
}

type rolled struct {
	Text  string `json:"text"`
	Rolls []int  `json:"rolls"`
	Total int    `json:"total"`
}

type nothing struct{}

type present struct {
	Text string `json:"text"`
}

// Commands says what agents can do by means of the extension.
func (x *tools) Commands() []sdk.Command {
	return []sdk.Command{
		sdk.NewCommand("roll", "Rolls dice and tells what came of it.", x.roll),
		sdk.NewCommand("present", "Tells which agents there are and what they do.", x.present),
	}
}

func (x *tools) roll(_ context.Context, _ sdk.CommandCall, in dice) (out rolled, err error) {
	var n, sides int
	if _, err := fmt.Sscanf(in.Dice, "%dd%d", &n, &sides); err != nil {
		return out, err
	}
	for range n {
		out.Rolls = append(out.Rolls, 1+rand.IntN(sides))
		out.Total += out.Rolls[len(out.Rolls)-1]
	}
	out.Text = fmt.Sprintf("%s is %d: %v", in.Dice, out.Total, out.Rolls)
	return out, nil
}

// present asks the host on behalf of whoever speaks to the agent.
func (x *tools) present(ctx context.Context, c sdk.CommandCall, _ nothing) (present, error) {
	page, err := x.host.Agents.List(ctx, sdk.AgentQuery{})
	var who []string
	for _, a := range page.Agents {
		if a.ID != c.AgentID {
			who = append(who, a.Name+" is "+string(a.Status))
		}
	}
	return present{Text: "Beside me: " + strings.Join(who, ", ")}, err
}

func (x *tools) Start(_ context.Context, h *sdk.Host) error {
	x.host = h
	return nil
}

func definition() sdk.Definition {
	return sdk.Definition{
		Name: "commands", Version: "1.0.0", Summary: "Dice, and who is there", Requires: []string{sdk.ServiceAgents},
		New: func() sdk.Extension { return &tools{} },
	}
}

func main() { sdk.Main(definition()) }

// Command runtime-process is the reference runtime as a process of its own, which a host runs, watches over and replaces.
package main

import (
	"context"

	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/sdk"
)

type runtime struct {
	Agents []local.AgentSpec `json:"agents,omitempty" doc:"The declared agents. Absent: nyx and aria"`

	*local.Runtime `json:"-"` // has Close, and Publish
}

func (r *runtime) Open(ctx context.Context, h *sdk.RuntimeHost) (sdk.Services, error) {
	var err error
	r.Runtime, err = local.Open(ctx, local.Options{Dir: h.Dir, Agents: r.Agents, Logger: h.Log, UseBrains: h.Brains != nil})
	if err != nil {
		return sdk.Services{}, err
	}
	if h.Commands != nil { // a host of an earlier release has none to offer
		r.UseCommands(h.Commands)
	}
	if h.Brains != nil {
		r.UseBrains(h.Brains)
	}
	return r.Services(), nil
}

func main() {
	sdk.ServeRuntime(sdk.RuntimeDefinition{
		Name: "reference", Version: "1.0.0", New: func() sdk.Runtime { return &runtime{} },
		Offers: []string{sdk.ServiceAgents, sdk.ServiceChat, sdk.ServiceMemory, sdk.ServiceEvents, sdk.ServiceUsage},
	})
}

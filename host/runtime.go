package host

import (
	"context"
	"encoding/json"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// CommandUser is a Runtime whose agents can carry out the commands of extensions. The host calls UseCommands once, before any
// extension runs. What there is changes when extensions do; see schema.Commands.
type CommandUser interface{ UseCommands(schema.Commands) }

// BrainUser is a Runtime whose agents can think with the brains of extensions. The host calls UseBrains once, before any extension
// runs, so that agents which are running by then have no brain yet. What there is changes when extensions do; see schema.Brains.
type BrainUser interface{ UseBrains(schema.Brains) }

// Declarer is a Runtime that can be told, while it runs, which agents the configuration declares. With one that is none, they are
// what they were when it was opened.
type Declarer interface {
	// DeclareAgents has the agents of a JSON array be all that is declared: config.Config.Agents, where nil is that nothing is said
	// of agents. What has not changed is left alone. A joined error tells of agents one by one; one with a method AgentID() string
	// says which. The others are as they are declared. Host.Reload calls it, one call at a time.
	DeclareAgents(ctx context.Context, agents json.RawMessage) error
}

// Runtime is where agents live. host/local is the reference; anything that offers the services can take its place.
type Runtime interface {
	// Services returns what the runtime offers; a nil service is one that it does not. The host puts authorisation and
	// the bounds of the contract in front of it, so that a runtime need not.
	Services() schema.Services
	// Close finishes the turns that are running until ctx is done, cancels the rest, and makes everything durable.
	Close(ctx context.Context) error
}

// A runtime that is a process is given what others are, and its process by the sdk as RuntimeHost.HostServices.
var _ CommandUser = (*plugin.Runtime)(nil)

package host

import (
	"context"

	"github.com/stagehouse/stagehouse/host/memories"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
)

// CommandUser is a Runtime whose agents can carry out the commands of extensions. The host calls UseCommands once, before any
// extension runs. What there is changes when extensions do; see schema.Commands.
type CommandUser interface{ UseCommands(schema.Commands) }

// BrainUser is a Runtime whose agents can think with the brains of extensions. The host calls UseBrains once, before any extension
// runs, so that agents which are running by then have no brain yet. What there is changes when extensions do; see schema.Brains.
type BrainUser interface{ UseBrains(schema.Brains) }

// MemoryKeeper is a Runtime whose memories are kept by package memories. The host has them embedded as its configuration says, also
// when that changes, and looks at, exports and imports them for "stagehouse memory".
type MemoryKeeper interface{ Memories() *memories.Memory }

// Runtime is where agents live. host/local is the reference; anything that offers the services can take its place.
type Runtime interface {
	// Services returns what the runtime offers; a nil service is one that it does not. The host puts authorisation and
	// the bounds of the contract in front of it, so that a runtime need not.
	Services() schema.Services
	// Close finishes the turns that are running until ctx is done, cancels the rest, and makes everything durable.
	Close(ctx context.Context) error
}

// A runtime that is a process is given what others are, and its process by the sdk as RuntimeHost.HostServices.
var (
	_ CommandUser = (*plugin.Runtime)(nil)
	_ BrainUser   = (*plugin.Runtime)(nil)
)

package plugin

import (
	"context"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/schema"
)

// hostOffer is what the host offers to the processes of a runtime. They are there before the extensions that it comes from; so
// every process is told of all of it, and what is not there yet is empty.
type hostOffer struct {
	commands atomic.Pointer[schema.Commands]
}

func (o *hostOffer) services() schema.HostServices {
	return schema.HostServices{Commands: offeredCommands{o}}
}

type offeredCommands struct{ *hostOffer }

func (o offeredCommands) List(ctx context.Context) ([]schema.Command, error) {
	if c := o.commands.Load(); c != nil {
		return (*c).List(ctx)
	}
	return nil, nil
}

func (o offeredCommands) Run(ctx context.Context, call schema.CommandCall) (schema.Object, error) {
	if c := o.commands.Load(); c != nil {
		return (*c).Run(ctx, call)
	}
	return nil, schema.Errorf(schema.CodeNotFound, "there is no command %.80q", call.Name)
}

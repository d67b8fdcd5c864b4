package plugin

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/schema"
)

// hostOffer is what the host offers to the processes of a runtime. They are there before the extensions that it comes from; so
// every process is told of all of it, and what is not there yet is empty.
type hostOffer struct {
	commands atomic.Pointer[schema.Commands]
	brains   atomic.Pointer[schema.Brains]
}

func (o *hostOffer) services() schema.HostServices {
	return schema.HostServices{Commands: offeredCommands{o}, Brains: offeredBrains{o}}
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

type offeredBrains struct{ *hostOffer }

func (o offeredBrains) List(ctx context.Context) ([]schema.BrainInfo, error) {
	if b := o.brains.Load(); b != nil {
		return (*b).List(ctx)
	}
	return nil, nil
}

func (o offeredBrains) Think(ctx context.Context, r schema.ThinkRequest) iter.Seq2[schema.ThinkEvent, error] {
	if b := o.brains.Load(); b != nil {
		return (*b).Think(ctx, r)
	}
	return func(yield func(schema.ThinkEvent, error) bool) { yield(schema.ThinkEvent{}, noBrainYet(r.Provider)) }
}

func (o offeredBrains) Embed(ctx context.Context, r schema.EmbedRequest) (schema.Embeddings, error) {
	if b := o.brains.Load(); b != nil {
		return (*b).Embed(ctx, r)
	}
	return schema.Embeddings{}, noBrainYet(r.Provider)
}

// noBrainYet is what a runtime is told whose turn begins before the host has its extensions.
func noBrainYet(provider string) error {
	return schema.Errorf(schema.CodeUnavailable, "the host has no extensions yet, and so no brain %.80q; try again", provider)
}

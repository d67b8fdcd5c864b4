package local

import (
	"context"
	"slices"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Publish appends an event that is not the runtime's own to the log, durably, and gives it its place and its time. It
// implements host.Publisher, and is safe for concurrent use.
func (r *Runtime) Publish(ctx context.Context, e schema.Event) error {
	if !slices.Contains(schema.EventTypes(), e.Type) {
		return schema.Errorf(schema.CodeInvalidArgument, "%q is not an event that can be published", e.Type)
	}
	e.Time = r.now()
	return fault.Of(r.log, "publish event", r.store.Update(ctx, func(tx store.Tx) error { return tx.AppendEvent(&e) }))
}

// appendEvent adds an event with that payload to the log, now.
func (r *Runtime) appendEvent(tx store.Tx, e schema.Event, payload any) error {
	_, err := store.Append(tx, e, r.now(), payload)
	return err
}

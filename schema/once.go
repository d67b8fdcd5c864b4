package schema

import (
	"context"
	"sync/atomic"
	"time"
)

// OnceFor is for how long a runtime knows what came of a request with a key.
const OnceFor = 24 * time.Hour

// Once has a change happen once however often it is asked for. A runtime keeps, in the very commit of the change, what came
// of the first request of a principal with that Key and Scope, for OnceFor; a request that repeats it changes nothing and
// gets the same result, or the same error. Errors that may be another the next time are not kept: those whose code is
// retryable, or whose HTTP status is 500 or above.
//
// It applies to Agents.Create, Update, Delete, Start and Stop, to Chat.Send, Cancel, CreateConversation and UpdateConversation, and to
// Memory.Store; Chat.Route heeds it; others ignore it.
type Once struct {
	Key    string // the client's choice, 1 to MaxOnceBytes bytes
	Scope  string // what is asked for, such as "POST /api/memory/store": the same key elsewhere is another one
	Digest string // of the request. One with the same Key and Scope and another Digest is CodeKeyReused

	replayed atomic.Bool
}

// Replay says that the result is that of an earlier request. A runtime calls it, or who speaks to one.
func (o *Once) Replay() { o.replayed.Store(true) }

// Replayed reports whether the result was that of an earlier request.
func (o *Once) Replayed() bool { return o.replayed.Load() }

type onceKey struct{}

// WithOnce returns a context for one call, whose change happens once.
func WithOnce(ctx context.Context, o *Once) context.Context {
	return context.WithValue(ctx, onceKey{}, o)
}

// OnceFrom returns what WithOnce has put into ctx, or nil.
func OnceFrom(ctx context.Context) *Once {
	o, _ := ctx.Value(onceKey{}).(*Once)
	return o
}

// Validate returns nil or one CodeInvalidArgument error that names every wrong value. A nil Once is valid.
func (o *Once) Validate() error {
	if o == nil {
		return nil
	}
	var c check
	c.text("idempotencyKey", o.Key, true, MaxOnceBytes)
	c.text("idempotencyScope", o.Scope, true, MaxOnceBytes)
	c.text("idempotencyDigest", o.Digest, true, MaxOnceBytes)
	return c.err("carry out once")
}

// Keeps reports whether an error is kept as the result of a request with a key.
func (o *Once) Keeps(err error) bool {
	e := AsError(err)
	return e != nil && !e.Code.Retryable() && e.Code.HTTPStatus() < 500 && e.Code != CodeKeyReused
}

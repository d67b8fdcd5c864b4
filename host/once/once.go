// Package once has a change happen once however often it is asked for: it keeps schema.Once for a runtime whose state is in a
// store.Store, in a database or in memory.
//
// What came of a request is kept in the very commit of its change, so that there is no moment at which one is there without
// the other. A method of a runtime that changes something in one transaction is one call of [Do]:
//
//	func (r *Runtime) Rename(ctx context.Context, id, name string) (schema.Agent, error) {
//		return once.Do(ctx, r.once, explain, func(tx store.Tx) (schema.Agent, error) {
//			…
//		})
//	}
//
// Where something expensive comes before the transaction, [Earlier] says first whether there is need for it; what takes more
// than one transaction, and may well be done twice, is kept afterwards by [Keep]. A call whose caller does not ask for once is
// carried out, and nothing is kept.
package once

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// tidying is how many outcomes that are too old are deleted with each that is kept, so that there are never many.
const tidying = 2

// Keeper keeps what comes of requests in a store. All its functions are safe for concurrent use.
type Keeper struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger
}

// New returns a keeper that tells by now, nil = time.Now, how old an outcome is. What it cannot keep, although nothing depends on it, it says in
// log.
func New(s store.Store, now func() time.Time, log *slog.Logger) *Keeper {
	return &Keeper{store: s, now: store.Clock(now), log: log}
}

// outcome is what came of a request, as it is kept.
type outcome struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *keptError      `json:"error,omitempty"`
}

type keptError struct {
	Code    schema.ErrorCode    `json:"code"`
	Message string              `json:"message"`
	Fields  []schema.FieldError `json:"fields,omitempty"`
	Details schema.Object       `json:"details,omitempty"`
}

// Do carries change out in one transaction. Where ctx says that the caller may ask for it again, what comes of it is kept
// in the same commit, as JSON; where the caller does ask for it again, nothing is changed, and it gets that. explain words the
// errors of change and of the store; change may run more than once, as store.Store.Update says.
func Do[T any](ctx context.Context, k *Keeper, explain func(error) error, change func(tx store.Tx) (T, error)) (out T, err error) {
	o := schema.OnceFrom(ctx)
	replayed := false
	err = k.store.Update(ctx, func(tx store.Tx) (err error) {
		if out, replayed, err = earlier[T](ctx, k, tx); replayed || err != nil {
			return err
		}
		if out, err = change(tx); err != nil || o == nil {
			return err
		}
		return k.keep(ctx, tx, out, nil)
	})
	if replayed {
		o.Replay()
	}
	if err == nil {
		return out, nil
	}
	if err = explain(err); !replayed {
		k.Failure(ctx, err)
	}
	var none T
	return none, err
}

// Earlier returns what came of the request that the caller repeats; ok is false if it repeats none.
func Earlier[T any](ctx context.Context, k *Keeper) (out T, ok bool, err error) {
	o := schema.OnceFrom(ctx)
	if o == nil {
		return out, false, nil
	}
	err = k.store.View(ctx, func(rd store.Reader) error {
		out, ok, err = earlier[T](ctx, k, rd)
		return err
	})
	if ok {
		o.Replay()
	}
	return out, ok || err != nil, fault.Of(k.log, "look for an earlier request", err)
}

// earlier is Earlier inside a transaction.
func earlier[T any](ctx context.Context, k *Keeper, rd store.Reader) (out T, ok bool, err error) {
	o := schema.OnceFrom(ctx)
	if o == nil {
		return out, false, nil
	}
	kept, err := rd.Outcome(schema.CallerFrom(ctx).Principal, o.Scope, o.Key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && k.now().Sub(kept.At) > schema.OnceFor:
		return out, false, nil
	case err != nil:
		return out, false, err
	case kept.Digest != o.Digest:
		return out, false, schema.Errorf(schema.CodeKeyReused,
			"the idempotency key %.80q belongs to another request; choose a new key for every request, and repeat one with the same key only as it was", o.Key)
	}
	var came outcome
	if err := json.Unmarshal(kept.Result, &came); err != nil {
		return out, false, fmt.Errorf("read what came of an earlier request: %w", err)
	}
	if e := came.Error; e != nil {
		return out, true, &schema.Error{Code: e.Code, Message: e.Message, Fields: e.Fields, Details: e.Details}
	}
	return out, true, json.Unmarshal(came.Value, &out)
}

// keep keeps what came of the request of ctx: a value, or why it failed.
func (k *Keeper) keep(ctx context.Context, tx store.Tx, value any, failure *schema.Error) error {
	o := schema.OnceFrom(ctx)
	var came outcome
	if failure != nil {
		came.Error = &keptError{Code: failure.Code, Message: failure.Message, Fields: failure.Fields, Details: failure.Details}
	} else {
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("keep what came of a request: %w", err)
		}
		came.Value = b
	}
	b, err := json.Marshal(came)
	if err != nil {
		return fmt.Errorf("keep what came of a request: %w", err)
	}
	now := k.now()
	if _, err := tx.EvictOutcomes(now.Add(-schema.OnceFor), tidying); err != nil {
		return err
	}
	return tx.PutOutcome(store.Outcome{
		Principal: schema.CallerFrom(ctx).Principal, Scope: o.Scope, Key: o.Key, Digest: o.Digest, Result: b, At: now,
	})
}

// Keep keeps the result of something that took more than one transaction, and may well be done twice: it returns out and err,
// or why they could not be kept.
func Keep[T any](ctx context.Context, k *Keeper, out T, err error) (T, error) {
	switch {
	case err != nil:
		k.Failure(ctx, err)
	case schema.OnceFrom(ctx) != nil:
		err = k.unlessKept(ctx, out, nil)
	}
	return out, err
}

// Failure keeps why the request of ctx failed, if that would be the same the next time (see schema.Once.Keeps). Nothing was
// changed, so that it does no harm where this fails; then it is said in the log.
func (k *Keeper) Failure(ctx context.Context, failure error) {
	o := schema.OnceFrom(ctx)
	if o == nil || !o.Keeps(failure) {
		return
	}
	if err := k.unlessKept(ctx, nil, schema.AsError(failure)); err != nil {
		k.log.Warn("cannot keep why a request failed", "error", fault.Underneath(err))
	}
}

func (k *Keeper) unlessKept(ctx context.Context, value any, failure *schema.Error) error {
	return fault.Of(k.log, "keep what came of a request", k.store.Update(ctx, func(tx store.Tx) error {
		if _, kept, err := earlier[json.RawMessage](ctx, k, tx); kept || err != nil {
			return nil //nolint:nilerr // somebody was quicker, with this request or with another one
		}
		return k.keep(ctx, tx, value, failure)
	}))
}

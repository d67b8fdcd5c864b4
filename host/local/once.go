package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// tidying is how many outcomes that are too old are deleted with each that is kept, so that there are never many.
const tidying = 2

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

// once carries change out in one transaction. Where ctx says that the caller may ask for it again, what comes of it is kept
// in the same commit; where the caller does ask for it again, nothing is changed, and it gets that. explain words the errors
// of change and of the store.
func once[T any](ctx context.Context, r *Runtime, explain func(error) error, change func(tx store.Tx) (T, error)) (out T, err error) {
	o := schema.OnceFrom(ctx)
	replayed := false
	err = r.store.Update(ctx, func(tx store.Tx) (err error) {
		if out, replayed, err = earlier[T](ctx, r, tx); replayed || err != nil {
			return err
		}
		if out, err = change(tx); err != nil || o == nil {
			return err
		}
		return r.keep(ctx, tx, out, nil)
	})
	if replayed {
		o.Replay()
	}
	if err == nil {
		return out, nil
	}
	if err = explain(err); !replayed {
		r.keepFailure(ctx, err)
	}
	var none T
	return none, err
}

// repeated returns what came of the request that the caller repeats; ok is false if it repeats none.
func repeated[T any](ctx context.Context, r *Runtime) (out T, ok bool, err error) {
	o := schema.OnceFrom(ctx)
	if o == nil {
		return out, false, nil
	}
	err = r.store.View(ctx, func(rd store.Reader) error {
		out, ok, err = earlier[T](ctx, r, rd)
		return err
	})
	if ok {
		o.Replay()
	}
	return out, ok || err != nil, r.fault("look for an earlier request", err)
}

// earlier is repeated inside a transaction.
func earlier[T any](ctx context.Context, r *Runtime, rd store.Reader) (out T, ok bool, err error) {
	o := schema.OnceFrom(ctx)
	if o == nil {
		return out, false, nil
	}
	kept, err := rd.Outcome(schema.CallerFrom(ctx).Principal, o.Scope, o.Key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && r.now().Sub(kept.At) > schema.OnceFor:
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
func (r *Runtime) keep(ctx context.Context, tx store.Tx, value any, failure *schema.Error) error {
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
	now := r.now()
	if _, err := tx.EvictOutcomes(now.Add(-schema.OnceFor), tidying); err != nil {
		return err
	}
	return tx.PutOutcome(store.Outcome{
		Principal: schema.CallerFrom(ctx).Principal, Scope: o.Scope, Key: o.Key, Digest: o.Digest, Result: b, At: now,
	})
}

// keepResult keeps the result of something that took more than one transaction, and may well be done twice.
func keepResult[T any](ctx context.Context, r *Runtime, out T, err error) (T, error) {
	switch {
	case err != nil:
		r.keepFailure(ctx, err)
	case schema.OnceFrom(ctx) != nil:
		err = r.keepUnlessKept(ctx, out, nil)
	}
	return out, err
}

// keepFailure keeps why the request of ctx failed, if that would be the same the next time. Nothing was changed, so that it
// does no harm where this fails.
func (r *Runtime) keepFailure(ctx context.Context, failure error) {
	o := schema.OnceFrom(ctx)
	if o == nil || !o.Keeps(failure) {
		return
	}
	if err := r.keepUnlessKept(ctx, nil, schema.AsError(failure)); err != nil {
		r.log.Warn("cannot keep why a request failed", "error", underneath(err))
	}
}

func (r *Runtime) keepUnlessKept(ctx context.Context, value any, failure *schema.Error) error {
	return r.fault("keep what came of a request", r.store.Update(ctx, func(tx store.Tx) error {
		if _, kept, err := earlier[json.RawMessage](ctx, r, tx); kept || err != nil {
			return nil //nolint:nilerr // somebody was quicker, with this request or with another one
		}
		return r.keep(ctx, tx, value, failure)
	}))
}

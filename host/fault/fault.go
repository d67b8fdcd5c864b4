// Package fault turns what goes wrong in a runtime into errors of the contract (schema.Error) that say nothing of how things
// are done in it. Those who call a runtime are told the code, what was being done, and what to do next; what happened
// underneath is for whoever runs it, and stands in the cause and in the log.
package fault

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// busyRetryAfter is when a full queue is likely to have room again.
const busyRetryAfter = time.Second

// Of turns what went wrong below into an error of the contract that says nothing of how things are done in here; that is
// in its cause and, unless it is only an end, in the log. One that is of the contract already stays as it is.
func Of(log *slog.Logger, doing string, err error) error {
	var known *schema.Error
	if err != nil && !errors.As(err, &known) && !ended(err) {
		log.Error("call failed", "doing", doing, "error", err)
	}
	return Conceal(doing, err)
}

// Conceal is Of for who writes its own line to the log.
func Conceal(doing string, err error) error {
	var known *schema.Error
	code, text := schema.CodeInternal, "something failed inside the host, whose log says what"
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		code, text = schema.CodeDeadlineExceeded, "it took longer than the caller waits"
	case errors.Is(err, context.Canceled):
		code, text = schema.CodeCancelled, "the caller gave up"
	case errors.Is(err, store.ErrClosed):
		code, text = schema.CodeUnavailable, "the runtime is closing; try again when the host runs again"
	case errors.Is(err, store.ErrFull):
		code, text = schema.CodeUnavailable, "the disk that holds the data directory is full; make room and try again"
	}
	return &schema.Error{Code: code, Message: doing + ": " + text, Cause: err}
}

// ended reports that the caller or the runtime was at its end, which is no failure.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrClosed)
}

// Underneath is what the log should say of an error that may have been concealed.
func Underneath(err error) error {
	var known *schema.Error
	if errors.As(err, &known) && known.Cause != nil {
		return errors.Join(err, known.Cause)
	}
	return err
}

// NotFound is what a missing thing and a hidden one look like.
func NotFound(kind, id string) error {
	return schema.Errorf(schema.CodeNotFound, "there is no %s %.140q", kind, id)
}

// OrNotFound turns store.ErrNotFound into the error for that thing and everything else into a fault.
func OrNotFound(log *slog.Logger, err error, doing, kind, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return NotFound(kind, id)
	}
	return Of(log, doing, err)
}

// Closing says that nothing new is taken.
func Closing() error {
	return schema.Errorf(schema.CodeUnavailable, "the runtime is closing; try again when the host runs again")
}

// Busy says that a queue is full.
func Busy(format string, args ...any) error {
	e := schema.Errorf(schema.CodeBusy, format, args...)
	e.RetryAfter = busyRetryAfter
	return e
}

// Viewer says what the caller of ctx may see.
func Viewer(ctx context.Context) store.Viewer {
	c := schema.CallerFrom(ctx)
	return store.Viewer{Principal: c.Principal, Everything: c.Can(schema.ScopeAdmin)}
}

// Someone returns the caller, who must be somebody: what belongs to nobody would be public.
func Someone(ctx context.Context) (schema.Caller, error) {
	c := schema.CallerFrom(ctx)
	if c.Principal == "" {
		return c, schema.Errorf(schema.CodeUnauthenticated, "nobody is known to be calling")
	}
	return c, nil
}

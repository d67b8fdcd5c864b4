package local

import (
	"context"
	"errors"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// busyRetryAfter is when a full queue is likely to have room again.
const busyRetryAfter = time.Second

// fault turns what went wrong below into an error of the contract that says nothing of how things are done in here; that is
// in its cause and, unless it is only an end, in the log. One that is of the contract already stays as it is.
func (r *Runtime) fault(doing string, err error) error {
	var known *schema.Error
	if err != nil && !errors.As(err, &known) && !ended(err) {
		r.log.Error("call failed", "doing", doing, "error", err)
	}
	return conceal(doing, err)
}

// conceal is fault for who writes its own line to the log.
func conceal(doing string, err error) error {
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

// unkept conceals what went wrong when a turn was being kept. That its run is over is no failure.
func unkept(err error) error {
	if errors.Is(err, errRunOver) {
		return errRunOver
	}
	return conceal("keep the turn", err)
}

// ended reports that the caller or the runtime was at its end, which is no failure.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrClosed)
}

// underneath is what the log should say of an error that may have been concealed.
func underneath(err error) error {
	var known *schema.Error
	if errors.As(err, &known) && known.Cause != nil {
		return errors.Join(err, known.Cause)
	}
	return err
}

// notFound is what a missing thing and a hidden one look like.
func notFound(kind, id string) error {
	return schema.Errorf(schema.CodeNotFound, "there is no %s %.140q", kind, id)
}

// orNotFound turns store.ErrNotFound into the error for that thing and everything else into a fault.
func (r *Runtime) orNotFound(err error, doing, kind, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound(kind, id)
	}
	return r.fault(doing, err)
}

func closing() error {
	return schema.Errorf(schema.CodeUnavailable, "the runtime is closing; try again when the host runs again")
}

func busy(format string, args ...any) error {
	e := schema.Errorf(schema.CodeBusy, format, args...)
	e.RetryAfter = busyRetryAfter
	return e
}

// conversationBusy names the run that is in the way.
func conversationBusy(conversation, holder string) error {
	e := schema.Errorf(schema.CodeConversationBusy,
		"conversation %s is busy with run %s; wait for its end, cancel it, or send with onBusy %q or %q", conversation, holder, schema.BusyEnqueue, schema.BusyInterrupt)
	e.Details = schema.Object{schema.DetailRunID: holder}
	return e
}

// viewer says what the caller of ctx may see.
func viewer(ctx context.Context) store.Viewer {
	c := schema.CallerFrom(ctx)
	return store.Viewer{Principal: c.Principal, Everything: c.Can(schema.ScopeAdmin)}
}

// someone returns the caller, who must be somebody: what belongs to nobody would be public.
func someone(ctx context.Context) (schema.Caller, error) {
	c := schema.CallerFrom(ctx)
	if c.Principal == "" {
		return c, schema.Errorf(schema.CodeUnauthenticated, "nobody is known to be calling")
	}
	return c, nil
}

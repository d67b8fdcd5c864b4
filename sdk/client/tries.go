package client

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of how often one thing is asked for that the server does not do.
const (
	maxTries    = 8 // while it says that it can do it later
	maxInternal = 3 // while it says that something is wrong with it
)

// newKey returns an idempotency key that nobody else has.
func newKey() string { return rand.Text() }

// tries keeps account of one thing that is asked for until it is known what came of it. With a key, asking once more does no
// harm; without one, as when something is read or deleted, neither does it.
type tries struct {
	retry    backoff
	count    int  // of those that have failed
	refusals int  // of those, how many the server has answered
	open     bool // one of them may have been carried out, and nothing has said yet whether it was
}

func (c *Client) newTries() tries { return tries{retry: c.newBackoff()} }

// note takes account of a try that came to no answer, or to one that is an error.
func (t *tries) note(err error) {
	t.count++
	e, answered := answerIn(err)
	if answered {
		t.refusals++
	}
	switch {
	case !answered:
		t.open = t.open || !neverLeft(err)
	case unsure(e.Code):
		t.open = true
	case settles(e.Code):
		t.open = false
	}
}

// refused reports whether the server has said no, or not now, so often that it has to be believed.
func (t *tries) refused(err error) bool {
	e, answered := answerIn(err)
	switch {
	case !answered:
		return false
	case e.Code == schema.CodeInternal:
		return t.refusals >= maxInternal
	default:
		return t.refusals >= maxTries
	}
}

// pause waits until it is time for the next try after err, unless enough of them have been made. An error is the end: err itself,
// or that of ctx, as outcome words it.
func (t *tries) pause(ctx context.Context, err error, enough bool) error {
	l := lossOf(err)
	switch {
	case ctx.Err() != nil:
		return t.outcome(context.Cause(ctx))
	case enough, l.final, !lasts(ctx, l.wait):
		return t.outcome(err)
	}
	if err := sleep(ctx, t.retry.next(l.wait)); err != nil {
		return t.outcome(err)
	}
	return nil
}

// outcome returns err, which ends the tries, with what is known of them.
func (t *tries) outcome(err error) error {
	if t.open {
		return unknownOutcome(err)
	}
	return err
}

// lasts reports whether ctx will, for so long: who would only wait for its end is told at once.
func lasts(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= d
}

// answerIn returns the error that the server has answered with. A loss is no answer, although the server may have said why.
func answerIn(err error) (*Error, bool) {
	var l *loss
	var e *Error
	if errors.As(err, &l) || !errors.As(err, &e) {
		return nil, false
	}
	return e, true
}

// unsure reports whether an error of that code leaves open if the very request that it answers was carried out.
func unsure(code schema.ErrorCode) bool {
	switch code {
	case schema.CodeInternal, schema.CodeUnavailable, schema.CodeDeadlineExceeded, schema.CodeCancelled:
		return true
	default:
		return false
	}
}

// settles reports whether an error of that code says that no earlier request with the same key was carried out either: the
// server has looked, where the others come before it does.
func settles(code schema.ErrorCode) bool {
	switch code {
	case schema.CodeUnauthenticated, schema.CodePermissionDenied, schema.CodeRateLimited, schema.CodeTooLarge:
		return false
	default:
		return !unsure(code)
	}
}

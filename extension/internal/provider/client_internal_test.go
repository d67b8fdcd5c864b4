package provider

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// attempts returns a step of attempts that yield the given texts and end with the given errors, in turn; nil = done.
func attempts(n *int, texts []string, errs ...error) func(context.Context) iter.Seq2[schema.ThinkEvent, error] {
	return func(context.Context) iter.Seq2[schema.ThinkEvent, error] {
		return func(yield func(schema.ThinkEvent, error) bool) {
			err := errs[*n]
			*n++
			if err == nil || len(errs) == 1 {
				for _, s := range texts {
					if !yield(schema.ThinkEvent{Text: s}, nil) {
						return
					}
				}
			}
			if err != nil {
				yield(schema.ThinkEvent{}, err)
				return
			}
			yield(schema.ThinkEvent{Done: &schema.ThinkDone{Usage: schema.TokenUsage{InputTokens: 7, OutputTokens: 2}}}, nil)
		}
	}
}

// heard returns what comes of a step.
func heard(events iter.Seq2[schema.ThinkEvent, error]) (texts []string, done bool, err error) {
	for e, failed := range events {
		switch {
		case failed != nil:
			err = failed
		case e.Done != nil:
			done = true
		default:
			texts = append(texts, e.Text)
		}
	}
	return texts, done, err
}

func TestItTriesAgainBeforeTheFirstEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := quiet(t, Defaults(), "")
		n, began := 0, time.Now()
		limited := c.Failed(Failure{Status: 429, RetryAfter: 3 * time.Second})
		texts, done, err := heard(c.Think(t.Context(), attempts(&n, []string{"a", "b"}, limited, c.Failed(Failure{Status: 500}), nil)))
		if err != nil || !done || n != 3 || !slices.Equal(texts, []string{"a", "b"}) {
			t.Errorf("after %d attempts %v, %v, %v", n, texts, done, err)
		}
		if d := time.Since(began); d <= 3500*time.Millisecond || d > 4*time.Second {
			t.Errorf("it waited %v: 3 s as told, and 0.5 to 1 s by itself", d)
		}
		m := c.Metrics()
		if m["requests_total"] != 3 || m["retries_total"] != 2 || m["errors_total"] != 0 || m["input_tokens_total"] != 7 || m["in_flight"] != 0 {
			t.Errorf("it counts %v", m)
		}
	})
}

func TestItDoesNotTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Defaults()
		c := quiet(t, s, "")
		refused, broken := c.Failed(Failure{Status: 401}), c.Broken("the answer broke off")
		for name, step := range map[string]struct {
			errs  []error
			texts []string
			tries int
			code  schema.ErrorCode
		}{
			"after the first event":     {[]error{broken}, []string{"a"}, 1, schema.CodeUnavailable},
			"what is refused":           {[]error{refused, nil}, nil, 1, schema.CodeUnauthenticated},
			"more often than it may":    {[]error{broken, broken, broken, nil}, nil, 3, schema.CodeUnavailable},
			"when that takes too long":  {[]error{c.Failed(Failure{Status: 429, RetryAfter: time.Minute}), nil}, nil, 1, schema.CodeRateLimited},
			"what is ours":              {[]error{schema.Invalid("options", "no"), nil}, nil, 1, schema.CodeInvalidArgument},
			"an end without an event":   {[]error{context.DeadlineExceeded, context.DeadlineExceeded, io.ErrUnexpectedEOF}, nil, 3, schema.CodeUnavailable},
			"what no step is left with": {[]error{errors.New("odd"), errors.New("odd"), errors.New("odd")}, nil, 3, schema.CodeUnavailable},
		} {
			n := 0
			c.breaker = breaker{}
			texts, done, err := heard(c.Think(t.Context(), attempts(&n, step.texts, step.errs...)))
			if n != step.tries || done || !slices.Equal(texts, step.texts) || schema.CodeOf(err) != step.code {
				t.Errorf("%s: %d attempts, %v, %v, %v", name, n, texts, done, err)
			}
			if name == "when that takes too long" && schema.AsError(err).RetryAfter != time.Minute {
				t.Errorf("%s: the caller is not told", name)
			}
		}
	})
}

func TestTheWholeStepIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Defaults()
		s.TimeoutMs, s.MaxConcurrent = 2000, 1
		c := quiet(t, s, "")
		hang := func(ctx context.Context) iter.Seq2[schema.ThinkEvent, error] {
			return func(yield func(schema.ThinkEvent, error) bool) {
				<-ctx.Done()
				yield(schema.ThinkEvent{}, ctx.Err())
			}
		}
		began := time.Now()
		_, _, err := heard(c.Think(t.Context(), hang))
		if schema.CodeOf(err) != schema.CodeDeadlineExceeded || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, _, err := heard(c.Think(ctx, hang)); schema.CodeOf(err) != schema.CodeCancelled {
			t.Errorf("given up: %v", err)
		}
		if m := c.Metrics(); m["errors_total"] != 1 || m["in_flight"] != 0 {
			t.Errorf("it counts %v", m)
		}
	})
}

func TestTheServerIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := quiet(t, Defaults(), "")
		asked := 0
		ask := func(err error) error {
			_, got := Call(t.Context(), c, func(context.Context) (int, error) { asked++; return 0, err })
			return got
		}
		for range 9 {
			ask(c.Failed(Failure{Status: 400})) // the fault of who asks
		}
		if c.Metrics()["breaker_open"] != 0 || asked != 9 {
			t.Fatal("it opened for what is no fault of the server")
		}
		asked = 0
		ask(c.Failed(Failure{Status: 500}))
		ask(c.Failed(Failure{Status: 500}))
		if asked != breakerFailures || c.Metrics()["breaker_open"] != 1 {
			t.Fatalf("after %d failures: %v", asked, c.Metrics())
		}
		err := ask(nil)
		if e := schema.AsError(err); asked != breakerFailures || e == nil || e.Code != schema.CodeUnavailable || e.RetryAfter <= 0 || e.RetryAfter > breakerPause {
			t.Errorf("while it is open, %d were asked: %v", asked, err)
		}
		time.Sleep(breakerPause)
		if err := ask(nil); err != nil || c.Metrics()["breaker_open"] != 0 {
			t.Errorf("the probe: %v", err)
		}
	})
}

func TestWhoBreaksOffEndsTheAttempt(t *testing.T) {
	c := quiet(t, Defaults(), "")
	var attempt context.Context
	for e := range c.Think(t.Context(), func(ctx context.Context) iter.Seq2[schema.ThinkEvent, error] {
		attempt = ctx
		return func(yield func(schema.ThinkEvent, error) bool) { yield(schema.ThinkEvent{Text: "a"}, nil) }
	}) {
		if e.Text != "a" {
			t.Errorf("%+v", e)
		}
		break
	}
	if attempt.Err() == nil || c.Metrics()["in_flight"] != 0 || c.Metrics()["errors_total"] != 0 {
		t.Errorf("%v, %v", attempt.Err(), c.Metrics())
	}
}

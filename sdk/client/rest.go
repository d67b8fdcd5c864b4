package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"

	"github.com/stagehouse/stagehouse/schema"
)

// maxAnswerBytes bounds one answer of the server; the largest page of a conversation has less.
const maxAnswerBytes = 64 << 20

// request is one call of the REST API.
type request struct {
	verb   string // what it is for, such as "list agents"
	method string
	path   string
	ids    []string // in the path
	query  url.Values
	header http.Header
	body   any    // to be sent as JSON; nil = none
	key    string // idempotency key of a request that changes something; "" = a new one
	reads  bool   // it changes nothing, although it is a POST

	// goesOn says of an error of the server whether what it is about goes on, so that the answer is still to come. Nil = it does not.
	goesOn func(context.Context, *Error) bool
}

// changes reports whether the request has a key. To read and to delete once more changes nothing more without.
func (r request) changes() bool { return r.method != http.MethodGet && r.method != http.MethodDelete }

// call makes a request and reads the answer into a value; nil = there is none. It tries again while that makes sense.
func (c *Client) call(ctx context.Context, r request, into any) error {
	if r.key == "" && r.changes() {
		r.key = newKey()
	}
	t := c.newTries()
	for {
		err := c.try(ctx, r, into)
		e, answered := answerIn(err)
		switch {
		case err == nil:
			return nil
		case r.method == http.MethodDelete && t.open && answered && e.Code == schema.CodeNotFound:
			return nil // by a try whose answer was lost
		case answered && r.goesOn != nil && e.RunID != "" && !c.once && r.goesOn(ctx, e):
			err = sleep(ctx, t.retry.next(e.RetryAfter))
			if err == nil {
				continue
			}
			return fmt.Errorf("%s: %w: %w", r.verb, err, e)
		case answered && e.RunID != "":
			return fmt.Errorf("%s: %w", r.verb, err) // it is known what came of it
		}
		if t.note(err); r.reads || r.method == http.MethodGet {
			t.open = false
		}
		if err := t.pause(ctx, err, c.once || t.count >= maxTries || t.refused(err)); err != nil {
			return fmt.Errorf("%s: %w", r.verb, err)
		}
	}
}

// try makes a request once. The error is an *Error, or a *loss.
func (c *Client) try(ctx context.Context, r request, into any) error {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return &loss{cause: notSent{err}, final: true}
	}
	var left atomic.Bool // all of it
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteRequest: func(w httptrace.WroteRequestInfo) { left.Store(left.Load() || w.Err == nil) },
	}))
	resp, err := c.http.Do(req)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		l := &loss{cause: err, final: errors.As(err, &untrusted)}
		if !left.Load() {
			l.cause = notSent{err}
		}
		return l
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return &loss{cause: fmt.Errorf("read the answer: %w", err)}
	case len(body) > maxAnswerBytes:
		return &loss{cause: fmt.Errorf("the answer has more than %d bytes", maxAnswerBytes), final: true}
	case resp.StatusCode >= 300:
		return refused(resp, body)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return &loss{cause: fmt.Errorf("read the answer: %w", err), final: true}
	}
	return nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	for _, id := range r.ids { // another one could name another path
		if !schema.ValidID(id) {
			return nil, schema.Errorf(schema.CodeInvalidArgument, "%.80q cannot be an id", id)
		}
	}
	var body io.Reader
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.url(r.path, r.query), body)
	if err != nil {
		return nil, err
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// page returns the parameters that lists have in common, without those that are zero.
func page(limit int, cursor string, more ...string) url.Values {
	q := url.Values{}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	for more = append(more, "cursor", cursor); len(more) > 1; more = more[2:] {
		if more[1] != "" {
			q.Set(more[0], more[1])
		}
	}
	return q
}

// each yields what is on one page after the other, from that of the cursor on. An error is the last thing that it yields.
func each[T any](cursor string, get func(cursor string) ([]T, string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for at, more := cursor, true; more; more = at != "" {
			found, next, err := get(at)
			for _, v := range found {
				if !yield(v, nil) {
					return
				}
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			at = next
		}
	}
}

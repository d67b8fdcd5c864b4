package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

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
	body   any  // to be sent as JSON; nil = none
	once   bool // doing it twice would not be the same as doing it once
}

// call makes a request and reads the answer into a value.
func (c *Client) call(ctx context.Context, r request, into any) error {
	err := c.try(ctx, r, into)
	if err == nil {
		return nil
	}
	var e *Error
	answered := errors.As(err, &e)
	if r.once && !neverLeft(err) && (!answered || unsure(e.Code) && e.RunID == "") {
		err = unknownOutcome(err)
	}
	return fmt.Errorf("%s: %w", r.verb, err)
}

func (c *Client) try(ctx context.Context, r request, into any) error {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case len(body) > maxAnswerBytes:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswerBytes)
	case resp.StatusCode >= 300:
		return refused(resp, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	if c.life.Err() != nil {
		return nil, notSent{ErrClosed}
	}
	for _, id := range r.ids { // another one could name another path
		if !schema.ValidID(id) {
			return nil, notSent{schema.Errorf(schema.CodeInvalidArgument, "%.80q cannot be an id", id)}
		}
	}
	var body io.Reader
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, notSent{err}
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.url(r.path, r.query), body)
	if err != nil {
		return nil, notSent{err}
	}
	if r.header != nil {
		req.Header = r.header
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

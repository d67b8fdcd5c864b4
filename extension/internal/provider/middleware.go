package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// maxAnswerBytes bounds an answer: what a client keeps of it until its end, such as the input of a call, is in memory. The longest that
// models give, and the vectors of the largest batch, have a fraction of it.
const maxAnswerBytes = 256 << 20

// Middleware sends one request of a vendor's client by next: with the configured headers, bounded in how long the server may be
// silent, and with an error in place of any answer that is one. The bounds hold for the body too, and only while somebody reads it:
// who reads slowly is not taken for a silent server.
func (c *Client) Middleware(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone()
	c.settings.header(r.Header)
	quiet := &silence{ctx: ctx, cancel: cancel}
	quiet.begin(c.settings.firstByte(), c.silent("firstByteTimeoutMs", c.settings.firstByte()))
	res, err := next(r)
	if err != nil {
		err = quiet.end(err)
		cancel(nil)
		return nil, err
	}
	res.Body = &body{
		ReadCloser: res.Body, quiet: quiet, idle: c.settings.idle(), why: c.silent("idleTimeoutMs", c.settings.idle()),
		left: maxAnswerBytes, endless: c.Broken("the answer has more than %d MiB", maxAnswerBytes>>20),
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res)
}

// refused returns the error that the answer is.
func (c *Client) refused(res *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxFailureBytes)) // an error without its text is one, too
	f := ReadFailure(said)
	f.Status, f.RetryAfter = res.StatusCode, retryAfter(res.Header, time.Now())
	if should := res.Header.Get("X-Should-Retry"); should == "true" || should == "false" {
		again := should == "true"
		f.Retry = &again
	}
	return c.Failed(f)
}

// silent returns the error for a server that says nothing for so long.
func (c *Client) silent(key string, d time.Duration) error {
	e := schema.Errorf(schema.CodeUnavailable, "%s said nothing for %v, which is %s", c.host, d, c.key(key))
	return &verdict{err: e, again: true, bad: true}
}

// silence ends a request when the server is silent for too long.
type silence struct {
	ctx    context.Context // of the request
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

// begin waits from now on for end, and for d at most.
func (s *silence) begin(d time.Duration, why error) {
	s.timer = time.AfterFunc(d, func() { s.cancel(why) })
}

// end ends the wait. The error of what was waited for becomes that of the silence, if it is one.
func (s *silence) end(err error) error {
	s.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

// body is the body of an answer. The wait that goes on when it is made ends with its first byte. Read is called by one goroutine at
// a time, which closes it, too.
type body struct {
	io.ReadCloser
	quiet   *silence
	idle    time.Duration
	why     error
	left    int64 // bytes that it may still have
	endless error // where it has more
	flowing bool
	once    sync.Once
}

func (b *body) Read(p []byte) (int, error) {
	if b.flowing {
		b.quiet.begin(b.idle, b.why)
	}
	n, err := b.ReadCloser.Read(p)
	if n > 0 || err != nil {
		b.flowing = true
		err = b.quiet.end(err)
	}
	if b.left -= int64(n); b.left < 0 {
		return 0, b.endless
	}
	return n, err
}

func (b *body) Close() (err error) {
	b.once.Do(func() {
		b.quiet.cancel(context.Canceled)
		b.quiet.timer.Stop()
		err = b.ReadCloser.Close()
	})
	return err
}

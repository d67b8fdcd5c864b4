package provider

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	settings Settings
	name     string // of the extension
	host     string // of the server, for a person
	keyless  bool
	secrets  []string // that are in no error
	log      *slog.Logger
	gate     *gate
	breaker  breaker
	count    counts
	http     *http.Client
}

// Server is what a client has to know beside the settings.
type Server struct {
	Extension string // the name of the extension in the configuration
	BaseURL   string
	Key       string // "" = none
	Log       *slog.Logger
}

// New returns a client. Whoever has it closes it.
func New(s Settings, at Server) *Client {
	c := &Client{
		settings: s, name: at.Extension, keyless: at.Key == "", log: at.Log, host: at.BaseURL,
		gate: newGate(s.MaxConcurrent, s.MaxWaiting),
	}
	if u, err := url.Parse(at.BaseURL); err == nil && u.Host != "" {
		c.host = u.Host
	}
	c.secrets = append(c.secrets, at.Key)
	for _, value := range s.Headers {
		c.secrets = append(c.secrets, value)
	}
	c.secrets = slices.DeleteFunc(c.secrets, func(s string) bool { return len(s) < minSecretBytes })
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = s.MaxConcurrent
	c.http = &http.Client{Transport: t}
	return c
}

// HTTP returns what a vendor's client sends requests by, beside [Client.Middleware].
func (c *Client) HTTP() *http.Client { return c.http }

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Think has a step taken by try, which returns the events of one attempt. The attempt is made again only while nothing of it has been
// yielded. The context that try gets ends with the attempt.
func (c *Client) Think(ctx context.Context, try func(ctx context.Context) iter.Seq2[schema.ThinkEvent, error]) iter.Seq2[schema.ThinkEvent, error] {
	return func(yield func(schema.ThinkEvent, error) bool) {
		watched := true
		err := c.run(ctx, func(ctx context.Context, alive func()) (bool, error) {
			begun := false
			for e, err := range try(ctx) {
				if err != nil {
					return begun, err
				}
				if !begun {
					alive()
				}
				begun = true
				if e.Done != nil {
					c.count.used(e.Done.Usage)
				}
				if watched = yield(e, nil); !watched || e.Done != nil {
					return true, nil
				}
			}
			return begun, c.Broken("the answer ended before its end")
		})
		if err != nil && watched {
			yield(schema.ThinkEvent{}, err)
		}
	}
}

// Call has something asked by try, which is called again if it fails and may be.
func Call[T any](ctx context.Context, c *Client, try func(ctx context.Context) (T, error)) (T, error) {
	var out T
	err := c.run(ctx, func(ctx context.Context, _ func()) (_ bool, err error) {
		out, err = try(ctx)
		return false, err
	})
	return out, err
}

// attempt is one try. It reports whether something of it has been used, after which there is no other, and calls alive as soon
// as the server is seen to answer.
type attempt func(ctx context.Context, alive func()) (used bool, err error)

// run makes attempts until one succeeds, is used, or fails for good. The error has a code.
func (c *Client) run(ctx context.Context, try attempt) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.settings.step(), c.tooLong())
	defer cancel()
	if err := c.gate.enter(ctx); err != nil {
		return c.failed(&verdict{err: schema.AsError(err)})
	}
	defer c.gate.leave()
	for retry := 0; ; retry++ {
		used, v := c.once(ctx, try)
		if v == nil {
			return nil
		}
		if used || !v.again || retry == c.settings.MaxRetries || !c.pause(ctx, v, retry) {
			return c.failed(v)
		}
		c.count.retries.Add(1)
	}
}

// once makes one attempt, if the breaker lets it.
func (c *Client) once(ctx context.Context, try attempt) (used bool, v *verdict) {
	p, wait := c.breaker.enter()
	if p == nil {
		return false, &verdict{err: c.leftAlone(wait)}
	}
	defer p.over()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.count.requests.Add(1)
	used, err := try(ctx, p.good)
	if err == nil {
		p.good()
		return used, nil
	}
	v = c.explain(ctx, err)
	switch {
	case v.bad:
		p.bad(v.err.RetryAfter)
	case ctx.Err() == nil:
		p.good() // it has answered, if only that it does not want to
	}
	return used, v
}

// pause waits before the next attempt, and reports whether there is to be one.
func (c *Client) pause(ctx context.Context, v *verdict, retry int) bool {
	wait := backoff(retry)
	if v.err.RetryAfter > 0 {
		wait = v.err.RetryAfter
	}
	deadline, ok := ctx.Deadline()
	if c.breaker.isOpen() || wait > maxWait || ok && time.Now().Add(wait).After(deadline) {
		return false
	}
	c.log.Debug("a step is tried again", "code", v.err.Code, "wait", wait, "retry", retry+1)
	return sleep(ctx, wait)
}

// failed counts the failure, unless it is the caller who gave up, and returns it as it goes to the host.
func (c *Client) failed(v *verdict) error {
	if v.err.Code != schema.CodeCancelled {
		c.count.errors.Add(1)
	}
	return v.err
}

func (c *Client) tooLong() error {
	return schema.Errorf(schema.CodeDeadlineExceeded, "%s took longer than %v, which is %s", c.host, c.settings.step(), c.key("timeoutMs"))
}

func (c *Client) leftAlone(wait time.Duration) *schema.Error {
	e := schema.Errorf(schema.CodeUnavailable, "%s has failed %d times in a row and is left alone for %v", c.host, breakerFailures, wait.Round(time.Millisecond))
	e.RetryAfter = wait
	return e
}

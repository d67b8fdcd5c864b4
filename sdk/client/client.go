package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Client talks to one API server. It may be used by any number of goroutines.
type Client struct {
	settings
	base *url.URL
	http *http.Client
	idle pool

	life context.Context // of everything that goes on; ends with Close
	end  context.CancelCauseFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // every goroutine
}

// New returns a client of the server at baseURL, such as http://127.0.0.1:3001. It connects to nothing yet. The client must
// be closed.
func New(baseURL string, opts ...Option) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(baseURL, "/"))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the URL of the server: %w", err)
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "", base.RawQuery != "", base.Fragment != "":
		return nil, fmt.Errorf("%q is not the URL of a server: write it like http://127.0.0.1:3001", baseURL)
	}
	c := &Client{settings: defaults(), base: base}
	for _, o := range opts {
		o(&c.settings)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.http = c.httpClient; c.http == nil {
		c.http = &http.Client{Transport: newTransport()}
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	return c, nil
}

// newTransport returns the transport of a client that is given none.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		IdleConnTimeout:     idleTimeout,
		MaxIdleConnsPerHost: maxIdle,
		ForceAttemptHTTP2:   true,
	}
}

// Close ends every stream and turn that is open, which then say ErrClosed, and waits until nothing of the client is left
// running. What the server has accepted goes on there.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end(ErrClosed)
	c.idle.close()
	c.running.Wait()
	if c.httpClient == nil {
		c.http.CloseIdleConnections()
	}
}

// start runs f in a goroutine that Close waits for. It reports whether it did: a closed client starts nothing.
func (c *Client) start(f func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Go(f)
	}
	return !c.closed
}

// lifetime returns a context that ends with ctx, with the client, and when it is told to.
func (c *Client) lifetime(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func(cause error) {
		detach()
		cancel(cause)
	}
}

// comingAgain logs that a connection is lost.
func (c *Client) comingAgain(err error, after time.Duration, place schema.Cursor) {
	c.logger.Info("the connection to the server is lost; coming again", "error", err.Error(), "after", after, "place", place.String())
}

// url returns the address of a path of the API.
func (c *Client) url(path string, query url.Values) string {
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	return u.String()
}

// ErrClosed says that the client, the stream or the turn has been closed.
var ErrClosed = errors.New("client: closed")

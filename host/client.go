package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/host/logging"
	"github.com/stagehouse/stagehouse/plugin"
)

const (
	dialWait      = 5 * time.Second
	askWait       = 30 * time.Second // for what needs no reload
	maxAnswerSize = 16 << 20
)

// ErrNoHost says that no host runs at a data directory.
var ErrNoHost = errors.New("no host runs there")

// RefusedError is what a Client returns when the host says no.
type RefusedError struct {
	Status   int // as HTTP has it
	Message  string
	Failures []Failure
}

func (e *RefusedError) Error() string { return e.Message }

// Client speaks to the host of a data directory, as the same user on the same machine. It is safe for concurrent use.
type Client struct{ http http.Client }

// Connect returns a client of the host that runs at a data directory. The error is ErrNoHost if there is none. The caller
// closes the client.
func Connect(ctx context.Context, data string) (*Client, error) {
	path := filepath.Join(data, socketName)
	if s, err := ReadState(data); err == nil && s.Control != "" {
		path = s.Control
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialWait}).DialContext(ctx, "unix", path)
	}
	conn, err := dial(ctx, "", "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w (%w)", data, ErrNoHost, err)
	}
	_ = conn.Close() // it was only to see
	return &Client{http: http.Client{Transport: &http.Transport{DialContext: dial}}}, nil
}

// Close closes the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Extensions returns what each enabled extension is doing.
func (c *Client) Extensions(ctx context.Context) ([]plugin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var list extensionList
	err := c.ask(ctx, http.MethodGet, "/extensions", &list)
	return list.Extensions, err
}

// Describe returns what is known about an extension.
func (c *Client) Describe(ctx context.Context, name string) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	var d Description
	err := c.ask(ctx, http.MethodGet, "/extensions/"+url.PathEscape(name), &d)
	return d, err
}

// Reload has the host reload its configuration, and replace the extension of that name in any case; "" = none. It waits for
// the result, and returns what the extensions do then. That the host does not do all of it is a *RefusedError.
func (c *Client) Reload(ctx context.Context, name string) ([]plugin.Status, error) {
	path := "/reload"
	if name != "" {
		path = "/extensions/" + url.PathEscape(name) + "/reload"
	}
	var list extensionList
	err := c.ask(ctx, http.MethodPost, path, &list)
	return list.Extensions, err
}

// Logs yields up to n of the last lines of the log about an extension, and if follow is true those that come, until ctx is
// done. It ends with an error when the host stops or finds this reader too slow.
func (c *Client) Logs(ctx context.Context, name string, n int, follow bool) iter.Seq2[logging.Line, error] {
	return func(yield func(logging.Line, error) bool) {
		query := url.Values{"lines": {strconv.Itoa(n)}, "follow": {strconv.FormatBool(follow)}}
		resp, err := c.do(ctx, http.MethodGet, "/extensions/"+url.PathEscape(name)+"/logs?"+query.Encode())
		if err != nil {
			yield(logging.Line{}, err)
			return
		}
		defer resp.Body.Close()
		for d := json.NewDecoder(resp.Body); ; {
			var e logEntry
			err := d.Decode(&e)
			switch {
			case errors.Is(err, io.EOF) && !follow:
				return
			case err == nil && e.End != "":
				err = fmt.Errorf("the log ends here: %s", e.End)
			case err == nil && e.Line == nil:
				continue
			case err != nil && ctx.Err() == nil:
				err = fmt.Errorf("the host is gone, in the middle of its log: %w", err)
			}
			if err != nil {
				yield(logging.Line{}, err)
				return
			}
			if !yield(*e.Line, nil) {
				return
			}
		}
	}
}

// ask makes a request and reads its answer into v.
func (c *Client) ask(ctx context.Context, method, path string, v any) error {
	resp, err := c.do(ctx, method, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return read(resp, v)
}

// read reads an answer into v.
func read(resp *http.Response, v any) error {
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerSize)).Decode(v); err != nil {
		return fmt.Errorf("read the host's answer: %w", err)
	}
	return nil
}

// do makes a request. An answer that is no success is an error; the caller closes the body of another one.
func (c *Client) do(ctx context.Context, method, path string) (*http.Response, error) {
	return c.send(ctx, method, path, nil)
}

// send is do with a body.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://stagehouse"+controlPathPrefix+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var p controlProblem
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswerSize)).Decode(&p); err != nil || p.Error == "" {
		p.Error = "the host answers " + resp.Status + "; is it of another version?"
	}
	return nil, &RefusedError{Status: resp.StatusCode, Message: p.Error, Failures: p.Failures}
}

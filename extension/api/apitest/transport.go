package apitest

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"sync"
)

// T is what a Transport needs of a testing.TB.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Cleanup(func())
}

// Transport returns an http.RoundTripper that passes requests on to next and fails t when an exchange is not as the document
// says. Answers are read to their end before they are handed out, but for those that go on: of a stream of events, and of a
// WebSocket, the beginning is judged and the rest is passed through as it comes. What next fails with is passed through.
func (e *Exchanges) Transport(t T, next http.RoundTripper) http.RoundTripper {
	tr := &transport{exchanges: e, next: next, t: t}
	t.Cleanup(tr.end)
	return tr
}

type transport struct {
	exchanges *Exchanges
	next      http.RoundTripper

	mu sync.Mutex
	t  T // nil = the test is over, and may not be failed any more
}

// RoundTrip implements http.RoundTripper.
func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	through, sent, err := read(r)
	if err != nil {
		_ = r.Body.Close() // as a transport always does
		return nil, err
	}
	resp, err := tr.next.RoundTrip(through)
	if err != nil {
		return nil, err
	}
	x := exchange{request: r, sent: sent, response: resp, streamed: goesOn(resp)}
	if !x.streamed {
		var broken error
		x.received, broken = io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it has been read
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(x.received), failing{broken}))
		if broken != nil {
			return resp, nil //nolint:nilerr // who reads the body gets the error; what has not been answered whole is not judged
		}
	}
	if err := tr.exchanges.check(x); err != nil {
		tr.fail(x, err)
	}
	return resp, nil
}

// read returns the body of a request, and the request to pass on. A body that cannot be had twice is read before it is sent.
func read(r *http.Request) (*http.Request, []byte, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return r, nil, nil
	case r.GetBody != nil: // which leaves it to the next to send the body again on another connection
		body, err := r.GetBody()
		if err != nil {
			return nil, nil, err
		}
		defer body.Close()
		sent, err := io.ReadAll(body)
		return r, sent, err
	}
	defer r.Body.Close()
	sent, err := io.ReadAll(r.Body)
	through := r.Clone(r.Context())
	through.Body = io.NopCloser(bytes.NewReader(sent))
	return through, sent, err
}

// goesOn reports whether an answer has no end to wait for.
func goesOn(r *http.Response) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.StatusCode == http.StatusSwitchingProtocols || media == "text/event-stream"
}

// failing is the end of a body that broke; io.EOF if err is nil.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func (tr *transport) fail(x exchange, err error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.t == nil {
		return
	}
	tr.t.Helper()
	tr.t.Errorf("%s", x.broken(err))
}

func (tr *transport) end() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.t = nil
}

// CloseIdleConnections is what http.Client calls of its transport.
func (tr *transport) CloseIdleConnections() {
	if next, ok := tr.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

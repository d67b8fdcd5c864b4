package sdk

import (
	"net/http"

	"github.com/stagehouse/stagehouse/schema"
)

// HandlerFunc is an http.Handler that may fail. An error is the answer, as text and with the HTTP status of its code (see
// schema.ErrorCode), if nothing has been written before; otherwise the response is cut off, so that nobody takes it for whole.
// The context of the request ends with the extension, too.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// ServeHTTP implements http.Handler.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := &begun{ResponseWriter: w}
	err := f(begun, r)
	if err == nil {
		return
	}
	if begun.yes {
		panic(http.ErrAbortHandler) // the way that net/http has to cut a response off
	}
	http.Error(w, schema.AsError(err).Message, schema.CodeOf(err).HTTPStatus())
}

// begun is a ResponseWriter that knows whether anything was written.
type begun struct {
	http.ResponseWriter
	yes bool
}

func (b *begun) WriteHeader(status int) {
	b.yes = b.yes || status >= 200 // what comes before is no answer
	b.ResponseWriter.WriteHeader(status)
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

package apitest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Exchanges is the part of the contract that an OpenAPI document holds. Make one for many tests: it compiles every schema. All
// methods may be called at the same time.
type Exchanges struct {
	doc    *openapi3.T
	router routers.Router
	bodies *bodies

	mu   sync.Mutex
	seen map[Answer]bool
}

// NewExchanges reads an OpenAPI 3.1 document, which must be a valid one, its examples included.
func NewExchanges(document []byte) (*Exchanges, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("validate the OpenAPI document: %w", err)
	}
	doc.Servers = nil // the tests know where their servers are
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("find the routes of the OpenAPI document: %w", err)
	}
	bodies, err := newBodies(document, doc)
	if err != nil {
		return nil, err
	}
	return &Exchanges{doc: doc, router: router, bodies: bodies, seen: map[Answer]bool{}}, nil
}

// Answer is one kind of answer of an operation.
type Answer struct {
	Operation string // its operationId
	Status    int
	MediaType string // "" = it has no body
}

// Declared lists what the document says that operations answer.
func (e *Exchanges) Declared() []Answer {
	var all []Answer
	for _, item := range e.doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				a := Answer{Operation: op.OperationID}
				if _, err := fmt.Sscan(status, &a.Status); err != nil {
					continue // "default" and "4XX" are no one status
				}
				if len(response.Value.Content) == 0 {
					all = append(all, a)
				}
				for media := range response.Value.Content {
					a.MediaType = media
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// Seen reports whether a client of one of the transports has had that answer, and it was as the document says.
func (e *Exchanges) Seen(a Answer) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[a]
}

func (e *Exchanges) saw(a Answer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[a] = true
}

// route finds the operation of a request, and what stands in its path. It is nil for a path that the document does not have,
// and for a method that the path does not have.
func (e *Exchanges) route(r *http.Request) (*routers.Route, map[string]string, error) {
	route, params, err := e.router.FindRoute(r)
	if errors.Is(err, routers.ErrPathNotFound) && strings.HasSuffix(r.URL.Path, "/") {
		shorter := *r
		shorter.URL = r.URL.JoinPath() // copies it
		shorter.URL.Path, shorter.URL.RawPath = strings.TrimSuffix(r.URL.Path, "/"), strings.TrimSuffix(r.URL.RawPath, "/")
		return e.router.FindRoute(&shorter) // the server takes one slash more at the end for the same path
	}
	return route, params, err
}

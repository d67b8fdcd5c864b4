package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// exchange is a request and what it was answered with. The bodies of both have been read, or are not to be.
type exchange struct {
	request  *http.Request
	sent     []byte
	response *http.Response
	received []byte
	streamed bool // the body goes on, and is not looked at
}

// shown is how much of a body, and of what is wrong with it, is told, in bytes.
const shown = 2 << 10

// broken words what is wrong with an exchange.
func (x exchange) broken(err error) string {
	return fmt.Sprintf("%s %s = %d breaks the contract: %s\nsent: %s\nreceived: %s",
		x.request.Method, x.request.URL.RequestURI(), x.response.StatusCode, cut([]byte(err.Error())), cut(x.sent), cut(x.received))
}

// cut returns the beginning of a text, which may be none.
func cut(b []byte) string { return strings.ToValidUTF8(string(b[:min(len(b), shown)]), "\uFFFD") }

// check returns what is wrong with an exchange; nil if it is as the document says.
func (e *Exchanges) check(x exchange) error {
	if x.response.StatusCode == http.StatusSwitchingProtocols && x.request.Header.Get("Upgrade") != "" {
		return nil // what comes then is another contract's
	}
	asked := *x.request
	asked.Body = http.NoBody // kin-openapi would read it, which is not ours any more
	if asked.Method == http.MethodHead {
		asked.Method = http.MethodGet // a HEAD is a GET whose answer has no body
	}
	route, params, err := e.route(&asked)
	if err != nil && ofPeople(&asked) {
		return nil
	}
	if err != nil {
		return e.checkUnknown(x, err)
	}
	input := &openapi3filter.RequestValidationInput{Request: &asked, PathParams: params, Route: route, Options: options()}
	err = e.checkAnswer(x, input)
	if x.response.StatusCode < http.StatusBadRequest {
		if wrong := e.checkRequest(x, input); wrong != nil {
			err = errors.Join(err, fmt.Errorf("the server accepted what the document does not allow: %w", wrong))
		}
	}
	if err != nil {
		return err
	}
	if x.request.Method != http.MethodHead {
		media, _, _ := mime.ParseMediaType(x.response.Header.Get("Content-Type"))
		e.saw(Answer{route.Operation.OperationID, x.response.StatusCode, media})
	}
	return nil
}

// ofPeople reports whether a request is for a page that people read. What is on it is no part of the contract.
func ofPeople(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.URL.Path == "/docs" || strings.HasPrefix(r.URL.Path, "/docs/"))
}

// checkAck looks at the first event of a turn that is told as it happens: the answer to one that is not waited for, as a frame.
func (e *Exchanges) checkAck(x exchange, event []byte) error {
	route, _, err := e.route(x.request)
	if err != nil {
		return err
	}
	accepted := route.Operation.Responses.Status(http.StatusAccepted)
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil || accepted == nil || string(members["type"]) != `"ack"` {
		return fmt.Errorf("%s streams as its ack %.2000s", route.Operation.OperationID, event)
	}
	delete(members, "type")
	answer, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return e.bodies.judge(accepted.Value.Content.Get("application/json"), answer)
}

// options are those of kin-openapi. Bodies are judged by their compiled schemas; and whether a token is needed is for the
// configuration of a server to say, which may have authentication off.
func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		ExcludeRequestBody: true, ExcludeResponseBody: true, IncludeResponseStatus: true, MultiError: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
	}
}

// checkUnknown looks at an exchange of which the document has no operation, because of why.
func (e *Exchanges) checkUnknown(x exchange, why error) error {
	status, method := x.response.StatusCode, x.request.Method
	switch {
	case status == http.StatusNoContent && method == http.MethodOptions:
		return nil
	case status < http.StatusBadRequest:
		return why
	case errors.Is(why, routers.ErrMethodNotAllowed) && status == http.StatusMethodNotAllowed && x.response.Header.Get("Allow") == "":
		return errors.New("a 405 must have Allow")
	}
	return e.checkProblem(x)
}

// checkProblem looks at an error of an exchange that has not come to an operation.
func (e *Exchanges) checkProblem(x exchange) error {
	if got := x.response.Header.Get("Content-Type"); got != problemType {
		return fmt.Errorf("an error has Content-Type %q", got)
	}
	if x.request.Method == http.MethodHead {
		return nil
	}
	if err := judge(e.bodies.problem, x.received); err != nil {
		return err
	}
	return sameStatus(x)
}

// sameStatus holds the status that a problem has inside against that of its answer.
func sameStatus(x exchange) error {
	var p struct{ Status int }
	if err := json.Unmarshal(x.received, &p); err != nil {
		return err
	}
	if p.Status != x.response.StatusCode {
		return fmt.Errorf("a problem with status %d has the status %d", x.response.StatusCode, p.Status)
	}
	return nil
}

// ofHTTP reports whether a request can come to that error before it comes to an operation.
func ofHTTP(status int, op *openapi3.Operation) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusRequestHeaderFieldsTooLarge:
		return true
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return op.RequestBody == nil // of the body that nobody has asked for
	}
	return false
}

func (e *Exchanges) checkAnswer(x exchange, input *openapi3filter.RequestValidationInput) error {
	status := x.response.StatusCode
	declared := input.Route.Operation.Responses.Status(status)
	if declared == nil {
		if ofHTTP(status, input.Route.Operation) {
			return e.checkProblem(x)
		}
		return fmt.Errorf("the document has no status %d for %s", status, input.Route.Operation.OperationID)
	}
	return errors.Join(
		openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: status, Header: x.response.Header, Options: input.Options,
		}),
		undeclaredHeaders(x.response.Header, declared.Value.Headers),
		e.checkBody(x, declared.Value.Content),
	)
}

func (e *Exchanges) checkBody(x exchange, declared openapi3.Content) error {
	got := x.response.Header.Get("Content-Type")
	if len(declared) == 0 {
		if len(x.received) > 0 || got != "" {
			return errors.New("the document has no body for it")
		}
		return nil
	}
	media := declared.Get(got)
	if media == nil {
		return fmt.Errorf("the document has no Content-Type %q for it", got)
	}
	if x.streamed || x.request.Method == http.MethodHead {
		return nil
	}
	err := e.bodies.judge(media, x.received)
	if err == nil && x.response.StatusCode >= http.StatusBadRequest {
		return sameStatus(x)
	}
	return err
}

// everywhere are headers that HTTP, CORS and proxies know, and no document needs to list.
var everywhere = map[string]bool{
	"Accept-Encoding": true, "Allow": true, "Cache-Control": true, "Connection": true, "Content-Length": true, "Content-Type": true,
	"Date": true, "Transfer-Encoding": true, "Vary": true, "X-Accel-Buffering": true, "X-Content-Type-Options": true,
}

// undeclaredHeaders finds those that a client could not know of.
func undeclaredHeaders(got http.Header, declared openapi3.Headers) error {
	var found []error
	for _, name := range slices.Sorted(maps.Keys(got)) {
		known := everywhere[name] || strings.HasPrefix(name, "Access-Control-")
		for d := range declared {
			known = known || strings.EqualFold(d, name)
		}
		if !known {
			found = append(found, fmt.Errorf("the document has no header %s for it", name))
		}
	}
	return errors.Join(found...)
}

func (e *Exchanges) checkRequest(x exchange, input *openapi3filter.RequestValidationInput) error {
	return errors.Join(
		openapi3filter.ValidateRequest(context.Background(), input),
		undeclaredQuery(x.request.URL.Query(), input.Route),
		e.checkSent(x, input.Route.Operation.RequestBody),
	)
}

func (e *Exchanges) checkSent(x exchange, declared *openapi3.RequestBodyRef) error {
	switch {
	case len(x.sent) == 0 && (declared == nil || !declared.Value.Required):
		return nil
	case len(x.sent) == 0:
		return errors.New("the body is missing")
	case declared == nil:
		return errors.New("there is a body")
	}
	got := x.request.Header.Get("Content-Type")
	media := declared.Value.Content.Get(got)
	if media == nil {
		return fmt.Errorf("there is a body with Content-Type %q", got)
	}
	return e.bodies.judge(media, x.sent)
}

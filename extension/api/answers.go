package api

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// problemResponses describes the answers to requests that come to one of these errors, one for each status. They are kept
// among the components: those of most routes are the same.
func problemResponses(c *huma.Components, codes []schema.ErrorCode) map[string]*huma.Response {
	byStatus := map[int][]schema.ErrorCode{}
	for _, code := range codes {
		if status := code.HTTPStatus(); !slices.Contains(byStatus[status], code) {
			byStatus[status] = append(byStatus[status], code)
		}
	}
	out := map[string]*huma.Response{}
	for status, codes := range byStatus {
		name := responseName(codes)
		if c.Responses[name] == nil {
			c.Responses[name] = problemResponse(c, status, codes)
		}
		out[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/" + name}
	}
	return out
}

// componentName returns the name that the words of a code, or of a type of events, have among the components: NotFound,
// AgentThought.
func componentName[T ~string](of T) string {
	name := ""
	for word := range strings.FieldsFuncSeq(string(of), func(r rune) bool { return r == '_' || r == ':' }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// responseName returns the name of the answers with these codes: RateLimitedOrBusy.
func responseName(codes []schema.ErrorCode) string {
	names := make([]string, len(codes))
	for i, code := range codes {
		names[i] = componentName(code)
	}
	return strings.Join(names, "Or")
}

func problemResponse(c *huma.Components, status int, codes []schema.ErrorCode) *huma.Response {
	text := http.StatusText(status)
	if status == schema.CodeCancelled.HTTPStatus() { // which has no text
		text = "Client Closed Request"
	}
	shows := make([]example, len(codes))
	for i, code := range codes {
		shows[i] = exampleProblem(code)
	}
	r := &huma.Response{
		Description: text + ": `" + strings.Join(texts(codes), "` or `") + "`",
		Headers:     map[string]*huma.Param{},
		Content: map[string]*huma.MediaType{problem.MediaType: {
			Schema:   c.Schemas.Schema(reflect.TypeFor[problem.Problem](), true, "Problem"),
			Examples: shown(c, shows),
		}},
	}
	for _, name := range problemHeaders(status, codes) {
		r.Headers[name] = headerRef(name)
	}
	return r
}

func texts(codes []schema.ErrorCode) []string {
	out := make([]string, len(codes))
	for i, code := range codes {
		out[i] = string(code)
	}
	return out
}

// problemHeaders names the headers of the answers with a status.
func problemHeaders(status int, codes []schema.ErrorCode) []string {
	names := []string{HeaderRequestID, headerRateLimit, headerRateLimitPolicy}
	switch status {
	case http.StatusUnauthorized:
		return append(names, fiber.HeaderWWWAuthenticate)
	case http.StatusTooManyRequests:
		return append(names, fiber.HeaderRetryAfter)
	case http.StatusServiceUnavailable:
		return append(names, fiber.HeaderRetryAfter, headerReplayed)
	case http.StatusUnsupportedMediaType:
		return append(names, fiber.HeaderAcceptEncoding)
	case http.StatusPaymentRequired, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity:
		return append(names, headerReplayed) // such an answer comes again to a request with a key
	case schema.CodeCancelled.HTTPStatus(), http.StatusInternalServerError, http.StatusGatewayTimeout:
		return append(names, headerReplayed) // the message was accepted before, and its turn ended so
	}
	return names
}

func headerRef(name string) *huma.Param { return &huma.Param{Ref: "#/components/headers/" + name} }

// headers describes the headers that answers of several routes have.
func headers() map[string]*huma.Param {
	text := func(example, description string) *huma.Param {
		return &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
	}
	always := func(h *huma.Param) *huma.Param {
		h.Required = true
		return h
	}
	return map[string]*huma.Param{
		HeaderRequestID: always(text("req_01m87vmwg66adtxbkb3wkzwbz8",
			"The name of the request in the log of the server: the one that you sent in the same header, or a new one. In every answer")),
		headerRateLimit: text(`"default";r=97;t=42`,
			"How many requests are left to you (`r`), and after how many seconds there will be more (`t`). In every answer where a limit is configured"),
		headerRateLimitPolicy: text(`"default";q=100;w=60`,
			"The limit: so many requests (`q`) in any window of so many seconds (`w`). In every answer where a limit is configured"),
		headerReplayed:   text("true", "That this is the answer to an earlier request with the same `Idempotency-Key`; otherwise absent"),
		headerApplied:    text("wait=30", "Which preferences of `Prefer` were followed; absent if there were none"),
		fiber.HeaderETag: always(text(`"7"`, "The revision of what is answered, quoted. Send it back in `If-Match` or `If-None-Match`")),
		fiber.HeaderRetryAfter: {
			Description: "After how many seconds to try again; absent if that is not known",
			Schema:      &huma.Schema{Type: huma.TypeInteger, Minimum: new(float64)}, Example: 42,
		},
		fiber.HeaderWWWAuthenticate: always(text(challenge, "What is needed, see RFC 6750")),
		fiber.HeaderAcceptEncoding:  text("identity", "Where the body was compressed: what it should have been; otherwise absent"),
	}
}

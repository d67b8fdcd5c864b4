package api

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// old answers like a list: with a link of its own, or with an error.
func old(_ context.Context, in *agentInput) (*listAgentsOutput, error) {
	if in.AgentID == "missing" {
		return nil, schema.Errorf(schema.CodeNotFound, "there is no agent %q", in.AgentID)
	}
	return &listAgentsOutput{Links: Links{`</next>; rel="next"`}, Body: schema.AgentPage{Agents: []schema.Agent{}}}, nil
}

func TestDeprecatedRoute(t *testing.T) {
	app := fiber.New()
	api := newHuma(&router{Router: app}, New().transformError)
	since, sunset := time.Unix(1798761600, 0), time.Date(2027, 7, 1, 2, 0, 0, 0, time.FixedZone("", 7200))
	for path, d := range map[string]*deprecation{
		"/new/{agentId}":     nil,
		"/old/{agentId}":     {since: since, sunset: sunset, link: "https://docs.example/old"},
		"/waiting/{agentId}": {since: since, link: "https://docs.example/waiting"},
	} {
		register(api, route{
			id: strings.Trim(path, "/"), method: http.MethodGet, path: path, scope: schema.ScopeRead, codes: []schema.ErrorCode{schema.CodeNotFound},
			answers: []example{exampleAgentPage()}, deprecated: d,
		}, time.Second, old)
	}
	for _, c := range []struct {
		path                      string
		status                    int
		deprecation, sunset, link string
	}{
		{"/new/nyx", 200, "", "", `</next>; rel="next"`},
		{"/old/nyx", 200, "@1798761600", "Thu, 01 Jul 2027 00:00:00 GMT", `</next>; rel="next", <https://docs.example/old>; rel="deprecation"; type="text/html"`},
		{"/old/missing", 404, "@1798761600", "Thu, 01 Jul 2027 00:00:00 GMT", `<https://docs.example/old>; rel="deprecation"; type="text/html"`},
		{"/old/nyx?unknown=1", 422, "@1798761600", "Thu, 01 Jul 2027 00:00:00 GMT", `<https://docs.example/old>; rel="deprecation"; type="text/html"`},
		{"/waiting/nyx", 200, "@1798761600", "", `</next>; rel="next", <https://docs.example/waiting>; rel="deprecation"; type="text/html"`},
	} {
		rc := &fasthttp.RequestCtx{}
		rc.Request.Header.SetMethod(http.MethodGet)
		rc.Request.SetRequestURI(c.path)
		app.Handler()(rc)
		h := &rc.Response.Header
		if rc.Response.StatusCode() != c.status || string(h.Peek("Deprecation")) != c.deprecation || string(h.Peek("Sunset")) != c.sunset || string(h.Peek("Link")) != c.link {
			t.Errorf("%s was answered by %s", c.path, rc.Response.String())
		}
	}
	documented(t, marshalOpenAPI(api.OpenAPI()))
}

// TestDeprecationAsTold holds the example of docs/versioning.md.
func TestDeprecationAsTold(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "versioning.md"))
	if err != nil {
		t.Fatal(err)
	}
	d := &deprecation{since: time.Unix(1798761600, 0), sunset: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC), link: "https://docs.example/old"}
	for name, value := range d.told() {
		if line := "\n" + name + ": " + value + "\n"; !strings.Contains(string(docs), line) {
			t.Errorf("docs/versioning.md does not have the line %s", line)
		}
	}
}

// documented checks that the document says the same.
func documented(t *testing.T, document []byte) {
	t.Helper()
	var doc struct {
		Paths map[string]struct {
			Get struct {
				Deprecated bool
				Responses  map[string]struct {
					Headers map[string]struct{ Example string }
				}
			}
		}
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	for path, sunset := range map[string]string{"/new/{agentId}": "", "/old/{agentId}": "Thu, 01 Jul 2027 00:00:00 GMT", "/waiting/{agentId}": ""} {
		get := doc.Paths[path].Get
		told := get.Responses["200"].Headers
		if want := path != "/new/{agentId}"; get.Deprecated != want || (told["Deprecation"].Example == "@1798761600") != want || told["Sunset"].Example != sunset {
			t.Errorf("%s is documented as %+v", path, get)
		}
	}
}

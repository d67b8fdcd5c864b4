package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/schema"
)

// document is the published contract as a reader of it has it.
type document struct {
	t    *testing.T
	root map[string]any
	c    *jsonschema.Compiler
}

const documentURL = "https://stagehouse.test/openapi.json"

func readDocument(t *testing.T) *document {
	t.Helper()
	root, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{t: t, root: root.(map[string]any), c: jsonschema.NewCompiler()}
	d.c.AssertFormat()
	if err := d.c.AddResource(documentURL, root); err != nil {
		t.Fatal(err)
	}
	return d
}

// member returns what stands at a path of member names; "$ref" on the way is followed.
func (d *document) member(from any, path ...string) any {
	d.t.Helper()
	for _, name := range append([]string{""}, path...) {
		if name != "" {
			o, _ := from.(map[string]any)
			from = o[name]
		}
		if o, ok := from.(map[string]any); ok && o["$ref"] != nil {
			from = d.member(d.root, strings.Split(strings.TrimPrefix(o["$ref"].(string), "#/"), "/")...)
			if from == nil {
				d.t.Fatalf("%s leads nowhere", o["$ref"])
			}
		}
	}
	return from
}

func (d *document) text(from any, path ...string) string {
	s, _ := d.member(from, path...).(string)
	return s
}

func (d *document) object(from any, path ...string) map[string]any {
	o, _ := d.member(from, path...).(map[string]any)
	return o
}

// operations calls f for every operation, in a fixed order.
func (d *document) operations(f func(t *testing.T, at string, op map[string]any)) {
	paths := d.object(d.root, "paths")
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := d.object(paths, path)
		for _, method := range []string{"get", "put", "post", "patch", "delete"} {
			if op := d.object(item, method); op != nil {
				at := "#/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(path) + "/" + method
				d.t.Run(method+" "+path, func(t *testing.T) { f(t, at, op) })
			}
		}
	}
}

// valid checks a value against the schema at a place in the document.
func (d *document) valid(t *testing.T, at string, value any) {
	t.Helper()
	s, err := d.c.Compile(documentURL + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(at))
	if err != nil {
		t.Fatalf("the schema at %s: %v", at, err)
	}
	if err := s.Validate(value); err != nil {
		t.Errorf("the example at %s: %v", at, err)
	}
}

// where returns the place of what stands at a place, or of what a $ref there leads to.
func (d *document) where(at string, parent map[string]any, name string) string {
	if o, ok := parent[name].(map[string]any); ok && o["$ref"] != nil {
		return o["$ref"].(string)
	}
	return at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// body checks that a body has examples, each of which is valid, and returns them.
func (d *document) body(t *testing.T, at string, holder map[string]any) (all []any) {
	t.Helper()
	content := d.object(holder, "content")
	for media := range content {
		examples := d.object(content, media, "examples")
		if len(examples) == 0 {
			t.Errorf("%s has no example of %s", at, media)
		}
		for name := range examples {
			value := d.member(examples, name, "value")
			d.valid(t, d.where(at, holder, "content")+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(media)+"/schema", value)
			if d.text(examples, name, "summary") == "" {
				t.Errorf("%s: the example %s has no summary", at, name)
			}
			all = append(all, value)
		}
	}
	return all
}

func TestDocumentedOperations(t *testing.T) {
	d := readDocument(t)
	d.operations(func(t *testing.T, at string, op map[string]any) {
		for _, name := range []string{"operationId", "summary", "description"} {
			if d.text(op, name) == "" {
				t.Errorf("it has no %s", name)
			}
		}
		parameters, _ := op["parameters"].([]any)
		for i, raw := range parameters {
			p := d.object(raw)
			if d.text(p, "description") == "" || p["example"] == nil {
				t.Errorf("parameter %s has no description, or no example", p["name"])
			}
			place := fmt.Sprintf("%s/parameters/%d", at, i)
			if ref, ok := raw.(map[string]any)["$ref"].(string); ok {
				place = ref
			}
			d.valid(t, place+"/schema", p["example"])
		}
		if request := d.object(op, "requestBody"); request != nil {
			d.body(t, at+"/requestBody", request)
		}
		responses := d.object(op, "responses")
		for status := range responses {
			r := d.object(responses, status)
			examples := d.body(t, d.where(at+"/responses", responses, status), r)
			d.headersOf(t, status, r)
			if status >= "400" {
				d.problems(t, status, r, examples)
			}
		}
	})
}

// headersOf checks that the headers of an answer are described, with examples, and that there are those that must be.
func (d *document) headersOf(t *testing.T, status string, r map[string]any) {
	t.Helper()
	headers := d.object(r, "headers")
	for name := range headers {
		if h := d.object(headers, name); d.text(h, "description") == "" || h["example"] == nil {
			t.Errorf("%s: header %s has no description, or no example", status, name)
		}
	}
	want := map[string]string{
		"201": "Location", "202": "Location", "304": "ETag", "401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After",
	}[status]
	if headers["X-Request-Id"] == nil || want != "" && headers[want] == nil {
		t.Errorf("%s: headers %v; want X-Request-Id and %s", status, slices.Sorted(maps.Keys(headers)), want)
	}
}

// problems checks that an error has one example for each code that its description names, and that they are such problems.
func (d *document) problems(t *testing.T, status string, r map[string]any, examples []any) {
	t.Helper()
	var codes []string
	for _, e := range examples {
		p := e.(map[string]any)
		code := schema.ErrorCode(d.text(p, "code"))
		codes = append(codes, string(code))
		if !strings.Contains(d.text(r, "description"), "`"+string(code)+"`") || fmt.Sprint(code.HTTPStatus()) != status || p["status"].(json.Number).String() != status {
			t.Errorf("%s: an example is %v", status, p)
		}
		if d.text(p, "detail") == "" || p["retryable"] != code.Retryable() {
			t.Errorf("%s: incomplete problem %v", status, p)
		}
	}
	if len(codes) != strings.Count(d.text(r, "description"), "`")/2 {
		t.Errorf("%s: examples of %v, and %s", status, codes, d.text(r, "description"))
	}
}

// TestDocumentedSecurity holds that what is open says so, and claims none of the errors that it cannot come to.
func TestDocumentedSecurity(t *testing.T) {
	d := readDocument(t)
	open := map[string]string{
		"/healthz": "200 400 500", "/readyz": "200 400 500 503",
		"/openapi.json": "200 400 429 500 503", "/asyncapi.json": "200 400 429 500 503",
	}
	for path, statuses := range open {
		op := d.object(d.root, "paths", path, "get")
		if got := strings.Join(slices.Sorted(maps.Keys(d.object(op, "responses"))), " "); got != statuses {
			t.Errorf("%s answers %s, want %s", path, got, statuses)
		}
	}
	d.operations(func(t *testing.T, at string, op map[string]any) {
		security, there := op["security"].([]any)
		isOpen := slices.ContainsFunc(slices.Collect(maps.Keys(open)), func(p string) bool {
			return strings.HasPrefix(at, "#/paths/"+strings.ReplaceAll(p, "/", "~1")+"/")
		})
		if !there || isOpen != (len(security) == 0) {
			t.Errorf("security is %v", op["security"])
		}
		if isOpen {
			return
		}
		scope := d.text(op, "x-scope")
		if !slices.Contains(schema.Scopes(), schema.Scope(scope)) || !strings.Contains(d.text(op, "description"), "`"+scope+"`") {
			t.Errorf("it needs the scope %q, and says: %s", scope, d.text(op, "description"))
		}
	})
}

// TestDocumentedComponents holds that every component is used, and that every member of a schema is described.
func TestDocumentedComponents(t *testing.T) {
	d := readDocument(t)
	text := string(api.OpenAPI())
	for kind, all := range d.object(d.root, "components") {
		for name := range all.(map[string]any) {
			if kind != "securitySchemes" && !strings.Contains(text, `"#/components/`+kind+"/"+name+`"`) {
				t.Errorf("%s %s is used nowhere", kind, name)
			}
		}
	}
	for name, s := range d.object(d.root, "components", "schemas") {
		for member := range d.object(s, "properties") {
			m := d.object(s, "properties")[member].(map[string]any)
			if m["description"] == nil && m["$ref"] == nil {
				t.Errorf("%s.%s is not described", name, member)
			}
		}
	}
}

// TestDocumentedCodes holds that the table of error codes is whole, and that each is an error of some route or of HTTP itself.
func TestDocumentedCodes(t *testing.T) {
	d := readDocument(t)
	table := d.text(d.root, "components", "schemas", "Problem", "properties", "code", "description")
	for _, code := range schema.ErrorCodes() {
		again := map[bool]string{true: "yes", false: "no"}[code.Retryable()]
		if row := fmt.Sprintf("| `%s` | %d | %s |\n", code, code.HTTPStatus(), again); !strings.Contains(table, row) {
			t.Errorf("the table has no row %s", row)
		}
		used := false
		for name := range d.object(d.root, "components", "responses") {
			used = used || strings.Contains(d.text(d.root, "components", "responses", name, "description"), "`"+string(code)+"`")
		}
		if !used && code.HTTPStatus() != http.StatusMethodNotAllowed {
			t.Errorf("no route comes to %s", code)
		}
	}
}

// TestDocumentedRequests sends the examples of requests. A 404 is that of the fake host, which has no conversations: the server has
// let the request through.
func TestDocumentedRequests(t *testing.T) {
	d := readDocument(t)
	w := start(t, "", newFakeHost().services())
	d.operations(func(t *testing.T, at string, op map[string]any) {
		_, route, _ := strings.Cut(at, "#/paths/")
		path, method, _ := strings.Cut(route, "/")
		path = strings.ReplaceAll(path, "~1", "/")
		parameters, _ := op["parameters"].([]any)
		for _, p := range parameters {
			if d.text(p, "in") == "path" {
				path = strings.ReplaceAll(path, "{"+d.text(p, "name")+"}", d.text(p, "example"))
			}
		}
		examples := d.object(op, "requestBody", "content", "application/json", "examples")
		for name := range examples {
			body, err := json.Marshal(d.member(examples, name, "value"))
			if err != nil {
				t.Fatal(err)
			}
			if a := w.do(strings.ToUpper(method), path, string(body), as("admin")...); a.status >= 300 && a.status != http.StatusNotFound {
				t.Errorf("%s: %s was answered by %d %s", name, body, a.status, a.body)
			}
		}
	})
}

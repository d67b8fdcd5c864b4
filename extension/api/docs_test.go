package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/schema"
)

// docsFiles are what the page of the documentation is made of.
var docsFiles = map[string]string{
	"/docs": "text/html; charset=utf-8", "/docs/style.css": "text/css; charset=utf-8", "/docs/page.js": "text/javascript; charset=utf-8",
}

func TestDocsAreServedToEverybody(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	for path, mediaType := range docsFiles {
		a := w.do("GET", path, "", "Accept-Encoding", "identity")
		for name, want := range map[string]string{
			"Content-Type": mediaType, "Cache-Control": "no-cache", "Vary": "Accept-Encoding", "Content-Encoding": "", "X-Content-Type-Options": "nosniff",
		} {
			if a.status != 200 || a.header.Get(name) != want {
				t.Errorf("%s = %d, %s %q; want %q", path, a.status, name, a.header.Get(name), want)
			}
		}
		head := w.do("HEAD", path, "", "Accept-Encoding", "identity")
		if head.status != 200 || len(head.body) != 0 || head.header.Get("ETag") != a.header.Get("ETag") || head.header.Get("Content-Length") != a.header.Get("Content-Length") {
			t.Errorf("HEAD %s = %d %v, GET %v", path, head.status, head.header, a.header)
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
			w.do(method, path, "").problem(t, 405, schema.CodeMethodNotAllowed)
		}
		if a := w.do("OPTIONS", path, ""); a.status != 204 || !strings.Contains(a.header.Get("Allow"), "GET") {
			t.Errorf("OPTIONS %s = %d %v", path, a.status, a.header)
		}
	}
	w.do("GET", "/docs/style", "").problem(t, 404, schema.CodeNotFound)
	w.do("GET", "/docs/page.html", "").problem(t, 404, schema.CodeNotFound)
	if a := w.do("GET", "/openapi.json", ""); a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("what says nothing of caches is not to be stored: %v", a.header)
	}
}

func TestDocsPolicy(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	a := w.do("GET", "/docs", "")
	if got := a.header["Content-Security-Policy"]; !slices.Equal(got, []string{policy}) {
		t.Errorf("Content-Security-Policy: %q", got)
	}
	if got := a.header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy: %q", got)
	}
}

// TestDocsAreNotSentTwice asks for what the client has, in both encodings, whose ETags differ.
func TestDocsAreNotSentTwice(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	for path := range docsFiles {
		plain := w.do("GET", path, "", "Accept-Encoding", "identity")
		packed := w.do("GET", path, "", "Accept-Encoding", "br, gzip")
		z, err := gzip.NewReader(bytes.NewReader(packed.body))
		if err != nil || packed.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v %v", path, packed.header, err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, plain.body) {
			t.Errorf("%s is another one when it is compressed (%v)", path, err)
		}
		for _, have := range []answer{plain, packed} {
			encoding, etag := have.header.Get("Content-Encoding"), have.header.Get("ETag")
			if encoding == "" {
				encoding = "identity"
			}
			same := w.do("GET", path, "", "Accept-Encoding", encoding, "If-None-Match", etag)
			if same.status != 304 || len(same.body) > 0 || same.header.Get("ETag") != etag || same.header.Get("Cache-Control") != "no-cache" ||
				same.header.Get("Vary") != "Accept-Encoding" || same.header.Get("Content-Encoding") != "" {
				t.Errorf("%s in %s, unless %s = %d %v", path, encoding, etag, same.status, same.header)
			}
		}
		if plain.header.Get("ETag") == packed.header.Get("ETag") {
			t.Errorf("%s: two bodies, one ETag", path)
		}
		for _, accept := range []string{"", "gzip;q=0", "identity", "br"} {
			if a := w.do("GET", path, "", "Accept-Encoding", accept); a.header.Get("Content-Encoding") != "" || !bytes.Equal(a.body, plain.body) {
				t.Errorf("%s with Accept-Encoding %q: %v", path, accept, a.header)
			}
		}
	}
}

// TestDocsLinksAreRelative serves the page below a path of a proxy.
func TestDocsLinksAreRelative(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := w.do("GET", "/docs/", "")
	outside, err := url.Parse("https://example.com/agents/docs/")
	if err != nil {
		t.Fatal(err)
	}
	to, err := outside.Parse(a.header.Get("Location"))
	if err != nil || a.status != 308 || to.Path != "/agents/docs" {
		t.Fatalf("/docs/ = %d to %v (%v)", a.status, to, err)
	}
	page := parseDocs(t, w.do("GET", "/docs", "", "Accept-Encoding", "identity").body)
	for _, href := range page.loads {
		target, err := to.Parse(href)
		if err != nil || !strings.HasPrefix(target.Path, "/agents/") {
			t.Errorf("the page loads %s from %v (%v)", href, target, err)
			continue
		}
		if a := w.do("GET", strings.TrimPrefix(target.Path, "/agents"), ""); a.status != 200 {
			t.Errorf("%s = %d", target.Path, a.status)
		}
	}
	for _, file := range []string{"openapi.json", "asyncapi.json"} {
		if !slices.Contains(page.links, file) {
			t.Errorf("the page has no link to %s", file)
		}
	}
}

// docsPage is a page of HTML, taken apart.
type docsPage struct {
	ids    map[string]bool
	links  []string // hrefs of what can be clicked
	loads  []string // URLs that a browser loads by itself
	inline []string // scripts and styles that a policy forbids
	text   string
	codes  map[string]bool // the texts of all code elements
}

func parseDocs(t *testing.T, b []byte) docsPage {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	p := docsPage{ids: map[string]bool{}, codes: map[string]bool{}}
	for n := range root.Descendants() {
		p.add(t, n)
	}
	p.text = plainText(root, " ")
	return p
}

func (p *docsPage) add(t *testing.T, n *html.Node) {
	t.Helper()
	if n.Type != html.ElementNode {
		return
	}
	if n.Data == "code" {
		p.codes[plainText(n, "")] = true
	}
	if n.Data == "style" || n.Data == "base" || n.Data == "iframe" || n.Data == "script" && n.FirstChild != nil {
		p.inline = append(p.inline, n.Data)
	}
	for _, a := range n.Attr {
		switch {
		case a.Key == "id":
			if p.ids[a.Val] {
				t.Errorf("two things have the id %q", a.Val)
			}
			p.ids[a.Val] = true
		case a.Key == "href" && n.Data == "a":
			p.links = append(p.links, a.Val)
		case a.Key == "src", a.Key == "srcset", a.Key == "poster", a.Key == "data", a.Key == "href" && !strings.HasPrefix(a.Val, "data:"):
			p.loads = append(p.loads, a.Val)
		case a.Key == "style", strings.HasPrefix(a.Key, "on"):
			p.inline = append(p.inline, a.Key+"="+a.Val)
		}
	}
}

func plainText(n *html.Node, between string) string {
	var texts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			texts = append(texts, d.Data)
		}
	}
	return strings.Join(texts, between)
}

func TestDocsPageIsWhole(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	a := w.do("GET", "/docs", "", "Accept-Encoding", "identity")
	page := parseDocs(t, a.body)
	t.Logf("the page has %d bytes", len(a.body))
	if len(a.body) > 500_000 {
		t.Errorf("the page has %d bytes", len(a.body))
	}
	if len(page.inline) > 0 {
		t.Errorf("the policy forbids %q", page.inline)
	}
	if slices.Sort(page.loads); !slices.Equal(page.loads, []string{"docs/page.js", "docs/style.css"}) {
		t.Errorf("the page loads %q", page.loads)
	}
	for _, link := range page.links {
		id, within := strings.CutPrefix(link, "#")
		id, err := url.PathUnescape(id)
		if within && (err != nil || !page.ids[id]) {
			t.Errorf("%s leads nowhere", link)
		}
	}
	for _, leak := range []string{"ZgotmplZ", "<no value>", "%!", "&amp;lt;"} {
		if bytes.Contains(a.body, []byte(leak)) {
			t.Errorf("the page has a %q", leak)
		}
	}
	for _, code := range schema.ErrorCodes() {
		if !page.ids["error-"+string(code)] {
			t.Errorf("the page does not have the code %s", code)
		}
	}
}

// TestDocsHaveEverything looks for what the documents have, on its own way through them.
func TestDocsHaveEverything(t *testing.T) {
	w := start(t, "", newFakeHost().services()).unjudged() // a page for people is no operation
	page := parseDocs(t, w.do("GET", "/docs", "", "Accept-Encoding", "identity").body)
	var rest struct {
		Paths      map[string]map[string]any
		Components struct{ Schemas, Responses, Headers map[string]any }
	}
	var frames struct {
		Components struct {
			Schemas  map[string]any
			Messages map[string]struct{ Name string }
		}
	}
	decodeDocument(t, api.OpenAPI(), &rest)
	decodeDocument(t, api.AsyncAPI(), &frames)
	want := func(id string) {
		if !page.ids[id] {
			t.Errorf("nothing on the page has the id %q", id)
		}
	}
	for path, methods := range rest.Paths {
		for _, v := range methods {
			if o, ok := v.(map[string]any); ok {
				want("operation-" + o["operationId"].(string))
			}
		}
		if !page.codes[path] {
			t.Errorf("%s is not on the page", path)
		}
	}
	for name := range rest.Components.Schemas {
		want("schema-" + name)
	}
	for name := range rest.Components.Responses {
		want("response-" + name)
	}
	for name := range rest.Components.Headers {
		want("header-" + name)
	}
	for _, m := range frames.Components.Messages {
		want("ws-message-" + strings.ReplaceAll(m.Name, ":", "."))
	}
	for name := range frames.Components.Schemas {
		if !page.ids["ws-schema-"+name] { // or it is that of REST
			want("schema-" + name)
		}
	}
	if len(rest.Paths) < 15 || len(rest.Components.Schemas) < 20 || len(frames.Components.Messages) < 25 {
		t.Errorf("the documents are not what they were: %d paths, %d messages", len(rest.Paths), len(frames.Components.Messages))
	}
	haveTexts(t, page, "openapi", api.OpenAPI())
	haveTexts(t, page, "asyncapi", api.AsyncAPI())
}

func decodeDocument(t *testing.T, text []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// haveTexts checks that every description is on the page, whatever it is the description of. Only letters and digits count:
// the rest may be markup.
func haveTexts(t *testing.T, p docsPage, name string, document []byte) {
	t.Helper()
	var v any
	decodeDocument(t, document, &v)
	noise := regexp.MustCompile(`[^\pL\pN]+`)
	there := noise.ReplaceAllString(p.text, "")
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, v := range x {
				if s, ok := v.(string); ok && (k == "description" || k == "summary") && !strings.Contains(there, noise.ReplaceAllString(s, "")) {
					t.Errorf("%s: the page does not say %q of %s", name, s, at)
				}
				walk(at+"/"+k, v)
			}
		case []any:
			for _, v := range x {
				walk(at+"/-", v)
			}
		}
	}
	walk("", v)
}

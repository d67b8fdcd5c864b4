package docs_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/net/html"

	"github.com/stagehouse/stagehouse/extension/api/internal/docs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// odd renders documents that have every form that this package knows, and much that it does not. What must be seen is called
// mark-…; testdata/openapi.json has it wherever a document may have something.
func odd(t testing.TB) (documents string, page *html.Node) {
	t.Helper()
	rest, err := os.ReadFile("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	frames, err := os.ReadFile("testdata/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	b, err := docs.Render(docs.Input{OpenAPI: rest, AsyncAPI: frames, Codes: []docs.Code{{Name: "gone", Title: "It is gone", Status: 404}}})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := docs.Render(docs.Input{OpenAPI: rest, AsyncAPI: frames, Codes: []docs.Code{{Name: "gone", Title: "It is gone", Status: 404}}}); err != nil || !bytes.Equal(b, again) {
		t.Errorf("the page is not the same every time (%v)", err)
	}
	root, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return string(rest) + string(frames), root
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func find(n *html.Node, id string) *html.Node {
	for d := range n.Descendants() {
		if attr(d, "id") == id {
			return d
		}
	}
	return nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestNothingIsDropped(t *testing.T) {
	documents, page := odd(t)
	text := textOf(page)
	marks := regexp.MustCompile(`mark-[a-z-]*[a-z]`).FindAllString(documents, -1)
	if len(marks) < 60 {
		t.Fatalf("only %d marks", len(marks))
	}
	for _, mark := range marks {
		if mark != "mark-shared" && !strings.Contains(text, mark) { // which the operation overrides
			t.Errorf("%s is not on the page", mark)
		}
	}
	for _, no := range []string{"mark-shared", "overridden-summary"} {
		if strings.Contains(text, no) {
			t.Errorf("%s is on the page", no)
		}
	}
	for _, want := range []string{
		"Odd & <b>bold</b>", "<script>alert('mark-script')</script>", "^<mark>$", "9007199254740993",
		"Several are given one by one", "1 to 9 characters", "Exactly 2 items", "More than 3", "At most 7 characters",
		`Default "12"`, "string (mark-format) or null", "string or Ring or null", "Optional: key with mark-scope", "https://example.com/mark-elsewhere",
		"#/components/schemas/Node/properties/next", `Example a&b "7"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestNothingIsTrusted(t *testing.T) {
	_, page := odd(t)
	for n := range page.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "script" && attr(n, "src") != "docs/page.js" || n.Data == "b" {
			t.Errorf("the page has a <%s> of the documents", n.Data)
		}
		if href := attr(n, "href"); strings.HasPrefix(href, "javascript:") || strings.Contains(href, "ZgotmplZ") {
			t.Errorf("a link runs %q", href)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	_, page := odd(t)
	seen := map[string]bool{}
	for n := range page.Descendants() {
		if id := attr(n, "id"); id != "" {
			if seen[id] {
				t.Errorf("the id %q is there twice", id)
			}
			seen[id] = true
		}
	}
	links := map[string]bool{}
	for n := range page.Descendants() {
		if id, ok := strings.CutPrefix(attr(n, "href"), "#"); ok {
			links[id] = true
			if !seen[id] {
				t.Errorf("#%s leads nowhere", id)
			}
		}
	}
	for _, want := range []string{"error-gone", "schema-Ring", "ws-message-say.hello", "ws-message-bye", "ws-schema-Other", "ws-schema-All", "operation-make.thing~2f~~e4~"} {
		if !links[want] {
			t.Errorf("nothing links to #%s", want)
		}
	}
	// The same name is the same schema only if everything below it is the same, too.
	if !seen["ws-schema-All"] || !seen["ws-schema-Node"] || seen["ws-schema-Ring"] || seen["ws-schema-Gnir"] {
		t.Errorf("schemas of frames: %v", seen)
	}
}

func TestCommandLine(t *testing.T) {
	_, page := odd(t)
	operation := find(page, "operation-make.thing~2f~~e4~")
	if operation == nil {
		t.Fatal("no operation")
	}
	const want = `curl 'https://eu.example.com/base/things/a%2Fb%20c?must=a%26b' \
  -H "Authorization: Bearer $STAGEHOUSE_TOKEN" \
  -H 'X-Shared: it'\''s' \
  -H 'Content-Type: application/json' \
  -d '{
  "name": "o'\''clock",
  "big": 9007199254740993
}'`
	if text := textOf(operation); !strings.Contains(text, want) {
		t.Errorf("no command line like\n%s\nin\n%s", want, text)
	}
	if !strings.Contains(textOf(operation), "curl -N '") {
		t.Error("no command line that follows")
	}
}

func TestUnreadableDocuments(t *testing.T) {
	good := []byte(`{}`)
	for _, bad := range []string{"", "[]", "{", `{"a":1} 2`, `"x"`} {
		if _, err := docs.Render(docs.Input{OpenAPI: []byte(bad)}); err == nil {
			t.Errorf("%q is an OpenAPI document", bad)
		}
		if _, err := docs.Render(docs.Input{OpenAPI: good, AsyncAPI: []byte(bad)}); err == nil {
			t.Errorf("%q is an AsyncAPI document", bad)
		}
	}
	if _, err := docs.Render(docs.Input{OpenAPI: good, AsyncAPI: good}); err != nil {
		t.Errorf("documents of nothing: %v", err)
	}
}

// FuzzRender has documents of any form: there is always a page.
func FuzzRender(f *testing.F) {
	for _, name := range []string{"testdata/openapi.json", "testdata/asyncapi.json"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"components":{"schemas":{"a":{"items":{"$ref":"#/components/schemas/a"}}}},"paths":{"/":{"get":{"responses":{"":[]}}}}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if _, err := docs.Render(docs.Input{OpenAPI: document}); err != nil {
			return
		}
		if _, err := docs.Render(docs.Input{OpenAPI: document, AsyncAPI: document}); err != nil {
			t.Errorf("good for one and not for two: %v", err)
		}
	})
}

package apitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

// published is the document that is served and committed.
var published = sync.OnceValue(newPublished)

func newPublished() *apitest.Exchanges {
	document, err := os.ReadFile(filepath.Join("..", "..", "..", "schema", "openapi.json"))
	if err != nil {
		panic(err)
	}
	e, err := apitest.NewExchanges(document)
	if err != nil {
		panic(err)
	}
	return e
}

// judged is a T that keeps what it is failed with.
type judged struct {
	found []string
	over  []func()
}

func (j *judged) Helper() {}
func (j *judged) Errorf(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}
func (j *judged) Cleanup(f func()) { j.over = append(j.over, f) }

// scripted is a server that answers everything in one way, with an X-Request-Id unless its headers have another one; "" is none.
type scripted struct {
	status int
	header map[string]string
	body   string
}

func (s scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Request-Id", "req_1")
	for name, value := range s.header {
		if w.Header().Set(name, value); value == "" {
			w.Header().Del(name)
		}
	}
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

// try has a client send one request to a scripted server, and returns what is found wrong.
func try(t *testing.T, e *apitest.Exchanges, s scripted, method, path, body string, header ...string) []string {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	j := &judged{}
	client := http.Client{Transport: e.Transport(j, &http.Transport{DisableKeepAlives: true})}
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || method != http.MethodHead && string(got) != s.body {
		t.Errorf("the body that was passed through is %.100q, %v", got, err)
	}
	return j.found
}

const (
	agent = `{"id":"nyx","name":"Nyx","description":"","status":"running","skills":["a"],"brain":"builtin","persona":"","metadata":{"x":{"y":1e400}},` +
		`"emotion":{"name":"calm","intensity":0.1,"valence":0,"arousal":0},"declared":true,"revision":7,` +
		`"createdAt":"2026-01-02T03:04:05Z","updatedAt":"2026-01-02T03:04:05Z"}`
	notFound = `{"type":"urn:stagehouse:problem:not_found","title":"Not found","status":404,"detail":"x","code":"not_found","retryable":false}`
)

// with returns a document with something else in place of what is there.
func with(document, there, instead string) string {
	if !strings.Contains(document, there) {
		panic("there is no " + there)
	}
	return strings.Replace(document, there, instead, 1)
}

// TestExchanges: every way to break the contract is found, by what is said of it, and what keeps it is not.
func TestExchanges(t *testing.T) {
	e := published()
	plain := map[string]string{"Content-Type": "application/json", "ETag": `"7"`}
	wrong := map[string]string{"Content-Type": "application/problem+json"}
	also := func(header map[string]string, name, value string) map[string]string {
		more := map[string]string{name: value}
		for n, v := range header {
			if n != name {
				more[n] = v
			}
		}
		return more
	}
	const nyx = "/api/agents/nyx"
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		answer             scripted
		want               string // in what is found; "" = nothing is
	}{
		"as it should be":           {"GET", nyx, "", nil, scripted{200, plain, agent}, ""},
		"one slash more":            {"GET", nyx + "/", "", nil, scripted{200, plain, agent}, ""},
		"escaped":                   {"GET", "/api/agents/n%79x", "", nil, scripted{200, plain, agent}, ""},
		"unchanged":                 {"GET", nyx, "", []string{"If-None-Match", `"7"`}, scripted{304, map[string]string{"ETag": `"7"`}, ""}, ""},
		"a change":                  {"PUT", nyx, `{"name":null}`, nil, scripted{200, plain, agent}, ""},
		"a merge patch":             {"PATCH", nyx, `{}`, []string{"Content-Type", "application/merge-patch+json"}, scripted{200, plain, agent}, ""},
		"an error":                  {"GET", nyx, "", nil, scripted{404, wrong, notFound}, ""},
		"what the server refuses":   {"PUT", nyx, `{"nam":1}`, nil, scripted{422, wrong, with(with(notFound, "404", "422"), `"not_found"`, `"invalid_argument"`)}, ""},
		"a path that is not":        {"GET", "/nowhere", "", nil, scripted{404, wrong, notFound}, ""},
		"a HEAD":                    {"HEAD", nyx, "", nil, scripted{200, plain, ""}, ""},
		"nothing":                   {"DELETE", nyx, "", nil, scripted{204, nil, ""}, ""},
		"what is allowed":           {"OPTIONS", nyx, "", nil, scripted{204, map[string]string{"Allow": "GET"}, ""}, ""},
		"too much before all":       {"GET", nyx, "", nil, scripted{431, wrong, with(with(notFound, "404", "431"), `"not_found"`, `"too_large"`)}, ""},
		"a probe":                   {"GET", "/healthz?x=1", "", nil, scripted{200, map[string]string{"Content-Type": "application/json"}, `{"status":"ok"}`}, ""},
		"metadata":                  {"GET", "/api/memory/search?metadata.a=1&tag=x&tag=y", "", nil, scripted{200, map[string]string{"Content-Type": "application/json"}, `{"results":[]}`}, ""},
		"a stream":                  {"GET", "/api/events", "", nil, scripted{200, map[string]string{"Content-Type": "text/event-stream"}, ": x\n\n"}, ""},
		"undeclared status":         {"GET", nyx, "", nil, scripted{206, plain, agent}, "no status 206 for get-agent"},
		"undeclared error":          {"GET", nyx, "", nil, scripted{412, wrong, with(notFound, "404", "412")}, "no status 412 for get-agent"},
		"undeclared type":           {"GET", nyx, "", nil, scripted{200, also(plain, "Content-Type", "text/html"), agent}, `no Content-Type "text/html"`},
		"undeclared type of a HEAD": {"HEAD", nyx, "", nil, scripted{200, also(plain, "Content-Type", "text/html"), ""}, `no Content-Type "text/html"`},
		"stream that is none":       {"GET", nyx, "", nil, scripted{200, also(plain, "Content-Type", "text/event-stream"), ""}, `no Content-Type "text/event-stream"`},
		"missing header":            {"GET", nyx, "", nil, scripted{200, also(plain, "X-Request-Id", ""), agent}, `header "X-Request-Id" missing`},
		"undeclared header":         {"GET", nyx, "", nil, scripted{200, also(plain, "X-Secret", "1"), agent}, "no header X-Secret"},
		"undeclared body":           {"DELETE", nyx, "", nil, scripted{200, plain, agent}, "no status 200"},
		"no JSON":                   {"GET", nyx, "", nil, scripted{200, plain, "{"}, "no JSON"},
		"no body":                   {"GET", nyx, "", nil, scripted{200, plain, ""}, "no JSON"},
		"missing member":            {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"name":"Nyx",`, "")}, "missing property 'name'"},
		"missing member below":      {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"name":"calm",`, "")}, "at /emotion: missing property 'name'"},
		"unknown member":            {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"name":"Nyx"`, `"name":"Nyx","nom":1`)}, "at /nom: "},
		"unknown member below":      {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"name":"calm"`, `"name":"calm","nom":1`)}, "at /emotion/nom: "},
		"wrong kind":                {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"skills":["a"]`, `"skills":["a",1]`)}, "at /skills/1: got number, want string"},
		"null":                      {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"skills":["a"]`, `"skills":null`)}, "at /skills: got null, want array"},
		"unknown enum":              {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"running"`, `"asleep"`)}, "at /status: value must be one of"},
		"time of another format":    {"GET", nyx, "", nil, scripted{200, plain, with(agent, "2026-01-02T03:04:05Z", "yesterday")}, "at /createdAt: 'yesterday' is not valid date-time"},
		"neither of two":            {"GET", nyx, "", nil, scripted{200, plain, with(agent, `"brain":"builtin"`, `"brain":{"n":1}`)}, "at /brain: missing property 'provider'"},
		"error as JSON":             {"GET", nyx, "", nil, scripted{404, plain, notFound}, `no Content-Type "application/json"`},
		"error of another status":   {"GET", nyx, "", nil, scripted{404, wrong, with(notFound, "404", "400")}, "has the status 400"},
		"unknown code":              {"GET", nyx, "", nil, scripted{404, wrong, with(notFound, `"not_found"`, `"lost"`)}, "at /code: value must be one of"},
		"unknown path, 200":         {"GET", "/nowhere", "", nil, scripted{200, plain, "{}"}, "no matching operation"},
		"unknown path, no problem":  {"GET", "/nowhere", "", nil, scripted{404, map[string]string{"Content-Type": "text/plain"}, "lost"}, `an error has Content-Type "text/plain"`},
		"unknown path, half":        {"GET", "/nowhere", "", nil, scripted{404, wrong, with(notFound, `"detail":"x",`, "")}, "missing property 'detail'"},
		"unknown method, 200":       {"POST", nyx, "{}", nil, scripted{200, plain, agent}, "method not allowed"},
		"405 without Allow":         {"POST", nyx, "{}", nil, scripted{405, wrong, with(with(notFound, "404", "405"), `"not_found"`, `"method_not_allowed"`)}, "a 405 must have Allow"},
		"a body nobody asked for":   {"POST", nyx + "/stop", "x", []string{"Content-Type", "text/plain"}, scripted{415, wrong, with(with(notFound, "404", "415"), `"not_found"`, `"unsupported_media_type"`)}, ""},
		"undeclared, for all":       {"GET", "/api/agents", "", nil, scripted{415, wrong, notFound}, "has the status 404"},
		"unknown query, accepted":   {"GET", nyx + "?x=1", "", nil, scripted{200, plain, agent}, `accepted what the document does not allow: there is no query parameter "x"`},
		"bad query, accepted":       {"GET", "/api/agents?limit=0", "", nil, scripted{200, map[string]string{"Content-Type": "application/json"}, `{"agents":[],"nextCursor":""}`}, `parameter "limit" in query`},
		"bad enum, accepted":        {"GET", "/api/agents?status=asleep", "", nil, scripted{200, map[string]string{"Content-Type": "application/json"}, `{"agents":[],"nextCursor":""}`}, `parameter "status" in query`},
		"bad body, accepted":        {"PUT", nyx, `{"name":1}`, nil, scripted{200, plain, agent}, "at /name: got number, want null or string"},
		"member more, accepted":     {"PUT", nyx, `{"nom":1}`, nil, scripted{200, plain, agent}, "additional properties 'nom'"},
		"no body, accepted":         {"PUT", nyx, "", nil, scripted{200, plain, agent}, "the body is missing"},
		"a body, accepted":          {"POST", nyx + "/stop", "{}", nil, scripted{200, plain, agent}, "there is a body"},
		"other type, accepted":      {"PUT", nyx, "{}", []string{"Content-Type", "text/plain"}, scripted{200, plain, agent}, `there is a body with Content-Type "text/plain"`},
		"long key, accepted":        {"PUT", nyx, "{}", []string{"Idempotency-Key", strings.Repeat("x", 256)}, scripted{200, plain, agent}, `parameter "Idempotency-Key" in header`},
	} {
		t.Run(name, func(t *testing.T) {
			found := try(t, e, c.answer, c.method, c.path, c.body, c.headers...)
			switch text := strings.Join(found, "\n"); {
			case c.want == "" && text != "":
				t.Error(text)
			case !strings.Contains(text, c.want):
				t.Errorf("found %q, want %q", text, c.want)
			case c.want != "" && !strings.Contains(text, c.method+" "+c.path+" = "):
				t.Errorf("it does not say where: %q", text)
			}
		})
	}
}

// TestSeen: what was answered as the document says has been seen, and nothing else.
func TestSeen(t *testing.T) {
	e := newPublished()
	good := apitest.Answer{Operation: "get-agent", Status: 200, MediaType: "application/json"}
	if all := e.Declared(); !slices.Contains(all, good) || !slices.Contains(all, apitest.Answer{Operation: "get-agent", Status: 304}) || e.Seen(good) {
		t.Errorf("declared are %v", all)
	}
	header := map[string]string{"Content-Type": "application/json", "ETag": `"7"`}
	if try(t, e, scripted{200, header, "{}"}, "GET", "/api/agents/nyx", ""); e.Seen(good) {
		t.Error("a wrong answer counts")
	}
	if try(t, e, scripted{200, header, ""}, "HEAD", "/api/agents/nyx", ""); e.Seen(good) {
		t.Error("a HEAD counts")
	}
	if try(t, e, scripted{200, header, agent}, "GET", "/api/agents/nyx", ""); !e.Seen(good) {
		t.Error("a good answer does not count")
	}
}

func TestWhatIsNoContract(t *testing.T) {
	for _, document := range []string{"", "{}", `{"openapi":"3.1.0","info":{"title":"x","version":"1"},"paths":{}}`} {
		if _, err := apitest.NewExchanges([]byte(document)); err == nil {
			t.Errorf("%q is a contract", document)
		}
	}
}

// BenchmarkExchange is a list of ten agents, judged and not.
func BenchmarkExchange(b *testing.B) {
	page := `{"agents":[` + strings.TrimSuffix(strings.Repeat(agent+",", 10), ",") + `],"nextCursor":""}`
	server := httptest.NewServer(scripted{200, map[string]string{"Content-Type": "application/json"}, page})
	defer server.Close()
	wire := &http.Transport{}
	defer wire.CloseIdleConnections()
	for name, next := range map[string]http.RoundTripper{"plain": wire, "judged": published().Transport(b, wire)} {
		b.Run(name, func(b *testing.B) {
			client := http.Client{Transport: next}
			for b.Loop() {
				resp, err := client.Get(server.URL + "/api/agents?limit=5&status=running")
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
}

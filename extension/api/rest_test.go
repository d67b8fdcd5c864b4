package api_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

func TestRoutesAnswer(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	for _, c := range []struct {
		method, path, body string
		status             int
		member             string // that the answer has
	}{
		{"GET", "/healthz", "", 200, "status"},
		{"GET", "/readyz", "", 200, "status"},
		{"GET", "/healthz?x=1", "", 200, "status"},
		{"GET", "/readyz?x=1&x=2", "", 200, "status"},
		{"GET", "/openapi.json", "", 200, "openapi"},
		{"GET", "/asyncapi.json", "", 200, "asyncapi"},
		{"GET", "/api/agents", "", 200, "nextCursor"},
		{"GET", "/api/agents/", "", 200, "nextCursor"},
		{"GET", "/api/agents?status=running&skill=x&limit=1", "", 200, "agents"},
		{"GET", "/api/agents/nyx", "", 200, "revision"},
		{"GET", "/api/agents/n%79x", "", 200, "revision"},
		{"PUT", "/api/agents/nyx", `{}`, 200, "revision"},
		{"POST", "/api/agents", `{"id":"vera","name":"Vera","skills":["a"],"brain":{"provider":"x"},"start":false}`, 201, "revision"},
		{"POST", "/api/agents/nyx/start", "", 200, "status"},
		{"POST", "/api/agents/nyx/stop", "", 200, "status"},
		{"POST", "/api/chat/send", `{"agentId":"nyx","message":"Hello!","conversationId":"optional-id"}`, 200, "reply"},
		{"GET", "/api/chat/conversations", "", 200, "conversations"},
		{"POST", "/api/memory/store", `{"agentId":"nyx","content":"Remember this","metadata":{}}`, 201, "metadata"},
		{"POST", "/api/memory/store", `{"agentId":"nyx","content":"\ud83d\ude00","metadata":{"A":1,"a":"\\ud800"}}`, 201, "metadata"},
		{"GET", "/api/memory/search?q=query&agentId=nyx", "", 200, "results"},
		{"GET", "/api/memory/search?agentId=nyx", "", 200, "results"},
		{"GET", "/api/memory/search?tag=a&tag=b&minImportance=0.5&metadata.a.b=1", "", 200, "results"},
		{"POST", "/api/memory/store", `{"agentId":"nyx","content":"x","tags":["a"],"importance":0,"expiresAt":"2999-01-01T00:00:00Z"}`, 201, "metadata"},
		{"GET", "/api/memory/mem_2", "", 200, "content"},
		{"GET", "/api/usage", "", 200, "total"},
		{"GET", "/api/usage?groupBy=provider&agentId=nyx&principal=a&runId=r&since=2026-11-01T00:00:00Z&until=2026-11-01T02:00:00%2B01:00&limit=1", "", 200, "groups"},
		{"GET", "/api/agents/nyx/memories/mem_2", "", 200, "content"},
	} {
		a := w.do(c.method, c.path, c.body, as("admin")...)
		var got map[string]json.RawMessage
		if a.status != c.status || json.Unmarshal(a.body, &got) != nil || got[c.member] == nil {
			t.Errorf("%s %s = %d %s; want %d with a member %s", c.method, c.path, a.status, a.body, c.status, c.member)
		}
		if a.header.Get("X-Request-Id") == "" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
			t.Errorf("%s %s has headers %v", c.method, c.path, a.header)
		}
	}
}

// TestBadRequests tries whatever a client can do wrong: each is answered by a whole problem document.
func TestBadRequests(t *testing.T) {
	w := start(t, `"limits":{"bodyBytes":4096}`, newFakeHost().services())
	const send, nyx = "/api/chat/send", "/api/agents/nyx"
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               schema.ErrorCode
		errors             []string // locations
		headers            []string
	}{
		"unknown path":            {"GET", "/nowhere", "", 404, "not_found", nil, nil},
		"root":                    {"GET", "/", "", 404, "not_found", nil, nil},
		"unknown path below":      {"GET", "/api/agents/nyx/nowhere", "", 404, "not_found", nil, nil},
		"case matters":            {"GET", "/API/agents", "", 404, "not_found", nil, nil},
		"wrong method":            {"POST", nyx, "", 405, "method_not_allowed", nil, nil},
		"wrong method on static":  {"POST", "/api/memory/search", "", 405, "method_not_allowed", nil, nil},
		"wrong method on health":  {"POST", "/healthz", "", 405, "method_not_allowed", nil, nil},
		"unknown method":          {"BREW", nyx, "", 501, "unimplemented", nil, nil},
		"encoded slash":           {"POST", nyx + "%2Fstop", "", 404, "not_found", nil, nil},
		"encoded slash, static":   {"GET", "/api%2fagents", "", 404, "not_found", nil, nil},
		"encoded twice":           {"POST", nyx + "%252Fstop", "", 405, "method_not_allowed", nil, nil},
		"empty segment":           {"GET", "/api//agents", "", 404, "not_found", nil, nil},
		"empty segments, first":   {"GET", "//api/agents", "", 404, "not_found", nil, nil},
		"empty segments, last":    {"GET", "/api/agents//", "", 404, "not_found", nil, nil},
		"empty id":                {"POST", "/api/agents//stop", "", 404, "not_found", nil, nil},
		"dot segment":             {"GET", "/api/./agents", "", 404, "not_found", nil, nil},
		"dots":                    {"GET", "/api/chat/../agents", "", 404, "not_found", nil, nil},
		"encoded dots":            {"GET", "/api/chat/%2e%2e/agents", "", 404, "not_found", nil, nil},
		"unknown agent":           {"GET", "/api/agents/ghost", "", 404, "not_found", nil, nil},
		"unknown conversation":    {"GET", "/api/chat/conversations/ghost", "", 404, "not_found", nil, nil},
		"not UTF-8 in path":       {"GET", "/api/agents/%ff", "", 400, "malformed", nil, nil},
		"not UTF-8 in query":      {"GET", "/api/memory/search?q=%ff", "", 400, "malformed", nil, nil},
		"empty body":              {"POST", send, "", 400, "malformed", nil, nil},
		"not JSON":                {"POST", send, "hello", 400, "malformed", nil, nil},
		"half JSON":               {"POST", send, `{"message":`, 400, "malformed", nil, nil},
		"two values":              {"POST", send, `{"message":"x"} {}`, 400, "malformed", nil, nil},
		"not UTF-8":               {"POST", send, "{\"message\":\"\xff\"}", 400, "malformed", nil, nil},
		"deep":                    {"POST", send, `{"message":"x","context":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat("}", 101), 400, "malformed", nil, nil},
		"a list":                  {"POST", send, `[]`, 422, "invalid_argument", []string{"body"}, nil},
		"null":                    {"POST", send, `null`, 422, "invalid_argument", []string{"body"}, nil},
		"missing":                 {"POST", send, `{}`, 422, "invalid_argument", []string{"body"}, nil},
		"all wrong at once":       {"POST", send, `{"agentId":1,"message":[],"extra":true,"context":"x"}`, 422, "invalid_argument", []string{"body.agentId", "body.context", "body.extra", "body.message"}, nil},
		"twice":                   {"POST", send, `{"message":"a","message":"b"}`, 422, "invalid_argument", []string{"body.message"}, nil},
		"twice below":             {"POST", send, `{"message":"a","context":{"x":1,"x":2}}`, 422, "invalid_argument", []string{"body.context.x"}, nil},
		"other case":              {"POST", send, `{"AGENTID":"nyx","message":"x"}`, 422, "invalid_argument", []string{"body.AGENTID"}, nil},
		"both cases":              {"POST", send, `{"message":"x","agentId":"aria","agentID":"nyx"}`, 422, "invalid_argument", []string{"body.agentID"}, nil},
		"both cases of a patch":   {"PUT", nyx, `{"Name":"x","name":"y"}`, 422, "invalid_argument", []string{"body.Name"}, nil},
		"other case of a brain":   {"PUT", nyx, `{"brain":{"Provider":"x"}}`, 422, "invalid_argument", []string{"body"}, nil},
		"half a character":        {"POST", send, `{"message":"\ud83d!"}`, 400, "malformed", nil, nil},
		"half a character, free":  {"POST", send, `{"message":"x","context":{"\udc00":1}}`, 400, "malformed", nil, nil},
		"empty message":           {"POST", send, `{"agentId":"nyx","message":" "}`, 422, "invalid_argument", []string{"body.message"}, nil},
		"bad ids":                 {"POST", send, `{"agentId":"a b","message":"x","conversationId":"ä"}`, 422, "invalid_argument", []string{"body.agentId", "body.conversationId"}, nil},
		"memory without content":  {"POST", "/api/memory/store", `{"agentId":"nyx","content":""}`, 422, "invalid_argument", []string{"body.content"}, nil},
		"form":                    {"POST", send, "message=x", 415, "unsupported_media_type", nil, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"text":                    {"POST", send, `{"message":"x"}`, 415, "unsupported_media_type", nil, []string{"Content-Type", "text/plain"}},
		"odd content type":        {"POST", send, `{"message":"x"}`, 415, "unsupported_media_type", nil, []string{"Content-Type", "text/plain;a+json"}},
		"json is no media type":   {"POST", send, `{"message":"x","message":"y"}`, 415, "unsupported_media_type", nil, []string{"Content-Type", "json"}},
		"body nobody asked for":   {"POST", nyx + "/stop", "x=1", 415, "unsupported_media_type", nil, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		"other charset":           {"POST", send, `{"message":"x"}`, 415, "unsupported_media_type", nil, []string{"Content-Type", "application/json; charset=latin1"}},
		"compressed":              {"POST", send, "\x1f\x8b", 415, "unsupported_media_type", nil, []string{"Content-Encoding", "gzip"}},
		"too large":               {"POST", send, `{"message":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large", nil, nil},
		"huge header":             {"GET", nyx, "", 431, "too_large", nil, []string{"X-Huge", strings.Repeat("x", 1<<20)}},
		"bad limit":               {"GET", "/api/agents?limit=x", "", 422, "invalid_argument", []string{"query.limit"}, nil},
		"limit too large":         {"GET", "/api/agents?limit=201", "", 422, "invalid_argument", []string{"query.limit"}, nil},
		"empty limit":             {"GET", "/api/agents?limit=", "", 422, "invalid_argument", []string{"query.limit"}, nil},
		"importance NaN":          {"GET", "/api/memory/search?q=x&minImportance=NaN", "", 422, "invalid_argument", []string{"query.minImportance"}, nil},
		"importance in hex":       {"GET", "/api/memory/search?q=x&minImportance=0x1p-1", "", 422, "invalid_argument", []string{"query.minImportance"}, nil},
		"two limits":              {"GET", "/api/agents?limit=1&limit=2", "", 422, "invalid_argument", []string{"query.limit"}, nil},
		"two of all":              {"GET", "/api/memory/search?q=a&q=b&agentId=nyx&agent%49d=aria&limit=", "", 422, "invalid_argument", []string{"query.agentId", "query.limit", "query.q"}, nil},
		"bad status":              {"GET", "/api/agents?status=asleep", "", 422, "invalid_argument", []string{"query.status"}, nil},
		"misspelt parameter":      {"GET", "/api/agents?skil=x", "", 422, "invalid_argument", []string{"query.skil"}, nil},
		"search without text":     {"GET", "/api/memory/search", "", 422, "invalid_argument", []string{"query.q"}, nil},
		"bad patch":               {"PUT", nyx, `{"name":1,"skills":"x","status":"running"}`, 422, "invalid_argument", []string{"body.name", "body.skills", "body.status"}, nil},
		"bad brain":               {"PUT", nyx, `{"brain":{"model":"x"}}`, 422, "invalid_argument", []string{"body.brain"}, nil},
		"no id":                   {"POST", "/api/agents", `{"name":"x"}`, 422, "invalid_argument", []string{"body"}, nil},
		"bad id":                  {"POST", "/api/agents", `{"id":"a b","skills":[""]}`, 422, "invalid_argument", []string{"body.id", "body.skills[0]"}, nil},
		"bad new brain":           {"POST", "/api/agents", `{"id":"x","brain":{"model":"x"}}`, 422, "invalid_argument", []string{"body.brain"}, nil},
		"unknown member":          {"POST", "/api/agents", `{"id":"x","status":"running","Start":true}`, 422, "invalid_argument", []string{"body.Start"}, nil},
		"agent that is there":     {"POST", "/api/agents", `{"id":"nyx"}`, 409, "already_exists", nil, nil},
		"agent, not allowed":      {"POST", "/api/agents", `{"id":"x"}`, 403, "permission_denied", nil, as("alice")},
		"nameless member":         {"GET", "/api/memory/search?metadata.=1", "", 422, "invalid_argument", []string{"query.metadata."}, nil},
		"member twice":            {"GET", "/api/memory/search?metadata.a=1&metadata.a=2", "", 422, "invalid_argument", []string{"query.metadata.a"}, nil},
		"empty importance":        {"GET", "/api/memory/search?q=x&minImportance=", "", 422, "invalid_argument", []string{"query.minImportance"}, nil},
		"bad importance":          {"GET", "/api/memory/search?q=x&minImportance=2", "", 422, "invalid_argument", []string{"query.minImportance"}, nil},
		"bad new memory":          {"POST", "/api/memory/store", `{"agentId":"nyx","content":"x","importance":2,"expiresAt":"soon"}`, 422, "invalid_argument", []string{"body.expiresAt", "body.importance"}, nil},
		"empty tag":               {"POST", "/api/memory/store", `{"agentId":"nyx","content":"x","tags":[""]}`, 422, "invalid_argument", []string{"body.tags[0]"}, nil},
		"unknown memory":          {"GET", "/api/memory/ghost", "", 404, "not_found", nil, nil},
		"delete unknown memory":   {"DELETE", "/api/memory/ghost", "", 404, "not_found", nil, nil},
		"delete another's memory": {"DELETE", "/api/agents/aria/memories/mem_2", "", 404, "not_found", nil, nil},
		"delete nobody":           {"DELETE", "/api/agents/ghost", "", 404, "not_found", nil, nil},
		"delete, not allowed":     {"DELETE", nyx, "", 403, "permission_denied", nil, as("alice")},
		"delete a declared one":   {"DELETE", "/api/agents/aria", "", 409, "failed_precondition", nil, nil},
		"delete a changed one":    {"DELETE", nyx, "", 412, "revision_mismatch", nil, []string{"If-Match", `"6"`}},
		"delete on a bad tag":     {"DELETE", nyx, "", 400, "malformed", nil, []string{"If-Match", `7`}},
		"half an If-Match":        {"PUT", nyx, `{}`, 400, "malformed", nil, []string{"If-Match", `"7", "8`}},
		"* and others":            {"PUT", nyx, `{}`, 400, "malformed", nil, []string{"If-Match", `*, "7"`}},
		"If-Match of one tag":     {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", `"6,7"`}},
		"If-Match of nothing":     {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", ` , ,`}},
		"empty If-Match":          {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", ``}},
		"not mine, changed":       {"PUT", nyx, `{}`, 403, "permission_denied", nil, append(as("alice"), "If-Match", `"5", "6"`)},
		"not mine, other tag":     {"PUT", nyx, `{}`, 403, "permission_denied", nil, append(as("alice"), "If-Match", `"abc"`)},
		"bad If-Match":            {"PUT", nyx, `{}`, 400, "malformed", nil, []string{"If-Match", "7"}},
		"other If-Match":          {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", `"6"`}},
		"weak If-Match":           {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", `W/"7"`}},
		"foreign If-Match":        {"PUT", nyx, `{}`, 412, "revision_mismatch", nil, []string{"If-Match", `"abc", "6"`}},
		"socket without upgrade":  {"GET", "/ws", "", 426, "failed_precondition", nil, nil},
		"no token":                {"GET", nyx, "", 401, "unauthenticated", nil, []string{"Authorization", ""}},
		"bad token":               {"GET", nyx, "", 401, "unauthenticated", nil, as("mallory")},
		"other scheme":            {"GET", nyx, "", 401, "unauthenticated", nil, []string{"Authorization", "Basic YTpi"}},
		"token of two words":      {"GET", nyx, "", 401, "unauthenticated", nil, []string{"Authorization", "Bearer a b"}},
		"socket with a bad token": {"GET", "/ws", "", 401, "unauthenticated", nil, as("mallory")},
		"token in the query":      {"GET", nyx + "?token=admin", "", 401, "unauthenticated", nil, []string{"Authorization", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.of(t)
			a := w.do(c.method, c.path, c.body, append(as("admin"), c.headers...)...)
			p := a.problem(t, c.status, c.code)
			var at []string
			for _, e := range p.Errors {
				at = append(at, e.Location)
			}
			if slices.Sort(at); !slices.Equal(at, c.errors) {
				t.Errorf("errors at %v, want %v: %s", at, c.errors, a.body)
			}
			if c.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Bearer realm="`) {
				t.Errorf("WWW-Authenticate = %q", a.header.Get("WWW-Authenticate"))
			}
			if c.status == 405 && !strings.HasSuffix(a.header.Get("Allow"), ", OPTIONS") {
				t.Errorf("Allow = %q", a.header.Get("Allow"))
			}
			if strings.Contains(p.Detail, "-1") {
				t.Errorf("a sentinel is told: %s", p.Detail)
			}
		})
	}
}

func TestHeadAndOptions(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	get, head := w.do("GET", "/api/agents", "", as("admin")...), w.do("HEAD", "/api/agents", "", as("admin")...)
	if head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("HEAD = %d, %d bytes, Content-Length %s; GET has %s", head.status, len(head.body), head.header.Get("Content-Length"), get.header.Get("Content-Length"))
	}
	if a := w.do("HEAD", "/healthz", ""); a.status != 200 {
		t.Errorf("HEAD /healthz = %d", a.status)
	}
	a := w.do("OPTIONS", "/api/agents/nyx", "")
	if a.status != 204 || a.header.Get("Allow") != "GET, HEAD, PUT, DELETE, PATCH, OPTIONS" || len(a.body) != 0 {
		t.Errorf("OPTIONS = %d, Allow %q, body %q", a.status, a.header.Get("Allow"), a.body)
	}
	w.do("OPTIONS", "/nowhere", "").problem(t, 404, schema.CodeNotFound)
	if a := w.do("POST", "/api/agents/nyx", "", as("admin")...); a.header.Get("Allow") != "GET, HEAD, PUT, DELETE, PATCH, OPTIONS" {
		t.Errorf("Allow = %q", a.header.Get("Allow"))
	}
}

func TestCreateAndDeleteAgent(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	a := w.do("POST", "/api/agents", `{"id":"a:b","metadata":{"n":1.50}}`, as("admin")...)
	if a.status != 201 || a.header.Get("Location") != "/api/agents/a:b" || a.header.Get("ETag") != `"7"` {
		t.Errorf("create = %d %v %s", a.status, a.header, a.body)
	}
	w.do("POST", "/api/agents", `{"id":"c","start":false}`, as("admin")...)
	if n := f.created; !n[0].Start || n[0].Metadata["n"] != json.Number("1.50") || n[1].Start {
		t.Errorf("created %+v", n)
	}
	for _, match := range []string{"", "*", `"7"`, `"1", "7"`} {
		headers := as("admin")
		if match != "" {
			headers = append(headers, "If-Match", match)
		}
		if a := w.do("DELETE", "/api/agents/nyx", "", headers...); a.status != 204 || len(a.body) != 0 || a.header.Get("Content-Type") != "" {
			t.Errorf("delete with If-Match %s = %d %v %s", match, a.status, a.header, a.body)
		}
	}
}

func TestSearchFilters(t *testing.T) {
	f := newFakeHost()
	var got schema.MemoryQuery
	f.search = func(q schema.MemoryQuery) ([]schema.MemoryHit, error) { got = q; return nil, nil }
	w := start(t, "", f.services())
	w.do("GET", "/api/memory/search?tag=a,b&tag=c&metadata.x=%31&metadata.y.z=&minImportance=0.25", "", as("admin")...)
	want := schema.MemoryQuery{Tags: []string{"a,b", "c"}, Metadata: []schema.MetadataEquals{{Key: "x", Value: "1"}, {Key: "y.z"}}, MinImportance: 0.25}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("searched for %+v, want %+v", got, want)
	}
}

func TestDeleteMemory(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for _, path := range []string{"/api/memory/mem_2", "/api/agents/nyx/memories/mem_2"} {
		if a := w.do("DELETE", path, "", as("admin")...); a.status != 204 || len(a.body) != 0 {
			t.Errorf("DELETE %s = %d %s", path, a.status, a.body)
		}
	}
}

func TestUpdateAgent(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	if a := w.do("GET", "/api/agents/nyx", "", as("admin")...); a.header.Get("ETag") != `"7"` {
		t.Errorf("ETag = %q", a.header.Get("ETag"))
	}
	for _, match := range []string{`"7"`, `*`, `"1", "7"`, `W/"7", "7"`, `, "a,b" ,, "7",`} {
		a := w.do("PUT", "/api/agents/nyx", `{"name":"N","persona":null,"skills":["a"],"brain":{"provider":"x","n":1.50},"metadata":{"big":12345678901234567890}}`, append(as("admin"), "If-Match", match)...)
		if a.status != 200 {
			t.Fatalf("PUT with If-Match %s = %d %s", match, a.status, a.body)
		}
	}
	p := f.updates[0]
	switch {
	case p.Name != schema.Set("N"), !p.Persona.Null, p.Description.Present, !slices.Equal(p.Skills.Value, []string{"a"}):
		t.Errorf("patch = %+v", p)
	case p.Brain.Value.Provider != "x" || p.Brain.Value.Options["n"] != json.Number("1.50"), p.Metadata.Value["big"] != json.Number("12345678901234567890"):
		t.Errorf("patch = %+v", p)
	case p.IfRevision != 7 || f.updates[1].IfRevision != 0 || f.updates[2].IfRevision != 7:
		t.Errorf("revisions %d %d %d", p.IfRevision, f.updates[1].IfRevision, f.updates[2].IfRevision)
	}
	if f.updates[3].IfRevision != 7 || f.updates[4].IfRevision != 7 {
		t.Errorf("revisions %d %d", f.updates[3].IfRevision, f.updates[4].IfRevision)
	}
	for _, body := range []string{`{"brain":"builtin"}`, `{"brain":null}`, `{"name":null,"description":null,"skills":null,"metadata":null}`} {
		if a := w.do("PUT", "/api/agents/nyx", body, as("admin")...); a.status != 200 {
			t.Errorf("PUT %s = %d %s", body, a.status, a.body)
		}
	}
}

// TestIfMatchOfSeveralLines sends a list as RFC 9110 §5.3 allows it.
func TestIfMatchOfSeveralLines(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for last, want := range map[string]int{`"7"`: 200, `"6"`: 412} {
		req, err := http.NewRequest(http.MethodPut, "http://"+w.address+"/api/agents/nyx", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer admin"}, "Content-Type": {"application/json"}, "If-Match": {`"1"`, `W/"7"`, last}}
		resp, err := w.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != want {
			t.Errorf("the last line %s: %d, want %d", last, resp.StatusCode, want)
		}
	}
}

func TestStoreMemoryNamesItsPlace(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	a := w.do("POST", "/api/memory/store", `{"agentId":"nyx","content":"x","metadata":{"n":1e400}}`, as("alice")...)
	if a.status != 201 || a.header.Get("Location") != "/api/agents/nyx/memories/mem_1" || !strings.Contains(string(a.body), "1e400") {
		t.Errorf("POST = %d, Location %q, %s", a.status, a.header.Get("Location"), a.body)
	}
	w.do("GET", a.header.Get("Location"), "", as("alice")...).problem(t, 404, schema.CodeNotFound) // the fake forgets
}

func TestRequestID(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	if a := w.do("GET", "/healthz", "", "X-Request-Id", "abc-123"); a.header.Get("X-Request-Id") != "abc-123" {
		t.Errorf("a sane id became %q", a.header.Get("X-Request-Id"))
	}
	for _, bad := range []string{"", "a b", `"`, strings.Repeat("x", 129), "ä"} {
		if got := w.do("GET", "/healthz", "", "X-Request-Id", bad).header.Get("X-Request-Id"); !strings.HasPrefix(got, "req_") {
			t.Errorf("id %q became %q", bad, got)
		}
	}
	if got := w.do("GET", "/nowhere", "", "X-Request-Id", "abc").header[http.CanonicalHeaderKey("X-Request-Id")]; !slices.Equal(got, []string{"abc"}) {
		t.Errorf("ids %v", got)
	}
}

// TestWhatWouldBeRight: people who know neither Go nor JSON Schema read what is wrong with a value.
func TestWhatWouldBeRight(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for path, c := range map[string]struct{ method, body, says string }{
		"/api/agents/nyx":     {"PUT", `{"brain":{"mood":5}}`, "must be the name of a provider, or an object"},
		"/api/usage?since=7d": {"GET", "", "such as 2026-01-31T12:00:00Z"},
	} {
		a := w.do(c.method, path, c.body, as("admin")...)
		if p := a.problem(t, 422, schema.CodeInvalidArgument); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
}

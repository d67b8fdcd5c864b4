package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/schema"
)

// TestNotModified asks for what the client has already: nyx has the ETag "7".
func TestNotModified(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	for tags, want := range map[string]int{
		`"7"`: 304, `W/"7"`: 304, `*`: 304, `"1", W/"7"`: 304, `, "a,b" ,, "7",`: 304,
		`"6"`: 200, `W/"70", "77"`: 200, `"6,7"`: 200, ``: 200, `7`: 200, `"7`: 200, `*, "7"`: 200,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			a := w.do(method, "/api/agents/nyx", "", append(as("alice"), "If-None-Match", tags)...)
			if a.status != want || a.header.Get("ETag") != `"7"` {
				t.Errorf("%s unless %s = %d %v, want %d", method, tags, a.status, a.header, want)
			}
			if a.status == 304 && (len(a.body) > 0 || a.header.Get("Content-Type") != "" || a.header.Get("X-Request-Id") == "") {
				t.Errorf("%s unless %s: %v %s", method, tags, a.header, a.body)
			}
		}
	}
	w.do("GET", "/api/agents/ghost", "", append(as("alice"), "If-None-Match", "*")...).problem(t, 404, schema.CodeNotFound)
	w.do("GET", "/api/agents/nyx", "", "If-None-Match", "*").problem(t, 401, schema.CodeUnauthenticated)
	if a := w.do("GET", "/api/agents", "", append(as("alice"), "If-None-Match", "*")...); a.status != 200 {
		t.Errorf("a list, which has no ETag: %d", a.status)
	}
	if a := w.do("PUT", "/api/agents/nyx", `{}`, append(as("admin"), "If-None-Match", `"7"`)...); a.status != 200 {
		t.Errorf("a change: %d", a.status)
	}
}

// TestNotModifiedOfSeveralLines sends a list as RFC 9110 §5.3 allows it.
func TestNotModifiedOfSeveralLines(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	req, err := http.NewRequest(http.MethodGet, "http://"+w.address+"/api/agents/nyx", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer alice"}, "If-None-Match": {`"1"`, `W/"7"`}}
	resp, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusNotModified {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestConversationIsNotModified(t *testing.T) {
	w := start(t, "", realHost(t))
	alice := as("alice")
	const one = conversationsURL + "/c"
	made := w.do("POST", conversationsURL, `{"id":"c","agentId":"nyx"}`, alice...).header.Get("ETag")
	read := func(want int) string {
		t.Helper()
		a := w.do("GET", one, "", append(alice, "If-None-Match", made)...)
		if a.status != want {
			t.Errorf("GET unless %s = %d %s, want %d", made, a.status, a.body, want)
		}
		return a.header.Get("ETag")
	}
	read(304)
	w.do("POST", "/api/chat/send", `{"conversationId":"c","message":"Hello!"}`, alice...)
	made = read(200)
	read(304)
	if patched := w.do("PATCH", one, `{"archived":true}`, append(alice, "If-Match", made)...); patched.status != 200 || patched.header.Get("ETag") == made {
		t.Errorf("PATCH if %s = %d %v", made, patched.status, patched.header)
	}
	read(200)
}

func TestPatchAgent(t *testing.T) {
	f := newFakeHost()
	w := start(t, "", f.services())
	for _, contentType := range []string{"application/merge-patch+json", "application/json"} {
		a := w.do("PATCH", "/api/agents/nyx", `{"name":"N","persona":null}`, append(as("admin"), "If-Match", `"7"`, "Content-Type", contentType)...)
		if a.status != 200 || a.header.Get("ETag") != `"7"` || !strings.Contains(string(a.body), `"revision":7`) {
			t.Errorf("PATCH as %s = %d %s", contentType, a.status, a.body)
		}
	}
	if p := f.updates[0]; p.Name != schema.Set("N") || !p.Persona.Null || p.Description.Present || p.IfRevision != 7 {
		t.Errorf("patch = %+v", p)
	}
	w.do("PATCH", "/api/agents/nyx", `{}`, append(as("admin"), "If-Match", `"6"`)...).problem(t, 412, schema.CodeRevisionMismatch)
	w.do("PATCH", "/api/agents/nyx", `{"id":"x"}`, as("admin")...).problem(t, 422, schema.CodeInvalidArgument)
	w.do("PATCH", "/api/agents/nyx", `{}`, as("alice")...).problem(t, 403, schema.CodePermissionDenied)
}

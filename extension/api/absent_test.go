package api_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
	"github.com/stagehouse/stagehouse/schema"
)

// withoutOne returns the services of the fake host but one, and the tag under which its operations stand.
func withoutOne(service string) (schema.Services, string) {
	s := newFakeHost().services()
	names := slices.DeleteFunc(s.Names(), func(n string) bool { return n == service })
	return s.Only(names), strings.ToUpper(service[:1]) + service[1:]
}

// operationsOf returns the operations of a document by their ids, with their method and their path.
func operationsOf(t *testing.T, document []byte) map[string][2]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	decodeDocument(t, document, &doc)
	all := map[string][2]string{}
	for path, item := range doc.Paths {
		for method, raw := range item {
			var op struct {
				OperationID string
				Tags        []string
			}
			if json.Unmarshal(raw, &op) == nil && op.OperationID != "" {
				all[op.Tags[0]+" "+op.OperationID] = [2]string{strings.ToUpper(method), path}
			}
		}
	}
	return all
}

// TestServiceThatIsNotOffered takes one service after the other away.
func TestServiceThatIsNotOffered(t *testing.T) {
	complete := operationsOf(t, api.OpenAPI())
	for _, service := range []string{schema.ServiceAgents, schema.ServiceChat, schema.ServiceMemory, schema.ServiceEvents, schema.ServiceUsage} {
		t.Run(service, func(t *testing.T) {
			services, tag := withoutOne(service)
			w := start(t, "", services)
			served := w.do("GET", "/openapi.json", "").body
			judge, err := apitest.NewExchanges(served)
			if err != nil {
				t.Fatal(err)
			}
			offered := operationsOf(t, served)
			for name, at := range complete {
				absent := strings.HasPrefix(name, tag+" ") || service == schema.ServiceEvents && strings.HasSuffix(name, " get-asyncapi")
				if _, there := offered[name]; there == absent {
					t.Errorf("%s is in the document: %v, and is absent: %v", name, there, absent)
				}
				if absent && strings.HasPrefix(name, tag+" ") {
					refusedAsAbsent(t, w, service, at[0], at[1])
				}
			}
			haveNothingUnused(t, served)
			if text := string(served); strings.Contains(text, `"name": "`+tag+`"`) || !strings.Contains(text, "does not offer: "+service) {
				t.Errorf("the document has the tag %s, or does not say that the service is absent", tag)
			}
			page := string(w.unjudged().do("GET", "/docs", "").body)
			for name := range complete {
				_, id, _ := strings.Cut(name, " ")
				if _, there := offered[name]; strings.Contains(page, `id="operation-`+id+`"`) != there {
					t.Errorf("/docs shows %s: %v", id, !there)
				}
			}
			other := w.unjudged()
			other.client.Transport = judge.Transport(t, w.wire)
			for path, owner := range map[string]string{"/api/agents": "Agents", "/api/memory/search?q=x": "Memory"} {
				if owner == tag {
					continue
				}
				if a := other.do("GET", path, "", as("admin")...); a.status != http.StatusOK {
					t.Errorf("%s, which is offered, answers %d %s", path, a.status, a.body)
				}
			}
		})
	}
}

// refusedAsAbsent asks for an operation that is not offered: whoever is nobody is told only that, and whoever is somebody which
// service it is, whatever else may be wrong with the request.
func refusedAsAbsent(t *testing.T, w *world, service, method, path string) {
	t.Helper()
	path = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
	w = w.unjudged()
	w.do(method, path, "").problem(t, 401, schema.CodeUnauthenticated)
	body := ""
	if method == "POST" || method == "PUT" || method == "PATCH" {
		body = `{"nothing":"of use"}`
	}
	p := w.do(method, path, body, as("admin")...).problem(t, 501, schema.CodeUnimplemented)
	if !strings.Contains(p.Detail, `"`+service+`"`) {
		t.Errorf("%s %s: %q does not name the service", method, path, p.Detail)
	}
}

// haveNothingUnused checks that everything among the components of a document is referred to.
func haveNothingUnused(t *testing.T, document []byte) {
	t.Helper()
	var doc struct {
		Components map[string]map[string]json.RawMessage
	}
	decodeDocument(t, document, &doc)
	for kind, all := range doc.Components {
		for name := range all {
			if kind != "securitySchemes" && !strings.Contains(string(document), `"$ref": "#/components/`+kind+`/`+name+`"`) {
				t.Errorf("components/%s/%s is not used", kind, name)
			}
		}
	}
}

// TestSocketWithoutChat speaks to agents over a socket that offers no such thing.
func TestSocketWithoutChat(t *testing.T) {
	services, _ := withoutOne(schema.ServiceChat)
	w := start(t, "", services)
	document := w.do("GET", "/asyncapi.json", "").body
	frames, err := apitest.NewFrames(document)
	if err != nil {
		t.Fatal(err)
	}
	haveNothingUnused(t, document)
	for d, absent := range map[apitest.Direction][]string{
		apitest.FromClient: {"chat:message", "chat:route", "chat:cancel"},
		apitest.FromServer: {"ack", "chat:queued", "chat:started", "chat:delta", "chat:reply", "chat:failed", "chat:cancelled"},
	} {
		complete := slices.DeleteFunc(published(t).Types(d), func(kind string) bool { return slices.Contains(absent, kind) })
		if got := frames.Types(d); !slices.Equal(got, complete) {
			t.Errorf("%s sends %v, want %v", d, got, complete)
		}
	}
	s := w.login("alice")
	for _, command := range []string{
		`{"type":"chat:message","id":1,"agentId":"nyx","message":"hello"}`, `{"type":"chat:route","id":1,"message":"hello"}`,
		`{"type":"chat:route","id":1,"message":"hello","conversationId":"c"}`, `{"type":"chat:cancel","id":1,"runId":"run_x"}`,
	} {
		if f := s.wantError(command, schema.CodeUnimplemented); !strings.Contains(f.text("detail"), `"chat"`) || f["id"] != 1.0 {
			t.Errorf("%s is answered by %v", command, f)
		}
	}
	s.ask(`{"type":"subscribe","agents":["nyx"]}`, "subscribed")
}

// TestSocketWithoutAgents follows everything, and nobody in particular.
func TestSocketWithoutAgents(t *testing.T) {
	services, _ := withoutOne(schema.ServiceAgents)
	s := start(t, "", services).login("alice")
	s.wantError(`{"type":"subscribe","agents":["nyx"]}`, schema.CodeUnimplemented)
	s.ask(`{"type":"subscribe"}`, "subscribed")
	s.ask(`{"type":"chat:message","agentId":"nyx","message":"hello"}`, "ack")
}

// TestServerWithoutEvents has no WebSocket, and is well.
func TestServerWithoutEvents(t *testing.T) {
	services, _ := withoutOne(schema.ServiceEvents)
	w := start(t, "", services).unjudged()
	for _, path := range []string{"/ws", "/asyncapi.json"} {
		if p := w.do("GET", path, "", as("alice")...).problem(t, 501, schema.CodeUnimplemented); !strings.Contains(p.Detail, `"events"`) {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
	if a := w.do("GET", "/readyz", ""); a.status != http.StatusOK {
		t.Errorf("/readyz answers %d %s", a.status, a.body)
	}
	var doc struct{ Paths map[string]any }
	decodeDocument(t, w.do("GET", "/openapi.json", "").body, &doc)
	if doc.Paths["/ws"] != nil || doc.Paths["/asyncapi.json"] != nil {
		t.Errorf("the document has %v", slices.Sorted(maps.Keys(doc.Paths)))
	}
	if a := w.do("POST", "/api/chat/send", `{"agentId":"nyx","message":"hello"}`, as("alice")...); a.status != http.StatusOK {
		t.Errorf("a message is answered by %d %s", a.status, a.body)
	}
}

// TestServerWithNothing has a runtime that offers nothing at all.
func TestServerWithNothing(t *testing.T) {
	w := start(t, "", newFakeHost().services().Only([]string{schema.ServiceIdentity})).unjudged()
	if all := operationsOf(t, w.do("GET", "/openapi.json", "").body); len(all) != 3 {
		t.Errorf("the document has %v", all)
	}
	for _, path := range []string{"/api/agents", "/api/runs", "/api/memory/search", "/api/events", "/api/usage", "/ws"} {
		w.do("GET", path, "", as("alice")...).problem(t, 501, schema.CodeUnimplemented)
	}
}

// TestMethodThatIsNotOffered has a runtime that offers agents, and cannot make them: a client is told so in the runtime's words.
func TestMethodThatIsNotOffered(t *testing.T) {
	services := newFakeHost().services()
	services.Agents = fixedAgents{services.Agents}
	w := start(t, "", services)
	p := w.do("POST", "/api/agents", `{"id":"vera"}`, as("admin")...).problem(t, 501, schema.CodeUnimplemented)
	if !strings.Contains(strings.ToLower(p.Detail), "cast in stone") {
		t.Errorf("the detail is %q", p.Detail)
	}
}

// fixedAgents are agents that nobody can add to.
type fixedAgents struct{ schema.Agents }

func (fixedAgents) Create(context.Context, schema.NewAgent) (schema.Agent, error) {
	return schema.Agent{}, schema.Errorf(schema.CodeUnimplemented, "these agents are cast in stone; ask whoever runs them for another one")
}

// TestDocsShowWhatIsNotOffered keeps the chapter for owners of runtimes true.
func TestDocsShowWhatIsNotOffered(t *testing.T) {
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("absent_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, method, _ := strings.Cut(string(chapter), "```go\nfunc (fixedAgents)")
	method, _, _ = strings.Cut(method, "```")
	if method == "" || !strings.Contains(string(source), method) {
		t.Errorf("docs/runtimes.md shows a method that is not here: %q", method)
	}
	_, shown, _ := strings.Cut(string(chapter), "```json\n{\"type\": \"urn")
	shown, _, _ = strings.Cut(shown, "```")
	var want, got map[string]any
	if err := json.Unmarshal([]byte(`{"type": "urn`+shown), &want); err != nil {
		t.Fatalf("%v in %q", err, shown)
	}
	services, _ := withoutOne(schema.ServiceMemory)
	start(t, "", services).do("GET", "/api/memory/search?q=x", "", as("alice")...).decode(t, &got)
	for name, value := range want {
		if !reflect.DeepEqual(got[name], value) {
			t.Errorf("docs/runtimes.md shows %s %q, and the server answers %q", name, value, got[name])
		}
	}
}

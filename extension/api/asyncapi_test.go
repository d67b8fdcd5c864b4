package api_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
	"github.com/stagehouse/stagehouse/extension/api/ws"
	"github.com/stagehouse/stagehouse/schema"
)

// TestAsyncAPIHasEveryFrame compares the document with what there is: every command, every frame of the server and every event
// is in it, and nothing else.
func TestAsyncAPIHasEveryFrame(t *testing.T) {
	frames, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	var commands, sent []string
	for _, c := range ws.Commands() {
		commands = append(commands, c.Type)
	}
	for _, f := range ws.Frames() {
		sent = append(sent, f.Type)
	}
	for _, k := range schema.EventKinds() {
		sent = append(sent, string(k.Type))
	}
	for d, want := range map[apitest.Direction][]string{apitest.FromClient: commands, apitest.FromServer: sent} {
		if got := frames.Types(d); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s sends %v, and the document has %v", d, want, got)
		}
	}
}

// TestAsyncAPIIsComplete looks at what no linter asks for: every message has an example that is as its own schema says, the
// answer to a command is known by its id, and what clients send is closed.
func TestAsyncAPIIsComplete(t *testing.T) {
	w := start(t, "", newFakeHost().services())
	served := w.do("GET", "/asyncapi.json", "")
	if string(served.body) != string(api.AsyncAPI()) {
		t.Error("what is served is not the document")
	}
	if head := w.do("HEAD", "/asyncapi.json", ""); head.status != 200 || len(head.body) != 0 || head.header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD = %d, %v", head.status, head.header)
	}
	var doc struct {
		AsyncAPI   string
		Components struct {
			Messages map[string]struct {
				Name, Title, Summary string
				CorrelationID        *struct{}
				Payload              map[string]string
				Examples             []struct{ Payload json.RawMessage }
			}
			Schemas map[string]struct {
				Description          string
				AdditionalProperties *bool
				Properties           map[string]struct {
					Description, Const string
					Ref                string `json:"$ref"`
				}
			}
		}
	}
	served.decode(t, &doc)
	frames, err := contract()
	if err != nil || doc.AsyncAPI != "3.0.0" {
		t.Fatalf("AsyncAPI %q: %v", doc.AsyncAPI, err)
	}
	for key, m := range doc.Components.Messages {
		payload := doc.Components.Schemas[m.Payload["$ref"][len("#/components/schemas/"):]]
		command := slices.Contains(frames.Types(apitest.FromClient), m.Name)
		from := apitest.FromServer
		if command {
			from = apitest.FromClient
		}
		if m.Title == "" || m.Summary == "" || payload.Description == "" || payload.Properties["type"].Const != m.Name || len(m.Examples) == 0 {
			t.Errorf("%s is not described: %+v", key, m)
		}
		if closed := payload.AdditionalProperties != nil && !*payload.AdditionalProperties; closed != command {
			t.Errorf("%s is closed: %v", key, closed)
		}
		if _, event := payload.Properties["prevSeq"]; !event && m.Name != string(schema.EventGap) && (payload.Properties["id"].Description != "") != (m.CorrelationID != nil) {
			t.Errorf("%s has a correlation id: %v", key, m.CorrelationID != nil)
		}
		for _, e := range m.Examples {
			if err := frames.Check(from, e.Payload); err != nil {
				t.Errorf("the example of %s: %v", key, err)
			}
		}
		for name, p := range payload.Properties {
			if p.Description == "" && p.Const == "" && p.Ref == "" {
				t.Errorf("%s of %s is not described", name, key)
			}
		}
	}
}

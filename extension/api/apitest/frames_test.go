package apitest_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/extension/api/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFrames(t *testing.T) *apitest.Frames {
	t.Helper()
	f, err := apitest.NewFrames(api.AsyncAPI())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestCheckFinds shows that the checker says no: what is wrong stands in the error, and so does the frame.
func TestCheckFinds(t *testing.T) {
	f := newFrames(t)
	const event = `"id":"e-7","seq":7,"agentId":"nyx","time":"2026-01-02T15:04:05Z"`
	for frame, want := range map[string]struct {
		d     apitest.Direction
		error string // "" = none
	}{
		`{"type":"pong"}`:           {apitest.FromServer, ""},
		`{"type":"pong","id":"x"}`:  {apitest.FromServer, ""},
		`{"type":"pong","id":true}`: {apitest.FromServer, "/id"},
		`{"type":"pong","extra":1}`: {apitest.FromServer, "extra"},
		`{"type":"ping","id":1}`:    {apitest.FromClient, ""},
		`{"type":"ping"}`:           {apitest.FromServer, `"ping"`},
		`{"type":"ping","extra":1}`: {apitest.FromClient, "extra"},
		`{"type":"auth"}`:           {apitest.FromClient, "token"},
		`{"type":"agent:dream"}`:    {apitest.FromServer, "agent:dream"},
		`{"id":1}`:                  {apitest.FromServer, `type ""`},
		`[]`:                        {apitest.FromServer, `type ""`},
		`{"type":`:                  {apitest.FromServer, "not JSON"},
		`{"type":"agent:thought","thought":"hm",` + event + `}`:                                                                  {apitest.FromServer, ""},
		`{"type":"agent:thought",` + event + `}`:                                                                                 {apitest.FromServer, "thought"},
		`{"type":"agent:thought","thought":"hm","dream":"x",` + event + `}`:                                                      {apitest.FromServer, "dream"},
		`{"type":"agent:thought","thought":"hm",` + strings.Replace(event, "2026", "soon", 1) + `}`:                              {apitest.FromServer, "/time"},
		`{"type":"agent:emotion","emotion":"glad","intensity":2,"valence":0,"arousal":0,` + event + `}`:                          {apitest.FromServer, "/intensity"},
		`{"type":"agent:action","action":"memory.recall","input":{"any":["thing"]},"result":{},` + event + `}`:                   {apitest.FromServer, ""},
		`{"type":"error","code":"odd","title":"t","detail":"d","retryable":false,"requestId":"r"}`:                               {apitest.FromServer, "/code"},
		`{"type":"chat:route","message":"x","context":{"any":["thing"]}}`:                                                        {apitest.FromClient, ""},
		`{"type":"welcome","protocol":1,"limits":{},"authRequired":true,"epoch":"e"}`:                                            {apitest.FromServer, "/limits"},
		`{"type":"error","code":"internal","title":"t","detail":"d","retryable":false,"requestId":"r","errors":[{"message":1}]}`: {apitest.FromServer, "/errors/0"},
	} {
		switch err := f.Check(want.d, []byte(frame)); {
		case want.error == "" && err != nil:
			t.Error(err)
		case want.error != "" && (err == nil || !strings.Contains(err.Error(), want.error) || !strings.Contains(err.Error(), frame)):
			t.Errorf("%s from %s: %v, want %s", frame, want.d, err, want.error)
		}
	}
}

func TestDocumentsThatAreNone(t *testing.T) {
	for _, text := range []string{
		``, `[]`,
		`{"operations":{"x":{"action":"send","messages":[{"$ref":"#/nowhere"}]}}}`,
		`{"operations":{"x":{"action":"send","messages":[{"$ref":"#/a"}]}},"a":{"$ref":"#/a"}}`,
		`{"operations":{"x":{"action":"send","messages":[{"$ref":"#/a"}]}},"a":{"name":"a"}}`,
		`{"operations":{"x":{"action":"send","messages":[{"$ref":"#/a"}]}},"a":{"name":"a","payload":{"$ref":"#/b"}},"b":{"type":7}}`,
	} {
		if _, err := apitest.NewFrames([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// TestExchangeFinds shows what Check cannot see: an answer of the wrong type, and an error that a command does not come to.
func TestExchangeFinds(t *testing.T) {
	const failure = `{"type":"error","id":%s,"code":"%s","title":"t","detail":"d","retryable":false,"requestId":"r"}`
	for _, c := range []struct{ command, answer, error string }{
		{`{"type":"ping","id":1}`, `{"type":"pong","id":1}`, ""},
		{`{"type":"ping","id":1}`, `{"type":"auth:ok","id":1,"principal":"p","scopes":[]}`, "ping"},
		{`{"type":"ping","id":1}`, `{"type":"auth:ok","id":2,"principal":"p","scopes":[]}`, ""}, // of another command
		{`{"type":"ping","id":"x"}`, fmt.Sprintf(failure, `"x"`, "rate_limited"), ""},
		{`{"type":"ping","id":"x"}`, fmt.Sprintf(failure, `"x"`, "no_agent_fits"), "no_agent_fits"},
		{`{"type":"chat:route","id":"x","message":"m"}`, fmt.Sprintf(failure, `"x"`, "no_agent_fits"), ""},
		{`{"type":"chat:route","id":"x","message":"m"}`, `{"type":"pong","id":"x","extra":1}`, "extra"},
	} {
		x := newFrames(t).NewExchange()
		if err := x.Sent([]byte(c.command)); err != nil {
			t.Error(err)
		}
		switch err := x.Got([]byte(c.answer)); {
		case c.error == "" && err != nil:
			t.Error(err)
		case c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error) || !strings.Contains(err.Error(), c.answer)):
			t.Errorf("%s answered by %s: %v, want %s", c.command, c.answer, err, c.error)
		}
		if err := x.Got([]byte(c.answer)); err != nil && c.error != "extra" {
			t.Errorf("the command was answered before: %v", err)
		}
	}
	if err := newFrames(t).NewExchange().Sent([]byte(`{"type":"auth"}`)); err == nil {
		t.Error("a command without a token was sent")
	}
}

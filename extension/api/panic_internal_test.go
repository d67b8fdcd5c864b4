package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/stagehouse/stagehouse/schema"
)

// ouch is a service whose calls panic in our own goroutine, as no call over a wire can.
type ouch struct{ schema.Agents }

func (ouch) List(context.Context, schema.AgentQuery) (schema.AgentPage, error) { panic("/secret") }

func TestPanicInAHandlerOfOurs(t *testing.T) {
	s := New()
	s.Auth.Mode = AuthNone
	s.CORS = &CORS{Origin: Origins{"*"}}
	s.prepare(t.Context(), schema.Services{Agents: ouch{}}, slog.New(slog.DiscardHandler))
	s.app.Handler() // builds the tree of routes, as serving does
	for range 3 {
		rc := &fasthttp.RequestCtx{}
		rc.Init(&fasthttp.Request{}, tcpAddr("127.0.0.1"), nil)
		rc.Request.Header.SetMethod("GET")
		rc.Request.SetRequestURI("/api/agents")
		rc.Request.Header.Set("Origin", "https://app.example")
		s.app.Server().Handler(rc)
		var p struct{ Code, RequestID string }
		h := &rc.Response.Header
		if err := json.Unmarshal(rc.Response.Body(), &p); err != nil || rc.Response.StatusCode() != 500 || p.Code != "internal" || p.RequestID == "" {
			t.Errorf("%d %s", rc.Response.StatusCode(), rc.Response.Body())
		}
		if strings.Contains(rc.Response.String(), "secret") || string(h.Peek("Access-Control-Allow-Origin")) != "*" || string(h.Peek("X-Request-Id")) != p.RequestID {
			t.Errorf("answer %s", rc.Response.String())
		}
	}
}

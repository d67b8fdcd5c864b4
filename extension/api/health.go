package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

type (
	healthOutput struct{ Body health }
	health       struct {
		Status string `json:"status" enum:"ok" doc:"Always ok; anything else is an error"`
	}
)

func healthy() *healthOutput { return &healthOutput{health{"ok"}} }

// registerHealth adds the two routes that need no token and count against no limit.
func (s *Server) registerHealth(api huma.API) {
	register(api, route{
		id: "get-health", method: http.MethodGet, path: "/healthz", tag: tagServer, summary: "Whether the process is alive",
		description: "For probes: it asks nobody else, needs no token and counts against no limit.",
		answers:     []example{exampleHealth()},
	}, callTimeout, func(context.Context, *struct{}) (*healthOutput, error) { return healthy(), nil })
	register(api, route{
		id: "get-readiness", method: http.MethodGet, path: "/readyz", tag: tagServer, summary: "Whether the server is ready for traffic",
		description: "For load balancers: 503 while the event log of the host cannot be followed. It needs no token and counts against no limit.",
		codes:       []schema.ErrorCode{schema.CodeUnavailable}, answers: []example{exampleHealth()},
	}, callTimeout, func(context.Context, *struct{}) (*healthOutput, error) {
		if !s.offers(schema.ServiceEvents) { // there is nothing to follow
			return healthy(), nil
		}
		if err := s.sockets.Ready(); err != nil {
			return nil, problem.Own(err)
		}
		return healthy(), nil
	})
}

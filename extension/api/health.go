package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok" doc:"Always ok; anything else is an error"`
	}
}

func healthy() *healthOutput {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out
}

// registerHealth adds the two routes that need no token and count against no limit.
func (s *Server) registerHealth(api huma.API) {
	alive := operation("get-health", http.MethodGet, "/healthz", tagServer, "Whether the process is alive")
	ready := operation("get-readiness", http.MethodGet, "/readyz", tagServer, "Whether the server is ready for traffic", schema.CodeUnavailable)
	alive.Security, ready.Security = []map[string][]string{}, []map[string][]string{}
	alive.SkipValidateParams, ready.SkipValidateParams = true, true // probes like to add something, against caches
	register(api, alive, callTimeout, func(context.Context, *struct{}) (*healthOutput, error) { return healthy(), nil })
	register(api, ready, callTimeout, func(context.Context, *struct{}) (*healthOutput, error) {
		if err := s.sockets.Ready(); err != nil {
			return nil, problem.Own(err)
		}
		return healthy(), nil
	})
}

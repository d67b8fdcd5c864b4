package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	runInput struct {
		RunID string `path:"runId" doc:"Id of the run"`
	}
	runOutput struct{ Body schema.Run }

	runsInput struct {
		ConversationID string `query:"conversationId" doc:"Only runs of this conversation"`
		AgentID        string `query:"agentId" doc:"Only runs of this agent" example:"nyx"`
		Status         string `query:"status" enum:"queued,running,completed,failed,cancelled" doc:"Only runs in this state"`
		Paging
	}
	runsOutput struct {
		Links
		Body schema.RunPage
	}

	routeInput struct{ Body routeBody }
	routeBody  struct {
		Message string        `json:"message" doc:"What would be said" example:"I need help with coding"`
		Context schema.Object `json:"context,omitempty" doc:"Hints: skill or skills ask for declared skills"`
	}
	routeOutput struct{ Body schema.RouteDecision }
)

func (s *Server) registerRuns(api huma.API) {
	const one = "/api/runs/{runId}"
	register(api, operation("list-runs", http.MethodGet, "/api/runs", tagChat, "List runs"), callTimeout, s.listRuns)
	register(api, operation("get-run", http.MethodGet, one, tagChat, "Get run", schema.CodeNotFound), callTimeout, s.getRun)
	register(api, operation("cancel-run", http.MethodPost, one+"/cancel", tagChat, "Cancel run", schema.CodeNotFound), callTimeout, s.cancelRun)
	route := operation("route-message", http.MethodPost, "/api/chat/route", tagChat, "See who would answer",
		schema.CodeNoAgentFits, schema.CodeTooLarge, schema.CodeUnsupportedMediaType)
	route.Description = "Says who would answer a message, and why, and sends nothing. If nobody fits, the 409 has the threshold and the candidates."
	register(api, route, callTimeout, s.routeMessage)
}

func runPath(id string) string { return "/api/runs/" + url.PathEscape(id) }

func (s *Server) listRuns(ctx context.Context, in *runsInput) (*runsOutput, error) {
	found, err := s.services.Chat.Runs(ctx, schema.RunsQuery{
		ConversationID: in.ConversationID, AgentID: in.AgentID, Status: schema.RunStatus(in.Status), Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, within("query", err)
	}
	if found.Runs == nil {
		found.Runs = []schema.Run{}
	}
	return &runsOutput{Links: in.links(found.NextCursor, ""), Body: found}, nil
}

func (s *Server) getRun(ctx context.Context, in *runInput) (*runOutput, error) {
	return runAnswer(s.services.Chat.Run(ctx, in.RunID))
}

func (s *Server) cancelRun(ctx context.Context, in *runInput) (*runOutput, error) {
	return runAnswer(s.services.Chat.Cancel(ctx, in.RunID))
}

func runAnswer(run schema.Run, err error) (*runOutput, error) {
	if err != nil {
		return nil, within("path", err)
	}
	return &runOutput{Body: run}, nil
}

func (s *Server) routeMessage(ctx context.Context, in *routeInput) (*routeOutput, error) {
	d, err := s.services.Chat.Route(ctx, schema.RouteRequest{Message: in.Body.Message, Context: in.Body.Context})
	if err != nil {
		return nil, within("body", err)
	}
	return &routeOutput{Body: d}, nil
}

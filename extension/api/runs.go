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
		RunID string `path:"runId" doc:"Id of the run" example:"run_01m87vmwg66adtxbkb3ynedvr1"`
	}
	runOutput struct{ Body schema.Run }

	runsInput struct {
		ConversationID string `query:"conversationId" doc:"Only runs of this conversation" example:"conv_01m87vmwg93pcqy3jm88wmqy3q"`
		AgentID        string `query:"agentId" doc:"Only runs of this agent" example:"nyx"`
		Status         string `query:"status" enum:"queued,running,completed,failed,cancelled" doc:"Only runs in this state" example:"running"`
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
	register(api, route{
		id: "list-runs", method: http.MethodGet, path: "/api/runs", tag: tagChat, summary: "List runs", scope: schema.ScopeRead,
		description: "Your runs, the newest first, page by page, without their replies; for the scope `admin`, everybody's.",
		answers:     []example{exampleRunPage()},
	}, callTimeout, s.listRuns)
	register(api, route{
		id: "get-run", method: http.MethodGet, path: one, tag: tagChat, summary: "Get run", scope: schema.ScopeRead,
		description: "A run of your own: where it is on `queued → running → completed | failed | cancelled`, its `reply` once there is one, and what models have used for it.",
		codes:       []schema.ErrorCode{schema.CodeNotFound}, answers: []example{exampleRun()},
	}, callTimeout, s.getRun)
	register(api, route{
		id: "cancel-run", method: http.MethodPost, path: one + "/cancel", tag: tagChat, summary: "Cancel run", scope: schema.ScopeChat,
		description: "Ends an unfinished run of your own and answers with it; one that is over is answered as it is, so that it may be repeated. What the agent had said until then " +
			"is kept in the conversation, as a message with `partial: true`.",
		codes: []schema.ErrorCode{schema.CodeNotFound}, answers: []example{exampleCancelledRun()},
	}, callTimeout, s.cancelRun)
	register(api, route{
		id: "route-message", method: http.MethodPost, path: "/api/chat/route", tag: tagChat, summary: "See who would answer", scope: schema.ScopeChat,
		description: "Says who would answer a message, and why, and sends nothing. If nobody fits, the 409 has the threshold and the candidates.",
		codes:       []schema.ErrorCode{schema.CodeNoAgentFits},
		sends:       exampleQuestions(), answers: []example{exampleDecision()},
	}, callTimeout, s.routeMessage)
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

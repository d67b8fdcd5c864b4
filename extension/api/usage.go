package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	usageInput struct {
		GroupBy   string    `query:"groupBy" enum:"run,agent,principal,provider,model,day" doc:"By what to add up; days are those of UTC. Absent: the total, and no groups" example:"model"`
		AgentID   string    `query:"agentId" doc:"Only what this agent has used" example:"nyx"`
		Principal string    `query:"principal" doc:"Only what was used for this principal" example:"alice"`
		RunID     string    `query:"runId" doc:"Only what was used for this run" example:"run_01m87vmwg66adtxbkb3ynedvr1"`
		Since     time.Time `query:"since" doc:"Only what was used then or later, as RFC 3339 has it" example:"2026-11-01T00:00:00Z"`
		Until     time.Time `query:"until" doc:"Only what was used before that; after since" example:"2026-12-01T00:00:00Z"`
		Paging
	}
	usageOutput struct {
		Links
		Body schema.UsageReport
	}
)

func (s *Server) registerUsage(api huma.API) {
	register(api, route{
		id: "get-usage", method: http.MethodGet, path: "/api/usage", tag: tagUsage, summary: "Report usage", scope: schema.ScopeRead,
		description: "The tokens that models have read and written for you, and what they have cost; for the scope `admin`, for everybody. Somebody else's is a total of 0. " +
			"It is kept when runs, conversations and agents are deleted. `total` is of everything that is asked for; `groups` come in pages: runs and days from the " +
			"latest, all others by their keys.",
		answers: []example{exampleUsageReport()},
	}, callTimeout, s.reportUsage)
}

func (s *Server) reportUsage(ctx context.Context, in *usageInput) (*usageOutput, error) {
	report, err := s.services.Usage.Report(ctx, schema.UsageQuery{
		AgentID: in.AgentID, Principal: in.Principal, RunID: in.RunID, Since: in.Since, Until: in.Until,
		GroupBy: schema.UsageGrouping(in.GroupBy), Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, within("query", err)
	}
	if report.Groups == nil {
		report.Groups = []schema.UsageGroup{}
	}
	return &usageOutput{Links: in.links(report.NextCursor, ""), Body: report}, nil
}

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	listAgentsInput struct {
		Status string `query:"status" enum:"stopped,starting,running,stopping,failed" doc:"Only agents in this state" example:"running"`
		Skill  string `query:"skill" doc:"Only agents with this skill; upper and lower case are the same" example:"programming"`
		Paging
	}
	listAgentsOutput struct {
		Links
		Body schema.AgentPage
	}

	agentInput struct {
		AgentID string `path:"agentId" doc:"Id of the agent" example:"nyx"`
	}
	updateAgentInput struct {
		AgentID string `path:"agentId" doc:"Id of the agent" example:"nyx"`
		Condition
		Body agentPatch

		nested map[string]any // the objects of a PATCH
	}
	agentOutput struct {
		ETag string `header:"ETag" doc:"The revision of the agent, quoted. It stands for what can be changed, and for the status; the emotion changes by itself as time passes, and is not covered" example:"\"7\""`
		Body schema.Agent
	}
)

// agentPatch is schema.AgentPatch with a description of its JSON.
type agentPatch struct{ schema.AgentPatch }

// Schema implements huma.SchemaProvider.
func (agentPatch) Schema(r huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: doc}
	}
	brain := brainSchema()
	brain.OneOf = append(brain.OneOf, &huma.Schema{Enum: []any{nil}})
	metadata := objectSchema()
	metadata.Nullable, metadata.Description = true, "Free-form; PUT replaces it as a whole, PATCH merges it"
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Description: "What to change: an absent member stays as it is, null clears it",
		Properties: map[string]*huma.Schema{
			"name":        text("What people call it. Null: the id"),
			"description": text("What the agent is for"),
			"persona":     text("Who the agent is, in prose, for its brain"),
			"skills": {
				Type: huma.TypeArray, Nullable: true, Items: &huma.Schema{Type: huma.TypeString},
				Description: "What the agent is good at; routing scores by it",
			},
			"brain":    brain,
			"metadata": metadata,
		},
	}
	return named(r, "AgentPatch", s)
}

func (s *Server) registerAgents(api huma.API) {
	const one = "/api/agents/{agentId}"
	register(api, route{
		id: "list-agents", method: http.MethodGet, path: "/api/agents", tag: tagAgents, summary: "List agents", scope: schema.ScopeRead,
		description: "Agents by their ids, page by page. A page may have fewer than `limit` although there are more: go on until `nextCursor` is empty.",
		answers:     []example{exampleAgentPage()},
	}, callTimeout, s.listAgents)
	register(api, route{
		id: "create-agent", method: http.MethodPost, path: "/api/agents", tag: tagAgents, summary: "Create agent", scope: schema.ScopeAdmin,
		description: "Creates an agent that the configuration does not declare, and starts it unless `start` is false. It outlives the server, and runs again with it, " +
			"until it is stopped or deleted. An id that is taken is a 409, a brain that cannot be made a 422; nothing is created then.",
		codes: []schema.ErrorCode{schema.CodeAlreadyExists}, status: http.StatusCreated,
		sends: exampleNewAgents(), answers: []example{exampleNewAgent()},
	}, callTimeout, s.createAgent)
	register(api, route{
		id: "get-agent", method: http.MethodGet, path: one, tag: tagAgents, summary: "Get agent details", scope: schema.ScopeRead, tagged: true,
		description: "One agent. The `ETag` stands for what can be changed of it and for its status, not for its emotion, which changes by itself.",
		codes:       []schema.ErrorCode{schema.CodeNotFound}, answers: []example{exampleAgent()},
	}, callTimeout, s.getAgent)
	for method, id := range map[string]string{http.MethodPut: "update-agent", http.MethodPatch: "patch-agent"} {
		register(api, route{
			id: id, method: method, path: one, tag: tagAgents, summary: "Update agent", scope: schema.ScopeAdmin,
			description: "Changes what is given: an absent member stays as it is, and null clears it. PUT replaces values as a whole. PATCH is a JSON merge patch (RFC 7396): it merges " +
				"objects, and null in them removes a member. " +
				"What changes nothing keeps the revision. With `If-Match` it is made only if the agent is still as you have seen it.",
			codes: []schema.ErrorCode{schema.CodeNotFound, schema.CodeRevisionMismatch},
			sends: exampleAgentPatches(), answers: []example{exampleAgent()},
		}, callTimeout, s.updateAgent)
	}
	register(api, route{
		id: "delete-agent", method: http.MethodDelete, path: one, tag: tagAgents, summary: "Delete agent", scope: schema.ScopeAdmin,
		description: "Deletes an agent with its memories; what was said with it stays. Its unfinished runs are cancelled first, reason `agent_stopped`. An agent that the " +
			"configuration declares cannot be deleted: 409. Repeated, it is a 404.",
		codes: []schema.ErrorCode{
			schema.CodeNotFound, schema.CodeFailedPrecondition, schema.CodeIllegalTransition, schema.CodeRevisionMismatch,
		},
		status: http.StatusNoContent,
	}, callTimeout, s.deleteAgent)
	register(api, route{
		id: "start-agent", method: http.MethodPost, path: one + "/start", tag: tagAgents, summary: "Start agent", scope: schema.ScopeAdmin,
		description: "Brings an agent to `running` and answers with it; idempotent. If its brain cannot start, it is `failed` in the answer, with a `statusReason`.",
		codes:       []schema.ErrorCode{schema.CodeNotFound, schema.CodeIllegalTransition}, answers: []example{exampleAgent()},
	}, callTimeout, s.startAgent)
	register(api, route{
		id: "stop-agent", method: http.MethodPost, path: one + "/stop", tag: tagAgents, summary: "Stop agent", scope: schema.ScopeAdmin,
		description: "Brings an agent to `stopped` and answers with it; idempotent. Its unfinished runs are cancelled first, reason `agent_stopped`.",
		codes:       []schema.ErrorCode{schema.CodeNotFound, schema.CodeIllegalTransition}, answers: []example{exampleStoppedAgent()},
	}, callTimeout, s.stopAgent)
}

func (s *Server) listAgents(ctx context.Context, in *listAgentsInput) (*listAgentsOutput, error) {
	found, err := s.services.Agents.List(ctx, schema.AgentQuery{
		Status: schema.AgentStatus(in.Status), Skill: in.Skill, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, within("query", err)
	}
	if found.Agents == nil {
		found.Agents = []schema.Agent{}
	}
	return &listAgentsOutput{Links: in.links(found.NextCursor, ""), Body: found}, nil
}

func (s *Server) getAgent(ctx context.Context, in *agentInput) (*agentOutput, error) {
	return agentAnswer(s.services.Agents.Get(ctx, in.AgentID))
}

func (s *Server) startAgent(ctx context.Context, in *agentInput) (*agentOutput, error) {
	return agentAnswer(s.services.Agents.Start(ctx, in.AgentID))
}

func (s *Server) stopAgent(ctx context.Context, in *agentInput) (*agentOutput, error) {
	return agentAnswer(s.services.Agents.Stop(ctx, in.AgentID))
}

func (s *Server) updateAgent(ctx context.Context, in *updateAgentInput) (*agentOutput, error) {
	if len(in.nested) > 0 {
		a, err := s.mergeAgent(ctx, in)
		if err != nil {
			return nil, within("body", changedBefore(err, "agent"), "agentId")
		}
		return agentAnswer(a, nil)
	}
	patch := in.Body.AgentPatch
	revision, err := in.demanded(func() (int64, error) {
		a, err := s.services.Agents.Get(ctx, in.AgentID)
		return a.Revision, err
	})
	if err != nil {
		return nil, err
	}
	patch.IfRevision = revision
	a, err := s.services.Agents.Update(ctx, in.AgentID, patch)
	if err != nil {
		return nil, within("body", changedBefore(err, "agent"), "agentId")
	}
	return agentAnswer(a, nil)
}

func agentAnswer(a schema.Agent, err error) (*agentOutput, error) {
	if err != nil {
		return nil, within("path", err)
	}
	if a.Skills == nil {
		a.Skills = []string{}
	}
	return &agentOutput{ETag: etag(a.Revision), Body: a}, nil
}

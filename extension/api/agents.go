package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	listAgentsInput struct {
		Status string `query:"status" enum:"stopped,starting,running,stopping,failed" doc:"Only agents in this state"`
		Skill  string `query:"skill" doc:"Only agents with this skill; upper and lower case are the same"`
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
	}
	agentOutput struct {
		ETag string `header:"ETag" doc:"The revision of the agent, quoted. It stands for what can be changed, and for the status; the emotion changes by itself as time passes, and is not covered"`
		Body schema.Agent
	}
)

// agentPatch is schema.AgentPatch with a description of its JSON.
type agentPatch struct{ schema.AgentPatch }

// Schema implements huma.SchemaProvider.
func (agentPatch) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Nullable: true, Description: doc}
	}
	brain := brainSchema()
	brain.OneOf = append(brain.OneOf, &huma.Schema{Enum: []any{nil}})
	metadata := objectSchema()
	metadata.Nullable = true
	s := &huma.Schema{
		Type: huma.TypeObject, AdditionalProperties: false,
		Description: "What to change: an absent member stays as it is, null clears it",
		Properties: map[string]*huma.Schema{
			"name":        text("Null: the id"),
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
	s.PrecomputeMessages()
	return s
}

func (s *Server) registerAgents(api huma.API) {
	const one = "/api/agents/{agentId}"
	register(api, operation("list-agents", http.MethodGet, "/api/agents", tagAgents, "List agents"), callTimeout, s.listAgents)
	create := operation("create-agent", http.MethodPost, "/api/agents", tagAgents, "Create agent",
		schema.CodeAlreadyExists, schema.CodeTooLarge, schema.CodeUnsupportedMediaType)
	create.DefaultStatus = http.StatusCreated
	register(api, create, callTimeout, s.createAgent)
	remove := operation("delete-agent", http.MethodDelete, one, tagAgents, "Delete agent",
		schema.CodeNotFound, schema.CodeFailedPrecondition, schema.CodeIllegalTransition, schema.CodeRevisionMismatch)
	remove.DefaultStatus = http.StatusNoContent
	register(api, remove, callTimeout, s.deleteAgent)
	register(api, tagged(operation("get-agent", http.MethodGet, one, tagAgents, "Get agent details", schema.CodeNotFound)), callTimeout, s.getAgent)
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		id := map[string]string{http.MethodPut: "update-agent", http.MethodPatch: "patch-agent"}[method]
		update := operation(id, method, one, tagAgents, "Update agent",
			schema.CodeNotFound, schema.CodeRevisionMismatch, schema.CodeTooLarge, schema.CodeUnsupportedMediaType)
		update.Description = "PUT and PATCH do the same: what is absent stays as it is."
		register(api, update, callTimeout, s.updateAgent)
	}
	register(api, operation("start-agent", http.MethodPost, one+"/start", tagAgents, "Start agent", schema.CodeNotFound, schema.CodeIllegalTransition), callTimeout, s.startAgent)
	register(api, operation("stop-agent", http.MethodPost, one+"/stop", tagAgents, "Stop agent", schema.CodeNotFound, schema.CodeIllegalTransition), callTimeout, s.stopAgent)
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

package api

import (
	"context"
	"net/url"

	"github.com/stagehouse/stagehouse/schema"
)

type (
	createAgentInput struct{ Body createAgentBody }
	createAgentBody  struct {
		ID          string        `json:"id" doc:"1 to 128 letters, digits or . _ ~ : - characters; it stays the agent's for ever" example:"vera"`
		Name        string        `json:"name,omitempty" doc:"The id if absent" example:"Vera"`
		Description string        `json:"description,omitempty" doc:"What the agent is for; routing looks at it"`
		Skills      []string      `json:"skills,omitempty" nullable:"false" doc:"What the agent is good at; routing scores by it"`
		Brain       schema.Brain  `json:"brain,omitzero" doc:"What thinks for it: a provider's name, or an object with the provider's options beside it; the default of the runtime if absent"`
		Persona     string        `json:"persona,omitempty" doc:"Who the agent is, in prose, for its brain"`
		Metadata    schema.Object `json:"metadata,omitempty" doc:"Free-form, and given back as it is"`
		Start       *bool         `json:"start,omitempty" doc:"Whether it runs from the beginning; true if absent"`
	}
	createAgentOutput struct {
		Location string `header:"Location" doc:"Path of the agent" example:"/api/agents/vera"`
		ETag     string `header:"ETag" doc:"The revision of the agent, quoted" example:"\"3\""`
		Body     schema.Agent
	}
	deleteAgentInput struct {
		AgentID string `path:"agentId" doc:"Id of the agent" example:"vera"`
		Condition
	}
)

func (s *Server) createAgent(ctx context.Context, in *createAgentInput) (*createAgentOutput, error) {
	b := in.Body
	a, err := s.services.Agents.Create(ctx, schema.NewAgent{
		ID: b.ID, Name: b.Name, Description: b.Description, Skills: b.Skills, Brain: b.Brain, Persona: b.Persona, Metadata: b.Metadata,
		Start: b.Start == nil || *b.Start,
	})
	if err != nil {
		return nil, within("body", err)
	}
	out, err := agentAnswer(a, nil)
	if err != nil {
		return nil, err
	}
	return &createAgentOutput{Location: "/api/agents/" + url.PathEscape(a.ID), ETag: out.ETag, Body: out.Body}, nil
}

func (s *Server) deleteAgent(ctx context.Context, in *deleteAgentInput) (*struct{}, error) {
	revision, err := in.demanded(func() (int64, error) {
		a, err := s.services.Agents.Get(ctx, in.AgentID)
		return a.Revision, err
	})
	if err != nil {
		return nil, err
	}
	if err := s.services.Agents.Delete(ctx, in.AgentID, revision); err != nil {
		return nil, within("path", changedBefore(err, "agent"))
	}
	return nil, nil
}

package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"

	"github.com/stagehouse/stagehouse/schema"
)

// Agents returns one page of agents.
func (c *Client) Agents(ctx context.Context, q schema.AgentQuery) (found schema.AgentPage, err error) {
	query := page(q.Limit, q.Cursor, "status", string(q.Status), "skill", q.Skill)
	err = c.call(ctx, request{verb: "list agents", method: http.MethodGet, path: agentsPath, query: query}, &found)
	return found, err
}

// Agent returns one agent.
func (c *Client) Agent(ctx context.Context, id string) (a schema.Agent, err error) {
	err = c.call(ctx, request{verb: "get agent", method: http.MethodGet, path: agentPath(id), ids: []string{id}}, &a)
	return a, err
}

// AllAgents returns the agents of all pages from that of the query on.
func (c *Client) AllAgents(ctx context.Context, q schema.AgentQuery) iter.Seq2[schema.Agent, error] {
	return each(q.Cursor, func(cursor string) ([]schema.Agent, string, error) {
		q.Cursor = cursor
		found, err := c.Agents(ctx, q)
		return found.Agents, found.NextCursor, err
	})
}

// CreateAgent makes an agent that no configuration declares, and returns it.
func (c *Client) CreateAgent(ctx context.Context, n schema.NewAgent) (a schema.Agent, err error) {
	body := struct {
		ID          string        `json:"id"`
		Name        string        `json:"name,omitempty"`
		Description string        `json:"description,omitempty"`
		Skills      []string      `json:"skills,omitempty"`
		Persona     string        `json:"persona,omitempty"`
		Brain       schema.Brain  `json:"brain,omitzero"`
		Metadata    schema.Object `json:"metadata,omitempty"`
		Start       bool          `json:"start"`
	}(n)
	err = c.call(ctx, request{verb: "create agent", method: http.MethodPost, path: agentsPath, body: body}, &a)
	return a, err
}

// UpdateAgent changes what the patch has of an agent and returns it as it is then. With IfRevision it is CodeRevisionMismatch if
// somebody else has changed it first.
func (c *Client) UpdateAgent(ctx context.Context, id string, p schema.AgentPatch) (a schema.Agent, err error) {
	r := request{verb: "update agent", method: http.MethodPatch, path: agentPath(id), ids: []string{id}, header: ifMatch(p.IfRevision), body: p}
	err = c.call(ctx, r, &a)
	return a, err
}

// DeleteAgent deletes an agent that the configuration does not declare, and its memories; what was said with it stays. With an ifRevision
// other than 0 it is CodeRevisionMismatch if the agent has changed since.
func (c *Client) DeleteAgent(ctx context.Context, id string, ifRevision int64) error {
	return c.call(ctx, request{verb: "delete agent", method: http.MethodDelete, path: agentPath(id), ids: []string{id}, header: ifMatch(ifRevision)}, nil)
}

// StartAgent starts an agent and returns it in its new state. One that runs is left as it is.
func (c *Client) StartAgent(ctx context.Context, id string) (a schema.Agent, err error) {
	err = c.call(ctx, request{verb: "start agent", method: http.MethodPost, path: agentPath(id) + "/start", ids: []string{id}}, &a)
	return a, err
}

// StopAgent stops an agent, whose unfinished turns are cancelled, and returns it in its new state.
func (c *Client) StopAgent(ctx context.Context, id string) (a schema.Agent, err error) {
	err = c.call(ctx, request{verb: "stop agent", method: http.MethodPost, path: agentPath(id) + "/stop", ids: []string{id}}, &a)
	return a, err
}

const agentsPath = "/api/agents"

func agentPath(id string) string { return agentsPath + "/" + url.PathEscape(id) }

// ifMatch is the header with which only that revision is changed; 0 = any.
func ifMatch(revision int64) http.Header {
	if revision == 0 {
		return nil
	}
	return http.Header{"If-Match": {fmt.Sprintf(`"%d"`, revision)}}
}

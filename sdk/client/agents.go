package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stagehouse/stagehouse/schema"
)

// Agents returns one page of agents.
func (c *Client) Agents(ctx context.Context, q schema.AgentQuery) (found schema.AgentPage, err error) {
	query := page(q.Limit, q.Cursor, "status", string(q.Status), "skill", q.Skill)
	err = c.call(ctx, request{verb: "list agents", method: http.MethodGet, path: "/api/agents", query: query}, &found)
	return found, err
}

// Agent returns one agent.
func (c *Client) Agent(ctx context.Context, id string) (a schema.Agent, err error) {
	err = c.call(ctx, request{verb: "get agent", method: http.MethodGet, path: agentPath(id), ids: []string{id}}, &a)
	return a, err
}

// UpdateAgent changes what the patch has of an agent and returns it as it is then. With IfRevision it is
// CodeRevisionMismatch if somebody else has changed it first.
func (c *Client) UpdateAgent(ctx context.Context, id string, p schema.AgentPatch) (a schema.Agent, err error) {
	header := http.Header{}
	if p.IfRevision != 0 {
		header.Set("If-Match", fmt.Sprintf(`"%d"`, p.IfRevision))
	}
	err = c.call(ctx, request{verb: "update agent", method: http.MethodPut, path: agentPath(id), ids: []string{id}, header: header, body: p}, &a)
	return a, err
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

func agentPath(id string) string { return "/api/agents/" + url.PathEscape(id) }

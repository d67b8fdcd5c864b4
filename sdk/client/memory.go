package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// StoreMemory has an agent remember something.
func (c *Client) StoreMemory(ctx context.Context, m schema.NewMemory) (item schema.MemoryItem, err error) {
	body := struct {
		AgentID    string        `json:"agentId"`
		Content    string        `json:"content"`
		Metadata   schema.Object `json:"metadata,omitempty"`
		Shared     bool          `json:"shared,omitempty"`
		Tags       []string      `json:"tags,omitempty"`
		Importance *float64      `json:"importance,omitempty"`
		ExpiresAt  *time.Time    `json:"expiresAt,omitempty"`
	}(m)
	err = c.call(ctx, request{verb: "store memory", method: http.MethodPost, path: "/api/memory/store", body: body}, &item)
	return item, err
}

// SearchMemory returns the memories that the words of the query fit best, best first; without words, the newest first.
func (c *Client) SearchMemory(ctx context.Context, q schema.MemoryQuery) ([]schema.MemoryHit, error) {
	var found struct {
		Results []schema.MemoryHit `json:"results"`
	}
	query := page(q.Limit, "", "q", q.Text, "agentId", q.AgentID)
	for _, tag := range q.Tags {
		query.Add("tag", tag)
	}
	for _, m := range q.Metadata {
		query.Add("metadata."+m.Key, m.Value)
	}
	if q.MinImportance != 0 {
		query.Set("minImportance", strconv.FormatFloat(q.MinImportance, 'g', -1, 64))
	}
	err := c.call(ctx, request{verb: "search memories", method: http.MethodGet, path: "/api/memory/search", query: query}, &found)
	return found.Results, err
}

// Memory returns one memory of an agent; "" = of whichever it is.
func (c *Client) Memory(ctx context.Context, agentID, id string) (item schema.MemoryItem, err error) {
	path, ids := memoryPath(agentID, id)
	err = c.call(ctx, request{verb: "get memory", method: http.MethodGet, path: path, ids: ids}, &item)
	return item, err
}

// DeleteMemory has an agent forget something; "" = whichever it is.
func (c *Client) DeleteMemory(ctx context.Context, agentID, id string) error {
	path, ids := memoryPath(agentID, id)
	return c.call(ctx, request{verb: "delete memory", method: http.MethodDelete, path: path, ids: ids}, nil)
}

func memoryPath(agentID, id string) (path string, ids []string) {
	if agentID == "" {
		return "/api/memory/" + url.PathEscape(id), []string{id}
	}
	return agentPath(agentID) + "/memories/" + url.PathEscape(id), []string{agentID, id}
}

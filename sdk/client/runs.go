package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/stagehouse/stagehouse/schema"
)

// Run returns a turn, with its reply once there is one.
func (c *Client) Run(ctx context.Context, id string) (run schema.Run, err error) {
	err = c.call(ctx, request{verb: "get run", method: http.MethodGet, path: runPath(id), ids: []string{id}}, &run)
	return run, err
}

// Runs returns one page of turns, the newest first, without their replies.
func (c *Client) Runs(ctx context.Context, q schema.RunsQuery) (found schema.RunPage, err error) {
	query := page(q.Limit, q.Cursor, "conversationId", q.ConversationID, "agentId", q.AgentID, "status", string(q.Status))
	err = c.call(ctx, request{verb: "list runs", method: http.MethodGet, path: "/api/runs", query: query}, &found)
	return found, err
}

// AllRuns returns the turns of all pages from that of the query on.
func (c *Client) AllRuns(ctx context.Context, q schema.RunsQuery) iter.Seq2[schema.Run, error] {
	return each(q.Cursor, func(cursor string) ([]schema.Run, string, error) {
		q.Cursor = cursor
		found, err := c.Runs(ctx, q)
		return found.Runs, found.NextCursor, err
	})
}

// CancelRun ends a turn and returns it. What the agent had said until then is kept. One that is over is returned as it is.
func (c *Client) CancelRun(ctx context.Context, id string) (run schema.Run, err error) {
	err = c.call(ctx, request{verb: "cancel run", method: http.MethodPost, path: runPath(id) + "/cancel", ids: []string{id}}, &run)
	return run, err
}

// WaitRun waits for the end of a turn, for as long as ctx lives, and returns it.
func (c *Client) WaitRun(ctx context.Context, id string) (schema.Run, error) {
	for {
		run, err := c.Run(ctx, id)
		if err != nil || run.Status.Terminal() {
			return run, err
		}
		if err := c.untilEnd(ctx, run); err != nil {
			return run, err
		}
	}
}

// untilEnd follows the log from the beginning of a run to its end, or to a gap in which that may be.
func (c *Client) untilEnd(ctx context.Context, run schema.Run) error {
	since, err := schema.ParseCursor(run.Since)
	if err != nil {
		return err
	}
	ends := []schema.EventType{schema.EventReply, schema.EventFailed, schema.EventCancelled}
	events, err := c.Events(ctx, Filter{Events: ends, Since: since})
	if err != nil {
		return err
	}
	defer events.Close()
	for e, err := range events.All(ctx) {
		if err != nil || e.RunID == run.ID || e.Type == schema.EventGap {
			return err
		}
	}
	return nil
}

// Route says who would answer a message, and why, and sends nothing. If nobody fits, the *Error, of CodeNoAgentFits, has the Candidates.
func (c *Client) Route(ctx context.Context, q schema.RouteRequest) (d schema.RouteDecision, err error) {
	body := struct {
		Message string        `json:"message"`
		Context schema.Object `json:"context,omitempty"`
	}(q)
	err = c.call(ctx, request{verb: "route message", method: http.MethodPost, path: "/api/chat/route", body: body, reads: true}, &d)
	return d, err
}

func runPath(id string) string { return "/api/runs/" + url.PathEscape(id) }

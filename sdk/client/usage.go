package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// Usage returns what models have used for you, or, with the scope admin, for everybody: the total, and one page of its groups.
func (c *Client) Usage(ctx context.Context, q schema.UsageQuery) (report schema.UsageReport, err error) {
	query := page(q.Limit, q.Cursor, "groupBy", string(q.GroupBy), "agentId", q.AgentID, "principal", q.Principal, "runId", q.RunID,
		"since", moment(q.Since), "until", moment(q.Until))
	err = c.call(ctx, request{verb: "report usage", method: http.MethodGet, path: "/api/usage", query: query}, &report)
	return report, err
}

// AllUsage returns the groups of all pages from that of the query on.
func (c *Client) AllUsage(ctx context.Context, q schema.UsageQuery) iter.Seq2[schema.UsageGroup, error] {
	return each(q.Cursor, func(cursor string) ([]schema.UsageGroup, string, error) {
		q.Cursor = cursor
		report, err := c.Usage(ctx, q)
		return report.Groups, report.NextCursor, err
	})
}

// moment words a time; the zero one is "".
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

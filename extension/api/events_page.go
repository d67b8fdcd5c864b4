package api

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// maxScanned bounds the events that are looked at for one page: where few of them match, a page ends early.
const maxScanned = 10_000

// eventsPage is a page of events.
type eventsPage struct {
	Events     []schema.Event `json:"events" nullable:"false" doc:"In the order of the log. There may be fewer than the limit, or none, and more to come"`
	NextCursor string         `json:"nextCursor" doc:"Pass it as since to go on. It is head when there is no more for now"`
	Head       string         `json:"head" doc:"The id of the newest event of all, whether you may see it or not"`
	Gap        *schema.Gap    `json:"gap,omitempty" doc:"Events that were asked for are not there any more; those in the page are the oldest that are"`
}

// eventPage answers with what stands in the log behind q.Since and matches.
func (s *Server) eventPage(ctx context.Context, q schema.EventQuery, limit int) (*huma.StreamResponse, error) {
	head, err := s.services.Events.Head(ctx)
	if err != nil {
		return nil, within("query", err)
	}
	scan := pageScan{page: eventsPage{Events: []schema.Event{}, Head: head.String()}, at: q.Since, head: head, limit: schema.PageSize(limit)}
	if q.Since.IsZero() {
		scan.at = head
	}
	if scan.at != head {
		caller := schema.CallerFrom(ctx)
		err = s.scan(ctx, &scan, func(e *schema.Event) bool {
			return caller.MaySee(e.Principal) &&
				(len(q.Types) == 0 || slices.Contains(q.Types, e.Type)) &&
				(len(q.Agents) == 0 || slices.Contains(q.Agents, e.AgentID))
		})
	}
	if err != nil {
		return nil, err
	}
	scan.page.NextCursor = scan.at.String()
	return answerJSON(scan.page)
}

// pageScan is how far a page has come.
type pageScan struct {
	page    eventsPage
	at      schema.Cursor // everything up to here has been looked at
	head    schema.Cursor
	limit   int
	scanned int
}

// full reports whether nothing more belongs into the page.
func (p *pageScan) full() bool {
	return p.at.Epoch == p.head.Epoch && p.at.Seq >= p.head.Seq || len(p.page.Events) == p.limit || p.scanned == maxScanned
}

// scan looks at every event up to the head, as the extension itself. A subscription with the caller's eyes and filter
// would wait, behind the last event that matches, for one that may never come.
func (s *Server) scan(ctx context.Context, p *pageScan, wanted func(*schema.Event) bool) error {
	for e, err := range s.services.Events.Subscribe(asExtension(ctx), schema.EventQuery{Since: p.at}) {
		switch {
		case err != nil:
			return err
		case e.Type == schema.EventGap && (p.scanned > 0 || p.page.Gap != nil):
			return nil // the next page begins with it
		case e.Type == schema.EventGap:
			p.page.Gap = &schema.Gap{}
			if err := json.Unmarshal(e.Payload, p.page.Gap); err != nil {
				return err
			}
		default:
			p.scanned++
			if wanted(&e) {
				p.page.Events = append(p.page.Events, e)
			}
		}
		p.at = e.Cursor
		if p.full() {
			return nil
		}
	}
	return nil
}

// asExtension is on whose behalf the log is read where everybody's events have to be seen.
func asExtension(ctx context.Context) context.Context {
	return schema.WithCaller(ctx, schema.Caller{Principal: "extension:api", Scopes: []schema.Scope{schema.ScopeAdmin}})
}

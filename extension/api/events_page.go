package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// eventsPage is a page of events.
type eventsPage struct {
	Events     []schema.Event `json:"events" nullable:"false" doc:"In the order of the log"`
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
	q.Until = head
	if q.Since.IsZero() {
		q.Since = head
	}
	page, next, err := s.readPage(ctx, q, schema.PageSize(limit))
	if err != nil {
		return nil, within("query", err)
	}
	page.Head, page.NextCursor = head.String(), next.String()
	return answer(http.StatusOK, nil, page)
}

// readPage reads up to limit events of a stretch of the log, and returns the place up to which it has read.
func (s *Server) readPage(ctx context.Context, q schema.EventQuery, limit int) (page eventsPage, next schema.Cursor, err error) {
	page.Events, next = []schema.Event{}, q.Since
	for e, err := range s.services.Events.Subscribe(ctx, q) {
		switch {
		case err != nil:
			return page, next, err
		case e.Type != schema.EventGap:
			page.Events = append(page.Events, e)
		case len(page.Events) > 0:
			return page, next, nil // the next page begins with it
		default:
			return s.readBehind(ctx, e, q, limit)
		}
		if next = e.Cursor; len(page.Events) == limit {
			return page, next, nil
		}
	}
	return page, q.Until, nil // what there may be behind the last event does not match
}

// readBehind reads what is behind a gap. To the log, the head may not be after what was asked for, and so not be its end.
func (s *Server) readBehind(ctx context.Context, gap schema.Event, q schema.EventQuery, limit int) (page eventsPage, next schema.Cursor, err error) {
	var told schema.Gap
	if err := json.Unmarshal(gap.Payload, &told); err != nil {
		return page, next, err
	}
	q.Since = gap.Cursor
	page, next, err = s.readPage(ctx, q, limit)
	page.Gap = &told
	return page, next, err
}

package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/extension/api/internal/problem"
	"github.com/stagehouse/stagehouse/schema"
)

// eventStream is the media type of server-sent events, see https://html.spec.whatwg.org/#server-sent-events.
const eventStream = "text/event-stream"

// maxNamedAgents bounds the agents that one request names: each costs a call.
const maxNamedAgents = 256

// every stands for all agents in a list of them.
const every = "*"

// eventsInput is a request for events. Lists are read by Resolve: huma splits the first parameter of a name only.
type eventsInput struct {
	Since       string   `query:"since" maxLength:"128" doc:"The id of the last event that you have seen; what follows it is sent. Absent: from now on. An epoch followed by -0 is before the first event" example:"lq2jjkl6rav73lom-34"`
	LastEventID string   `header:"Last-Event-ID" doc:"The same as since, and stronger: a browser sends it when it connects again" example:"lq2jjkl6rav73lom-34"`
	Agents      []string `query:"agents" nullable:"false" doc:"Only events of these agents, separated by commas; the parameter may be repeated. Absent or *: of every agent, and of none" example:"nyx"`
	Events      []string `query:"events" nullable:"false" doc:"Only these events, separated by commas; the parameter may be repeated. In full (agent:thought), short (thought), or by family (chat:*). Absent or *: all. A gap is told whatever is asked for" example:"chat:*"`
	RunID       string   `query:"runId" doc:"Only events of this run. Without since, from its beginning; a stream ends with the run" example:"run_01m87vmwg66adtxbkb3ynedvr1"`
	Limit       int      `query:"limit" minimum:"1" maximum:"200" doc:"How many events a page has at most; 50 if absent. A stream has no limit" example:"50"`

	accepts string // the media type that the client likes best, "" if none will do
	token   string
}

var _ huma.Resolver = (*eventsInput)(nil)

// Resolve implements huma.Resolver.
func (in *eventsInput) Resolve(ctx huma.Context) []error {
	c := humafiber.UnwrapV2(ctx)
	st := stateOf(c.Context())
	in.accepts, in.token = st.accepts, st.token
	in.Agents = queryList(c.Context().QueryArgs().PeekMulti("agents"))
	in.Events = queryList(c.Context().QueryArgs().PeekMulti("events"))
	return nil
}

// queryList returns the names in all parameters of a name, each once; nil if there is no such parameter.
func queryList(values [][]byte) []string {
	if len(values) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(strings.SplitSeq(string(bytes.Join(values, []byte(","))), ",")))
}

func (s *Server) registerEvents(api huma.API) {
	register(api, route{
		id: "list-events", method: http.MethodGet, path: "/api/events", tag: tagEvents, summary: "Follow or list events", scope: schema.ScopeRead,
		description: "Events in the order of the log, as they come over the WebSocket; only those that you may see. With `Accept: text/event-stream` they are sent as they " +
			"happen; otherwise the answer is a page of those that follow `since`, and never waits. What follows an id that you have is sent once and without a gap, or a gap says so. " +
			"A stream ends when its token is revoked, when nothing is read from it for five seconds, and when the server goes: connect again with `Last-Event-ID`.",
		codes:     []schema.ErrorCode{schema.CodeNotFound, schema.CodeNotAcceptable},
		responses: map[string]*huma.Response{"200": eventsResponse(api.OpenAPI().Components)},
	}, callTimeout, s.listEvents)
}

// listEvents answers with a stream or a page.
func (s *Server) listEvents(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	q, err := s.eventQuery(ctx, in)
	if err != nil {
		return nil, err
	}
	switch {
	case in.accepts == "":
		return nil, schema.Errorf(schema.CodeNotAcceptable, "events come as application/json or as text/event-stream; Accept allows neither")
	case in.accepts == fiber.MIMEApplicationJSON:
		return s.eventPage(ctx, q, in.Limit)
	case in.Limit != 0:
		return nil, invalid("query.limit", "a stream has no limit")
	}
	return s.openStream(ctx, q, in.token)
}

// eventQuery returns what is asked for, if the caller may ask for it.
func (s *Server) eventQuery(ctx context.Context, in *eventsInput) (q schema.EventQuery, err error) {
	if !schema.CallerFrom(ctx).Can(schema.ScopeRead) {
		return q, schema.Errorf(schema.CodePermissionDenied, "this token may not read events")
	}
	where, since := "query.since", in.Since
	if in.LastEventID != "" {
		where, since = "header.Last-Event-ID", in.LastEventID
	}
	if q.Since, err = schema.ParseCursor(since); err != nil {
		return q, invalid(where, schema.AsError(err).Message)
	}
	if in.RunID != "" {
		if err := s.ofRun(ctx, in.RunID, &q); err != nil {
			return q, err
		}
	}
	if in.Events != nil {
		if q.Types, err = s.sockets.EventTypes(in.Events); err != nil {
			return q, within("query", err)
		}
	}
	if in.Agents == nil || slices.Contains(in.Agents, every) {
		return q, nil
	}
	q.Agents = in.Agents
	return q, s.checkAgents(ctx, in.Agents)
}

// ofRun narrows a query to a run. That of a run that is over ends.
func (s *Server) ofRun(ctx context.Context, id string, q *schema.EventQuery) error {
	run, err := s.services.Chat.Run(ctx, id)
	if err != nil {
		return within("query", err)
	}
	q.RunID = id
	if q.Since.IsZero() {
		if q.Since, err = schema.ParseCursor(run.Since); err != nil {
			return fmt.Errorf("read where run %s begins: %w", id, err)
		}
	}
	if run.Status.Terminal() {
		q.Until, err = s.services.Events.Head(ctx)
	}
	return err
}

// checkAgents returns an error unless the caller sees all of the agents.
func (s *Server) checkAgents(ctx context.Context, ids []string) error {
	if len(ids) > maxNamedAgents {
		return invalid("query.agents", fmt.Sprintf("names %d agents; at most %d are allowed", len(ids), maxNamedAgents))
	}
	for _, id := range ids {
		if !schema.ValidID(id) {
			return invalid("query.agents", fmt.Sprintf("%.80q cannot be the id of an agent", id))
		}
	}
	for _, id := range ids {
		if _, err := s.services.Agents.Get(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// invalid words one wrong value.
func invalid(location, message string) error { return invalidProblem(location, message) }

func invalidProblem(location, message string) *problem.Problem {
	found := []schema.FieldError{{Location: location, Message: message}}
	p := problem.New(schema.CodeInvalidArgument, summary(found))
	p.Errors = found
	return p
}

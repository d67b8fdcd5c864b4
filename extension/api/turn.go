package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"reflect"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// ackEvent begins the stream of a turn.
type ackEvent struct {
	Type           string                `json:"type"`
	ConversationID string                `json:"conversationId"`
	RunID          string                `json:"runId"`
	AgentID        string                `json:"agentId"`
	Message        schema.Message        `json:"message"`
	Route          *schema.RouteDecision `json:"route,omitempty"`
}

// streamTurn answers with the events of a turn that was accepted, from its first one, or from where its client was.
func (s *Server) streamTurn(ctx context.Context, in *sendInput, a *schema.Accepted) (*huma.StreamResponse, error) {
	q := schema.EventQuery{Since: a.Since, RunID: a.RunID}
	if seen, err := schema.ParseCursor(in.LastEventID); err == nil && seen.Epoch == q.Since.Epoch && seen.Seq > q.Since.Seq {
		q.Since = seen
	}
	if run, err := s.services.Chat.Run(ctx, a.RunID); err == nil && run.Status.Terminal() {
		if q.Until, err = s.services.Events.Head(ctx); err != nil {
			return nil, notSeen(err, a)
		}
	}
	var gone func()
	if in.Body.OnDisconnect == disconnectCancels {
		gone = s.canceller(ctx, a.RunID)
	}
	return s.streaming(ctx, q, in.token, ackBlock(a, q.Since), gone), nil
}

// ackBlock begins the stream of a turn that goes on behind since.
func ackBlock(a *schema.Accepted, since schema.Cursor) []byte {
	data, err := json.Marshal(ackEvent{
		Type: "ack", ConversationID: a.ConversationID, RunID: a.RunID, AgentID: a.AgentID, Message: a.Message, Route: a.Route,
	})
	if err != nil { // it is made of texts and numbers
		panic("api: encode the ack of a turn: " + err.Error())
	}
	return appendBlock([]byte("event: ack\n"), since, data)
}

// canceller returns a function that cancels a run on behalf of the caller of ctx.
func (s *Server) canceller(ctx context.Context, runID string) func() {
	caller := schema.CallerFrom(ctx)
	return func() {
		ctx, cancel := context.WithTimeout(schema.WithCaller(s.base, caller), callTimeout)
		defer cancel()
		if _, err := s.services.Chat.Cancel(ctx, runID); err != nil {
			s.log.Warn("cannot cancel a turn whose client has gone away", "run", runID, "error", err)
		}
	}
}

// goneInterval is how often it is looked whether a client that waits is still there.
const goneInterval = 100 * time.Millisecond

// cancelWith cancels a run when the client of the request goes away before the function that it returns is called, if the
// client wants that.
func (s *Server) cancelWith(ctx context.Context, in *sendInput, runID string) (stop func()) {
	if in.Body.OnDisconnect != disconnectCancels {
		return func() {}
	}
	cancelRun := s.canceller(ctx, runID)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(goneInterval)
		defer look.Stop()
		for {
			select {
			case <-over:
				return
			case <-look.C:
				if clientGone(in.conn) {
					cancelRun()
					return
				}
			}
		}
	}()
	return func() { close(over); <-done }
}

// clientGone reports whether the other side of a connection has closed it. It reads nothing.
func clientGone(c net.Conn) bool {
	for {
		below, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = below.NetConn()
	}
	raw, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	conn, err := raw.SyscallConn()
	if err != nil {
		return errors.Is(err, net.ErrClosed)
	}
	gone := false
	if err := conn.Control(func(fd uintptr) { gone = peerGone(fd) }); err != nil {
		return errors.Is(err, net.ErrClosed)
	}
	return gone
}

// sendResponses describes the answers to a message.
func sendResponses(c *huma.Components) map[string]*huma.Response {
	model := c.Schemas.Schema(reflect.TypeFor[sendAnswer](), true, "SendAnswer")
	return map[string]*huma.Response{
		"200": {
			Description: "The reply, or the turn as it happens",
			Headers:     map[string]*huma.Param{headerApplied: headerRef(headerApplied)},
			Content: map[string]*huma.MediaType{
				fiber.MIMEApplicationJSON: {Schema: model, Examples: shown(c, exampleReplies())},
				eventStream: {
					Schema: &huma.Schema{
						Type: huma.TypeString,
						Description: "Server-sent events. The first one is named `ack`; its data is {type, conversationId, runId, agentId, message, route?}. Then come the " +
							"events of the run, without a name, as in GET /api/events; the last one is chat:reply, chat:failed or chat:cancelled. A stream that breaks " +
							"is resumed by GET /api/events?runId=… with Last-Event-ID.",
					},
					Examples: shown(c, []example{exampleTurnStream()}),
				},
			},
		},
		"202": {
			Description: http.StatusText(http.StatusAccepted) + ": the message is durable, and the turn goes on",
			Headers: map[string]*huma.Param{
				headerApplied: headerRef(headerApplied),
				fiber.HeaderLocation: {
					Description: "Path of the run", Schema: &huma.Schema{Type: huma.TypeString}, Example: runPath(sampleRunID),
				},
			},
			Content: map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {Schema: model, Examples: shown(c, []example{exampleAccepted()})}},
		},
	}
}

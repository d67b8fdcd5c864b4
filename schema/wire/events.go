package wire

import (
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToEvent converts an event.
func ToEvent(e schema.Event) *pb.Event {
	return &pb.Event{
		Cursor: ToCursor(e.Cursor), Type: string(e.Type), AgentId: e.AgentID, ConversationId: e.ConversationID,
		RunId: e.RunID, Principal: e.Principal, Time: toTime(e.Time), Payload: e.Payload,
	}
}

// FromEvent converts an event. Its payload shares the memory of the message.
func FromEvent(m *pb.Event) (schema.Event, error) {
	if m == nil {
		return schema.Event{}, errMissing("event")
	}
	t, err := fromTime("time", m.GetTime())
	if err != nil {
		return schema.Event{}, err
	}
	payload, err := fromPayload(m.GetPayload())
	if err != nil {
		return schema.Event{}, fmt.Errorf("event %s: %w", m.GetType(), err)
	}
	return schema.Event{
		Cursor: FromCursor(m.GetCursor()), Type: schema.EventType(m.GetType()), AgentID: m.GetAgentId(),
		ConversationID: m.GetConversationId(), RunID: m.GetRunId(), Principal: m.GetPrincipal(), Time: t, Payload: payload,
	}, nil
}

// ToEventQuery converts a query.
func ToEventQuery(q schema.EventQuery) *pb.SubscribeRequest {
	return &pb.SubscribeRequest{
		Since: ToCursor(q.Since), Until: ToCursor(q.Until), Agents: q.Agents, Types: toStrings(q.Types), RunId: q.RunID,
	}
}

// FromEventQuery converts a query.
func FromEventQuery(m *pb.SubscribeRequest) schema.EventQuery {
	return schema.EventQuery{
		Since: FromCursor(m.GetSince()), Until: FromCursor(m.GetUntil()), Agents: m.GetAgents(),
		Types: fromStrings[schema.EventType](m.GetTypes()), RunID: m.GetRunId(),
	}
}

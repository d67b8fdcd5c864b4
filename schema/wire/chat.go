package wire

import (
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToMessage converts a message.
func ToMessage(m schema.Message) *pb.Message {
	out := &pb.Message{
		Id: m.ID, ConversationId: m.ConversationID, Role: string(m.Role), Content: m.Content,
		AgentId: m.AgentID, RunId: m.RunID, CreatedAt: toTime(m.CreatedAt), Partial: m.Partial,
	}
	if m.Emotion != nil {
		out.Emotion = ToEmotion(*m.Emotion)
	}
	return out
}

// FromMessage converts a message; nil is an error.
func FromMessage(m *pb.Message) (schema.Message, error) {
	if m == nil {
		return schema.Message{}, errMissing("message")
	}
	created, err := fromTime("created_at", m.GetCreatedAt())
	if err != nil {
		return schema.Message{}, err
	}
	out := schema.Message{
		ID: m.GetId(), ConversationID: m.GetConversationId(), Role: schema.Role(m.GetRole()), Content: m.GetContent(),
		AgentID: m.GetAgentId(), RunID: m.GetRunId(), CreatedAt: created, Partial: m.GetPartial(),
	}
	if m.GetEmotion() != nil {
		emotion, err := FromEmotion(m.GetEmotion())
		if err != nil {
			return schema.Message{}, err
		}
		out.Emotion = &emotion
	}
	return out, nil
}

// ToSendRequest converts a request for a turn.
func ToSendRequest(r schema.SendRequest) (*pb.SendRequest, error) {
	hints, err := toObject("context", r.Context)
	if err != nil {
		return nil, err
	}
	return &pb.SendRequest{
		RunId: r.RunID, AgentId: r.AgentID, ConversationId: r.ConversationID, Message: r.Message, Context: hints,
		OnBusy: string(r.OnBusy),
	}, nil
}

// FromSendRequest converts a request for a turn.
func FromSendRequest(m *pb.SendRequest) (schema.SendRequest, error) {
	hints, err := fromObject("context", m.GetContext())
	if err != nil {
		return schema.SendRequest{}, err
	}
	return schema.SendRequest{
		RunID: m.GetRunId(), AgentID: m.GetAgentId(), ConversationID: m.GetConversationId(),
		Message: m.GetMessage(), Context: hints, OnBusy: schema.OnBusy(m.GetOnBusy()),
	}, nil
}

// ToChatEvent converts a step of a turn. It fails unless exactly one field is set.
func ToChatEvent(e schema.ChatEvent) (*pb.ChatEvent, error) {
	switch {
	case e.Accepted != nil && e.Event == nil:
		return &pb.ChatEvent{Event: &pb.ChatEvent_Accepted{Accepted: ToAccepted(*e.Accepted)}}, nil
	case e.Event != nil && e.Accepted == nil:
		return &pb.ChatEvent{Event: &pb.ChatEvent_Logged{Logged: ToEvent(*e.Event)}}, nil
	default:
		return nil, errors.New("chat event: exactly one field must be set")
	}
}

// FromChatEvent converts a step of a turn. It fails for a kind of step that it does not know.
func FromChatEvent(m *pb.ChatEvent) (schema.ChatEvent, error) {
	switch e := m.GetEvent().(type) {
	case *pb.ChatEvent_Accepted:
		a, err := FromAccepted(e.Accepted)
		if err != nil {
			return schema.ChatEvent{}, fmt.Errorf("accepted: %w", err)
		}
		return schema.ChatEvent{Accepted: &a}, nil
	case *pb.ChatEvent_Logged:
		ev, err := FromEvent(e.Logged)
		if err != nil {
			return schema.ChatEvent{}, err
		}
		return schema.ChatEvent{Event: &ev}, nil
	default:
		return schema.ChatEvent{}, errMissing("chat event")
	}
}

// ToAccepted converts an acceptance.
func ToAccepted(a schema.Accepted) *pb.Accepted {
	out := &pb.Accepted{
		RunId: a.RunID, ConversationId: a.ConversationID, AgentId: a.AgentID, Message: ToMessage(a.Message),
		Position: toInt32(a.Position), Since: ToCursor(a.Since),
	}
	if a.Route != nil {
		out.Route = ToRouteDecision(*a.Route)
	}
	return out
}

// FromAccepted converts an acceptance.
func FromAccepted(m *pb.Accepted) (schema.Accepted, error) {
	message, err := FromMessage(m.GetMessage())
	if err != nil {
		return schema.Accepted{}, err
	}
	out := schema.Accepted{
		RunID: m.GetRunId(), ConversationID: m.GetConversationId(), AgentID: m.GetAgentId(), Message: message,
		Position: int(m.GetPosition()), Since: FromCursor(m.GetSince()),
	}
	if m.GetRoute() != nil {
		route, err := FromRouteDecision(m.GetRoute())
		if err != nil {
			return schema.Accepted{}, err
		}
		out.Route = &route
	}
	return out, nil
}

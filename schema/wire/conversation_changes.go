package wire

import (
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToNewConversation converts a conversation to begin.
func ToNewConversation(c schema.NewConversation) *pb.CreateConversationRequest {
	return &pb.CreateConversationRequest{Id: c.ID, Title: c.Title, AgentId: c.AgentID}
}

// FromNewConversation converts a conversation to begin.
func FromNewConversation(m *pb.CreateConversationRequest) schema.NewConversation {
	return schema.NewConversation{ID: m.GetId(), Title: m.GetTitle(), AgentID: m.GetAgentId()}
}

// Names of the members of a patch of a conversation, in the order in which they are sent.
const (
	memberTitle    = "title"
	memberArchived = "archived"
)

// ToConversationPatch converts a patch of the conversation id.
func ToConversationPatch(id string, p schema.ConversationPatch) *pb.UpdateConversationRequest {
	m := &pb.UpdateConversationRequest{Id: id, IfRevision: p.IfRevision, Values: &pb.ConversationSummary{}}
	note(&m.Set, &m.Clear, memberTitle, p.Title, func() { m.Values.Title = p.Title.Value })
	note(&m.Set, &m.Clear, memberArchived, p.Archived, func() { m.Values.Archived = p.Archived.Value })
	return m
}

// FromConversationPatch converts a patch and returns the conversation's id with it. As FromAgentPatch, it fails for a member
// that it does not know, and for one that is both set and cleared.
func FromConversationPatch(m *pb.UpdateConversationRequest) (string, schema.ConversationPatch, error) {
	p := schema.ConversationPatch{IfRevision: m.GetIfRevision()}
	for _, member := range m.GetClear() {
		switch {
		case slices.Contains(m.GetSet(), member):
			return "", p, fmt.Errorf("%s: both set and cleared", member)
		case member == memberTitle:
			p.Title = schema.Clear[string]()
		case member == memberArchived:
			p.Archived = schema.Clear[bool]()
		default:
			return "", p, fmt.Errorf("%.80q: not a member that can be cleared", member)
		}
	}
	for _, member := range m.GetSet() {
		switch member {
		case memberTitle:
			p.Title = schema.Set(m.GetValues().GetTitle())
		case memberArchived:
			p.Archived = schema.Set(m.GetValues().GetArchived())
		default:
			return "", p, fmt.Errorf("%.80q: not a member that can be set", member)
		}
	}
	return m.GetId(), p, nil
}

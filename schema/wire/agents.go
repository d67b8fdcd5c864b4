package wire

import (
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// ToAgent converts an agent.
func ToAgent(a schema.Agent) (*pb.Agent, error) {
	brain, err := ToBrain(a.Brain)
	if err != nil {
		return nil, err
	}
	metadata, err := toObject("metadata", a.Metadata)
	if err != nil {
		return nil, err
	}
	return &pb.Agent{
		Id: a.ID, Name: a.Name, Description: a.Description, Status: string(a.Status), StatusReason: a.StatusReason,
		Skills: a.Skills, Brain: brain, Persona: a.Persona, Metadata: metadata, Emotion: ToEmotion(a.Emotion),
		Revision: a.Revision, CreatedAt: toTime(a.CreatedAt), UpdatedAt: toTime(a.UpdatedAt), Declared: a.Declared,
	}, nil
}

// FromAgent converts an agent; nil is an error, because an answer without its agent is none.
func FromAgent(m *pb.Agent) (schema.Agent, error) {
	if m == nil {
		return schema.Agent{}, errMissing("agent")
	}
	a := schema.Agent{
		ID: m.GetId(), Name: m.GetName(), Description: m.GetDescription(),
		Status: schema.AgentStatus(m.GetStatus()), StatusReason: m.GetStatusReason(),
		Skills: shown(m.GetSkills()), Persona: m.GetPersona(), Revision: m.GetRevision(), Declared: m.GetDeclared(),
	}
	var err error
	if a.Brain, err = FromBrain(m.GetBrain()); err != nil {
		return schema.Agent{}, err
	}
	if a.Metadata, err = fromObject("metadata", m.GetMetadata()); err != nil {
		return schema.Agent{}, err
	}
	if a.Emotion, err = FromEmotion(m.GetEmotion()); err != nil {
		return schema.Agent{}, err
	}
	if a.CreatedAt, err = fromTime("created_at", m.GetCreatedAt()); err != nil {
		return schema.Agent{}, err
	}
	if a.UpdatedAt, err = fromTime("updated_at", m.GetUpdatedAt()); err != nil {
		return schema.Agent{}, err
	}
	return a, nil
}

// ToBrain converts a brain.
func ToBrain(b schema.Brain) (*pb.Brain, error) {
	options, err := toObject("brain", b.Options)
	if err != nil {
		return nil, err
	}
	return &pb.Brain{Provider: b.Provider, Options: options}, nil
}

// FromBrain converts a brain; nil is the zero one.
func FromBrain(m *pb.Brain) (schema.Brain, error) {
	options, err := fromObject("brain", m.GetOptions())
	if err != nil {
		return schema.Brain{}, err
	}
	return schema.Brain{Provider: m.GetProvider(), Options: options}, nil
}

// ToAgentQuery converts a query.
func ToAgentQuery(q schema.AgentQuery) *pb.ListAgentsRequest {
	return &pb.ListAgentsRequest{
		Status: string(q.Status), Skill: q.Skill, Limit: toInt32(q.Limit), Cursor: q.Cursor,
	}
}

// FromAgentQuery converts a query.
func FromAgentQuery(m *pb.ListAgentsRequest) schema.AgentQuery {
	return schema.AgentQuery{
		Status: schema.AgentStatus(m.GetStatus()), Skill: m.GetSkill(), Limit: int(m.GetLimit()), Cursor: m.GetCursor(),
	}
}

// ToAgentPage converts a page of agents.
func ToAgentPage(p schema.AgentPage) (*pb.ListAgentsResponse, error) {
	agents, err := each(p.Agents, ToAgent)
	if err != nil {
		return nil, fmt.Errorf("agents: %w", err)
	}
	return &pb.ListAgentsResponse{Agents: agents, NextCursor: p.NextCursor}, nil
}

// FromAgentPage converts a page of agents.
func FromAgentPage(m *pb.ListAgentsResponse) (schema.AgentPage, error) {
	agents, err := each(m.GetAgents(), FromAgent)
	if err != nil {
		return schema.AgentPage{}, fmt.Errorf("agents: %w", err)
	}
	return schema.AgentPage{Agents: agents, NextCursor: m.GetNextCursor()}, nil
}

// ToNewAgent converts an agent to create.
func ToNewAgent(n schema.NewAgent) (*pb.CreateAgentRequest, error) {
	brain, err := ToBrain(n.Brain)
	if err != nil {
		return nil, err
	}
	metadata, err := toObject(memberMetadata, n.Metadata)
	if err != nil {
		return nil, err
	}
	return &pb.CreateAgentRequest{Start: n.Start, Values: &pb.Agent{
		Id: n.ID, Name: n.Name, Description: n.Description, Skills: n.Skills, Brain: brain, Persona: n.Persona, Metadata: metadata,
	}}, nil
}

// FromNewAgent converts an agent to create.
func FromNewAgent(m *pb.CreateAgentRequest) (schema.NewAgent, error) {
	v := m.GetValues()
	brain, err := FromBrain(v.GetBrain())
	if err != nil {
		return schema.NewAgent{}, err
	}
	metadata, err := fromObject(memberMetadata, v.GetMetadata())
	if err != nil {
		return schema.NewAgent{}, err
	}
	return schema.NewAgent{
		ID: v.GetId(), Name: v.GetName(), Description: v.GetDescription(), Skills: v.GetSkills(), Persona: v.GetPersona(),
		Brain: brain, Metadata: metadata, Start: m.GetStart(),
	}, nil
}

// Names of the members of a patch, in the order in which they are sent.
const (
	memberName        = "name"
	memberDescription = "description"
	memberSkills      = "skills"
	memberPersona     = "persona"
	memberBrain       = "brain"
	memberMetadata    = "metadata"
)

// ToAgentPatch converts a patch of the agent id.
func ToAgentPatch(id string, p schema.AgentPatch) (*pb.UpdateAgentRequest, error) {
	brain, err := ToBrain(p.Brain.Value)
	if err != nil {
		return nil, err
	}
	metadata, err := toObject(memberMetadata, p.Metadata.Value)
	if err != nil {
		return nil, err
	}
	m := &pb.UpdateAgentRequest{Id: id, IfRevision: p.IfRevision, Values: &pb.Agent{}}
	note(&m.Set, &m.Clear, memberName, p.Name, func() { m.Values.Name = p.Name.Value })
	note(&m.Set, &m.Clear, memberDescription, p.Description, func() { m.Values.Description = p.Description.Value })
	note(&m.Set, &m.Clear, memberSkills, p.Skills, func() { m.Values.Skills = p.Skills.Value })
	note(&m.Set, &m.Clear, memberPersona, p.Persona, func() { m.Values.Persona = p.Persona.Value })
	note(&m.Set, &m.Clear, memberBrain, p.Brain, func() { m.Values.Brain = brain })
	note(&m.Set, &m.Clear, memberMetadata, p.Metadata, func() { m.Values.Metadata = metadata })
	return m, nil
}

// note records what a patch does to one member, and calls put if it replaces the value.
func note[T any](set, cleared *[]string, member string, f schema.Field[T], put func()) {
	switch {
	case !f.Present:
	case f.Null:
		*cleared = append(*cleared, member)
	default:
		*set = append(*set, member)
		put()
	}
}

// FromAgentPatch converts a patch and returns the agent's id with it. It fails for a member that it does not know, so
// that a newer peer's wish is refused and not half granted, and for one that is both set and cleared.
func FromAgentPatch(m *pb.UpdateAgentRequest) (string, schema.AgentPatch, error) {
	p := schema.AgentPatch{IfRevision: m.GetIfRevision()}
	for _, member := range m.GetClear() {
		if slices.Contains(m.GetSet(), member) {
			return "", p, fmt.Errorf("%s: both set and cleared", member)
		}
		if err := clearMember(&p, member); err != nil {
			return "", p, err
		}
	}
	for _, member := range m.GetSet() {
		if err := setMember(&p, member, m.GetValues()); err != nil {
			return "", p, err
		}
	}
	return m.GetId(), p, nil
}

func clearMember(p *schema.AgentPatch, member string) error {
	switch member {
	case memberName:
		p.Name = schema.Clear[string]()
	case memberDescription:
		p.Description = schema.Clear[string]()
	case memberSkills:
		p.Skills = schema.Clear[[]string]()
	case memberPersona:
		p.Persona = schema.Clear[string]()
	case memberBrain:
		p.Brain = schema.Clear[schema.Brain]()
	case memberMetadata:
		p.Metadata = schema.Clear[schema.Object]()
	default:
		return fmt.Errorf("%.80q: not a member that can be cleared", member)
	}
	return nil
}

func setMember(p *schema.AgentPatch, member string, v *pb.Agent) error {
	switch member {
	case memberName:
		p.Name = schema.Set(v.GetName())
	case memberDescription:
		p.Description = schema.Set(v.GetDescription())
	case memberSkills:
		p.Skills = schema.Set(shown(v.GetSkills()))
	case memberPersona:
		p.Persona = schema.Set(v.GetPersona())
	case memberBrain:
		brain, err := FromBrain(v.GetBrain())
		if err != nil {
			return err
		}
		p.Brain = schema.Set(brain)
	case memberMetadata:
		metadata, err := fromObject(memberMetadata, v.GetMetadata())
		if err != nil {
			return err
		}
		p.Metadata = schema.Set(metadata)
	default:
		return fmt.Errorf("%.80q: not a member that can be set", member)
	}
	return nil
}

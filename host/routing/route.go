package routing

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// Route decides among the agents that run, as schema.Chat.Route has it: it reads the skills that the request's context asks for,
// and says what to do where nobody fits. load is how many turns an agent has not finished. memories are, by agent, what it
// remembers that may have to do with the message and that the caller may see; nil = nothing.
func Route(r schema.RouteRequest, all []schema.Agent, load func(agentID string) int, memories map[string][]string) (schema.RouteDecision, error) {
	skills, err := askedSkills(r.Context)
	if err != nil {
		return schema.RouteDecision{}, err
	}
	var running []Agent
	var absent []schema.Agent
	for _, a := range all {
		if a.Status != schema.AgentRunning {
			absent = append(absent, a)
			continue
		}
		running = append(running, Agent{
			ID: a.ID, Name: a.Name, Description: a.Description, Persona: a.Persona, Skills: a.Skills,
			Unfinished: load(a.ID), Memories: memories[a.ID],
		})
	}
	d := Decide(Request{Message: r.Message, Skills: skills}, running)
	if d.AgentID == "" {
		return schema.RouteDecision{}, nobodyFits(d, skills, absent)
	}
	return d, nil
}

// askedSkills reads the members "skill" and "skills" of a request's context.
func askedSkills(c schema.Object) ([]string, error) {
	var asked []string
	add := func(at string, v any) error {
		s, ok := v.(string)
		if !ok || strings.TrimSpace(s) == "" {
			return schema.Invalid(at, "must be a skill's name")
		}
		asked = append(asked, strings.TrimSpace(s))
		return nil
	}
	if v, ok := c["skill"]; ok && v != nil {
		if err := add("context.skill", v); err != nil {
			return nil, err
		}
	}
	switch list := c["skills"].(type) {
	case nil:
	case []any:
		for i, v := range list {
			if err := add(fmt.Sprintf("context.skills[%d]", i), v); err != nil {
				return nil, err
			}
		}
	case []string:
		for i, v := range list {
			if err := add(fmt.Sprintf("context.skills[%d]", i), v); err != nil {
				return nil, err
			}
		}
	default:
		return nil, schema.Invalid("context.skills", "must be a list of skills' names")
	}
	if len(asked) > schema.MaxSkills {
		return nil, schema.Invalid("context.skills", "asks for %d skills; at most %d are allowed", len(asked), schema.MaxSkills)
	}
	return asked, nil
}

// nobodyFits says who was considered and what to do.
func nobodyFits(d schema.RouteDecision, asked []string, absent []schema.Agent) error {
	e := schema.Errorf(schema.CodeNoAgentFits, "no agent is running; start one, or name the agent that shall answer")
	if len(d.Candidates) > 0 {
		e = belowThreshold(d, asked, absent)
	}
	e.Details = details(d)
	return e
}

func belowThreshold(d schema.RouteDecision, asked []string, absent []schema.Agent) *schema.Error {
	scores := make([]string, min(len(d.Candidates), 5))
	for i := range scores {
		scores[i] = fmt.Sprintf("%s %.2f", d.Candidates[i].AgentID, d.Candidates[i].Score)
	}
	next := "name the agent that shall answer, or ask for another skill"
	for _, a := range absent {
		if HasSkill(a.Skills, asked) {
			next = fmt.Sprintf("agent %s has it and is %s: start it", a.ID, a.Status)
			break
		}
	}
	list, _ := json.Marshal(asked) // strings always encode
	return schema.Errorf(schema.CodeNoAgentFits, "no running agent has a skill of %s (a score of %.2f is needed; %s); %s",
		list, d.Threshold, strings.Join(scores, ", "), next)
}

// maxDetailed is how many candidates the details of an error have.
const maxDetailed = 20

// details returns what a program may want to know of a routing that found nobody, as it looks after it has travelled.
func details(d schema.RouteDecision) (o schema.Object) {
	b, _ := json.Marshal(map[string]any{ // which always encodes, and decodes
		schema.DetailThreshold: d.Threshold, schema.DetailCandidates: d.Candidates[:min(len(d.Candidates), maxDetailed)],
	})
	_ = json.Unmarshal(b, &o)
	return o
}

package local

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stagehouse/stagehouse/host/internal/fault"
	"github.com/stagehouse/stagehouse/host/local/routing"
	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// routedMemories bounds how many memories are looked at to find out who should answer.
const routedMemories = 20

// route scores the running agents as package routing documents it.
func (r *Runtime) route(ctx context.Context, q schema.RouteRequest) (schema.RouteDecision, error) {
	skills, err := askedSkills(q.Context)
	if err != nil {
		return schema.RouteDecision{}, err
	}
	memories, err := r.routedMemories(ctx, q.Message)
	if err != nil {
		return schema.RouteDecision{}, fault.Of(r.log, "route message", err)
	}
	var running []routing.Agent
	var absent []schema.Agent
	for _, a := range r.registry.after("", maxAgents, r.now(), func(*schema.Agent) bool { return true }) {
		if a.Status != schema.AgentRunning {
			absent = append(absent, a)
			continue
		}
		running = append(running, routing.Agent{
			ID: a.ID, Name: a.Name, Description: a.Description, Persona: a.Persona, Skills: a.Skills,
			Unfinished: r.chat.Unfinished(a.ID), Memories: memories[a.ID],
		})
	}
	d := routing.Decide(routing.Request{Message: q.Message, Skills: skills}, running)
	if d.AgentID == "" {
		return schema.RouteDecision{}, nobodyFits(d, skills, absent)
	}
	return d, nil
}

// maxAgents bounds how many agents are routed among.
const maxAgents = 10_000

// routedMemories returns what each agent remembers that has to do with the message, as far as the caller may see it.
func (r *Runtime) routedMemories(ctx context.Context, message string) (map[string][]string, error) {
	byAgent := map[string][]string{}
	err := r.store.View(ctx, func(rd store.Reader) error {
		hits, err := rd.SearchMemories(store.MemoryQuery{Viewer: fault.Viewer(ctx), Text: message, Limit: routedMemories, Now: r.now()})
		for _, h := range hits {
			byAgent[h.Memory.AgentID] = append(byAgent[h.Memory.AgentID], h.Memory.Content)
		}
		return err
	})
	return byAgent, err
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
		if routing.HasSkill(a.Skills, asked) {
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
		schema.DetailThreshold: d.Threshold, schema.DetailCandidates: paging.OrNone(d.Candidates[:min(len(d.Candidates), maxDetailed)]),
	})
	_ = json.Unmarshal(b, &o)
	return o
}

package services

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

func eventsVisibility(s *suite) {
	alice, bob, since := s.user(), s.user(), s.head()
	hers := s.say(alice, schema.SendRequest{AgentID: nyx, Message: "a secret"})
	his := s.say(bob, schema.SendRequest{AgentID: nyx, Message: "another"})
	to := s.mark()
	for name, c := range map[string]struct {
		ctx       context.Context
		sees, not []string
	}{
		"alice": {alice, []string{hers.accepted.RunID}, []string{his.accepted.RunID}},
		"bob":   {bob, []string{his.accepted.RunID}, []string{hers.accepted.RunID}},
		"admin": {s.admin(), []string{hers.accepted.RunID, his.accepted.RunID}, nil},
		"eve":   {s.as("eve", schema.ScopeRead), nil, []string{hers.accepted.RunID, his.accepted.RunID}},
	} {
		var runs []string
		events := s.between(c.ctx, schema.EventQuery{Since: since}, to)
		for _, e := range events {
			runs = append(runs, e.RunID)
			if p := schema.CallerFrom(c.ctx).Principal; name != "admin" && e.Principal != "" && e.Principal != p {
				s.Errorf("%s sees %s of %s", name, e.Type, e.Principal)
			}
		}
		for _, run := range c.sees {
			if !slices.Contains(runs, run) {
				s.Errorf("%s does not see run %s", name, run)
			}
		}
		for _, run := range c.not {
			if slices.Contains(runs, run) {
				s.Errorf("%s sees run %s", name, run)
			}
		}
		if len(events) == 0 || events[len(events)-1].Cursor.Seq != to {
			s.Errorf("%s does not see the public event %d", name, to)
		}
	}
}

// eventsMind looks for what the reference page prints: an agent's thoughts and feelings.
func eventsMind(s *suite) {
	ctx, since := s.user(), s.head()
	for _, text := range []string{"I am so happy, this is wonderful!", "This is terrible and I am furious!"} {
		s.say(ctx, schema.SendRequest{AgentID: nyx, Message: text})
	}
	var thought, emotion bool
	for _, e := range s.between(ctx, schema.EventQuery{Since: since}, s.mark()) {
		var p struct{ Thought, Emotion string }
		switch e.Type {
		case schema.EventThought, schema.EventEmotion:
			s.must(json.Unmarshal(e.Payload, &p))
			thought, emotion = thought || p.Thought != "", emotion || p.Emotion != ""
			if e.AgentID != nyx {
				s.Errorf("%s belongs to agent %q", e.Type, e.AgentID)
			}
		}
	}
	if !thought || !emotion {
		s.Errorf("in two turns the agent thought: %v, felt: %v", thought, emotion)
	}
}

func eventsAgent(s *suite) {
	ctx, since := s.admin(), s.head()
	must1[schema.Agent](s)(s.Agents.Stop(ctx, nyx))
	started := must1[schema.Agent](s)(s.Agents.Start(ctx, nyx))
	must1[schema.Agent](s)(s.Agents.Start(ctx, nyx)) // changes nothing and tells nobody
	var updated schema.Agent
	if s.has(updateAgent) {
		updated = must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, schema.AgentPatch{Persona: schema.Set(unique("p"))}))
	}
	q := schema.EventQuery{Since: since, Agents: []string{nyx, aria}, Types: []schema.EventType{schema.EventStatus, schema.EventUpdated}}
	last, revision := schema.AgentRunning, int64(0)
	var path []schema.AgentStatus
	for _, e := range s.between(s.as("eve", schema.ScopeRead), q, s.mark()) {
		var p struct {
			Status, Previous schema.AgentStatus
			Revision         int64
		}
		s.must(json.Unmarshal(e.Payload, &p))
		if e.AgentID != nyx {
			continue
		}
		if e.Type == schema.EventUpdated {
			revision = p.Revision
			continue
		}
		if path = append(path, p.Status); p.Previous != last {
			s.Errorf("from %s to %s after %s", p.Previous, p.Status, last)
		}
		if last = p.Status; last == schema.AgentRunning && p.Revision != started.Revision {
			s.Errorf("running at revision %d, want %d", p.Revision, started.Revision)
		}
	}
	if last != schema.AgentRunning || !slices.Contains(path, schema.AgentStopped) || revision != updated.Revision {
		s.Errorf("the agent went through %v, and was updated to %d, want %d", path, revision, updated.Revision)
	}
}

package services

import (
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

func routingChecks() []check {
	return []check{
		{"route-by-skill", "a message goes to the agent of the skill that is asked for, and the decision explains itself", "schema.RouteDecision", routeBySkill},
		{"route-sends-nothing", "routing leaves nothing", "schema.Chat.Route", routeSendsNothing},
		{"route-on-send", "a message to nobody is routed, and its acceptance says how", "schema.Chat.Send", routeOnSend},
		{"route-skips-stopped", "a stopped agent is no candidate", "schema.RouteDecision", routeSkipsStopped},
		{"route-nobody-fits", "nobody who fits is CodeNoAgentFits", "schema.Chat.Route", routeNobody},
	}
}

func routeBySkill(s *suite) {
	ctx := s.user()
	for _, c := range []struct {
		message string
		hints   schema.Object
		want    string
	}{
		{"I need help with coding", schema.Object{"skill": "programming"}, nyx}, // the reference page's
		{"I need help", schema.Object{"skill": "Writing"}, aria},
		{"I need help", schema.Object{"skills": []any{"security"}}, nyx},
		{"I need help", schema.Object{"skills": []any{"empathy", "writing"}}, aria},
	} {
		d := must1[schema.RouteDecision](s)(s.Chat.Route(ctx, schema.RouteRequest{Message: c.message, Context: c.hints}))
		if d.AgentID != c.want {
			s.Errorf("%v goes to %s, want %s: %+v", c.hints, d.AgentID, c.want, d)
		}
		s.checkDecision(d)
	}
}

func (s *suite) checkDecision(d schema.RouteDecision) {
	s.Helper()
	if d.Reason == "" || len(d.Candidates) < 2 || d.Candidates[0].AgentID != d.AgentID {
		s.Errorf("the decision does not explain itself: %+v", d)
		return
	}
	best := slices.IsSortedFunc(d.Candidates, func(a, b schema.RouteCandidate) int {
		switch {
		case a.Score > b.Score, a.Score == b.Score && a.AgentID < b.AgentID:
			return -1
		default:
			return 1
		}
	})
	if !best || d.Candidates[0].Score < d.Threshold {
		s.Errorf("candidates are not best first, or the best is under the threshold: %+v", d)
	}
	for i, c := range d.Candidates {
		if c.Score < 0 || c.Score > 1 || c.Reasons == nil || i == 0 && len(c.Reasons) == 0 {
			s.Errorf("candidate %+v", c)
		}
	}
}

func routeSendsNothing(s *suite) {
	ctx := s.user()
	must1[schema.RouteDecision](s)(s.Chat.Route(ctx, schema.RouteRequest{
		Message: "hello", Context: schema.Object{"skill": "programming"},
	}))
	if got := s.conversations(ctx, schema.ConversationsQuery{}); len(got) != 0 {
		s.Errorf("routing made conversations %v", got)
	}
}

func routeOnSend(s *suite) {
	ctx := s.user()
	r := schema.SendRequest{Message: "I need help with coding", Context: schema.Object{"skill": "programming"}}
	t := s.say(ctx, r)
	if t.accepted.AgentID != nyx || t.accepted.Route == nil || t.accepted.Route.AgentID != nyx {
		s.Fatalf("accepted as %+v", t.accepted)
	}
	s.checkDecision(*t.accepted.Route)
}

func routeSkipsStopped(s *suite) {
	ctx := s.user()
	must1[schema.Agent](s)(s.Agents.Stop(s.admin(), nyx))
	s.Cleanup(func() { s.start(nyx) })
	d, err := s.Chat.Route(ctx, schema.RouteRequest{Message: "hello", Context: schema.Object{"skill": "programming"}})
	if err == nil && (d.AgentID == nyx || slices.ContainsFunc(d.Candidates, isNyx)) {
		s.Errorf("a stopped agent is a candidate: %+v", d)
	}
	if err != nil {
		s.wantCode(err, schema.CodeNoAgentFits)
	}
}

func isNyx(c schema.RouteCandidate) bool { return c.AgentID == nyx }

func routeNobody(s *suite) {
	ctx := s.user()
	for _, id := range []string{nyx, aria} {
		must1[schema.Agent](s)(s.Agents.Stop(s.admin(), id))
		s.Cleanup(func() { s.start(id) })
	}
	_, err := s.Chat.Route(ctx, schema.RouteRequest{Message: "hello", Context: schema.Object{"skill": "programming"}})
	s.wantCode(err, schema.CodeNoAgentFits)
	s.refused(ctx, schema.SendRequest{Message: "hello"}, schema.CodeNoAgentFits)
}

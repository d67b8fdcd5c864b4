package ws

// subscription is the exact set of (agent, event) pairs that a client has asked for and not given back, where "every
// agent" includes agents that do not exist yet, and events about no agent. The zero subscription is empty.
type subscription struct {
	all    events // for every agent, unless the agent has it in without
	agents map[string]*pairs
}

// pairs is how one agent differs from all of them. A bit is in at most one of the two.
type pairs struct {
	with, without events
}

// matches reports whether the pair is in the set; agent is "" for an event about none.
func (s *subscription) matches(agent string, bit events) bool {
	if p := s.agents[agent]; p != nil {
		return (s.all&^p.without|p.with)&bit != 0
	}
	return s.all&bit != 0
}

// empty reports whether nothing can match.
func (s *subscription) empty() bool {
	if s.all != 0 {
		return false
	}
	for _, p := range s.agents {
		if p.with != 0 {
			return false
		}
	}
	return true
}

// size is the number of agents that are remembered one by one.
func (s *subscription) size() int { return len(s.agents) }

// change carries out a command; nil named = every agent.
func (s *subscription) change(add bool, named []string, set events) {
	switch {
	case named == nil && add:
		s.addAll(set)
	case named == nil:
		s.removeAll(set)
	}
	for _, id := range named {
		if add {
			s.add(id, set)
		} else {
			s.remove(id, set)
		}
	}
}

// addAll adds the events of every agent.
func (s *subscription) addAll(set events) {
	s.all |= set
	for id, p := range s.agents {
		p.with &^= set
		p.without &^= set
		s.tidy(id, p)
	}
}

// removeAll removes the events of every agent.
func (s *subscription) removeAll(set events) {
	s.all &^= set
	for id, p := range s.agents {
		p.with &^= set
		p.without &^= set
		s.tidy(id, p)
	}
}

// add adds the events of one agent.
func (s *subscription) add(agent string, set events) {
	p := s.of(agent)
	p.without &^= set
	p.with |= set &^ s.all
	s.tidy(agent, p)
}

// remove removes the events of one agent.
func (s *subscription) remove(agent string, set events) {
	p := s.of(agent)
	p.with &^= set
	p.without |= set & s.all
	s.tidy(agent, p)
}

func (s *subscription) of(agent string) *pairs {
	p := s.agents[agent]
	if p == nil {
		p = &pairs{}
		if s.agents == nil {
			s.agents = map[string]*pairs{}
		}
		s.agents[agent] = p
	}
	return p
}

// tidy forgets an agent that is like all the others.
func (s *subscription) tidy(agent string, p *pairs) {
	if p.with == 0 && p.without == 0 {
		delete(s.agents, agent)
	}
}

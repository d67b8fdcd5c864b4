package services

import (
	"errors"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
)

// notUTF8 is text that is none.
const notUTF8 = "a\xff\xfeb"

// badValues makes every kind of call with something that is wrong in it, by the name of what is wrong.
func badValues(s *suite) map[string]error {
	bad := map[string]error{}
	if s.Agents != nil {
		badAgents(s, bad)
	}
	if s.Chat != nil {
		badTurns(s, bad)
	}
	if s.Memory != nil {
		badMemories(s, bad)
	}
	if s.Events != nil {
		bad["subscribe type"] = read(s.user(), s.Events, schema.EventQuery{Types: []schema.EventType{"no:such"}}, seeNothing)
		bad["subscribe cursor"] = read(s.user(), s.Events, schema.EventQuery{Since: schema.Cursor{Epoch: "A B", Seq: 1}}, seeNothing)
	}
	return bad
}

// tooBig is an object that is too large.
func tooBig() schema.Object { return schema.Object{"k": strings.Repeat("x", schema.MaxObjectBytes)} }

func badTurns(s *suite, bad map[string]error) {
	user := s.user()
	for name, r := range map[string]schema.SendRequest{
		"send empty":           {AgentID: nyx},
		"send blank":           {AgentID: nyx, Message: " \n\t"},
		"send long":            {AgentID: nyx, Message: strings.Repeat("x", schema.MaxMessageBytes+1)},
		"send not utf8":        {AgentID: nyx, Message: notUTF8},
		"send agent":           {AgentID: "no such/agent", Message: "x"},
		"send agent not utf8":  {AgentID: notUTF8, Message: "x"},
		"send conversation":    {AgentID: nyx, ConversationID: "a b", Message: "x"},
		"send long id":         {AgentID: nyx, ConversationID: strings.Repeat("x", schema.MaxIDBytes+1), Message: "x"},
		"send run":             {AgentID: nyx, RunID: "a b", Message: "x"},
		"send context":         {AgentID: nyx, Message: "x", Context: tooBig()},
		"send context not utf": {AgentID: nyx, Message: "x", Context: schema.Object{"k": notUTF8}},
		"send context no json": {AgentID: nyx, Message: "x", Context: schema.Object{"k": func() {}}},
	} {
		_, bad[name] = send(user, s.Chat, r)
	}
	_, bad["route empty"] = s.Chat.Route(user, schema.RouteRequest{})
	_, bad["route not utf8"] = s.Chat.Route(user, schema.RouteRequest{Message: notUTF8})
}

func badAgents(s *suite, bad map[string]error) {
	_, bad["list status"] = s.Agents.List(s.user(), schema.AgentQuery{Status: "asleep"})
	if !s.has(updateAgent) {
		return
	}
	for name, p := range map[string]schema.AgentPatch{
		"update name empty":  {Name: schema.Set("")},
		"update name long":   {Name: schema.Set(strings.Repeat("x", schema.MaxNameBytes+1))},
		"update name":        {Name: schema.Set(notUTF8)},
		"update description": {Description: schema.Set(strings.Repeat("x", schema.MaxDescriptionBytes+1))},
		"update persona":     {Persona: schema.Set(strings.Repeat("x", schema.MaxPersonaBytes+1))},
		"update skill":       {Skills: schema.Set([]string{"ok", ""})},
		"update skill utf8":  {Skills: schema.Set([]string{"ok", notUTF8})},
		"update skills":      {Skills: schema.Set(make([]string, schema.MaxSkills+1))},
		"update brain":       {Brain: schema.Set(schema.Brain{})},
		"update metadata":    {Metadata: schema.Set(tooBig())},
	} {
		_, bad[name] = s.Agents.Update(s.admin(), nyx, p)
	}
}

func badMemories(s *suite, bad map[string]error) {
	user := s.user()
	for name, m := range map[string]schema.NewMemory{
		"store empty":    {AgentID: nyx},
		"store long":     {AgentID: nyx, Content: strings.Repeat("x", schema.MaxMemoryBytes+1)},
		"store not utf8": {AgentID: nyx, Content: notUTF8},
		"store no agent": {Content: "x"},
		"store metadata": {AgentID: nyx, Content: "x", Metadata: tooBig()},
	} {
		_, bad[name] = s.Memory.Store(user, m)
	}
	_, bad["search empty"] = s.Memory.Search(user, schema.MemoryQuery{})
	_, bad["search long"] = s.Memory.Search(user, schema.MemoryQuery{Text: strings.Repeat("x", schema.MaxSearchBytes+1)})
	_, bad["search not utf8"] = s.Memory.Search(user, schema.MemoryQuery{Text: notUTF8})
}

func seeNothing(e schema.Event) error { return errors.New("saw " + string(e.Type)) }

func boundsBadValues(s *suite) {
	for name, err := range badValues(s) {
		if schema.CodeOf(err) != schema.CodeInvalidArgument {
			s.Errorf("%s: %v, want %s", name, err, schema.CodeInvalidArgument)
			continue
		}
		s.wantCode(err, schema.CodeInvalidArgument)
	}
}

func boundsOddIDs(s *suite) {
	for _, id := range []string{"", "a b", "a/b", notUTF8} {
		var errs []error
		if s.Agents != nil {
			_, err := s.Agents.Get(s.user(), id)
			errs = append(errs, err)
		}
		if s.Chat != nil {
			_, run := s.Chat.Run(s.user(), id)
			_, conversation := s.Chat.Conversation(s.user(), schema.ConversationQuery{ID: id})
			errs = append(errs, run, conversation)
		}
		if s.Memory != nil {
			_, err := s.Memory.Get(s.user(), nyx, id)
			errs = append(errs, err)
		}
		for _, err := range errs {
			s.wantCode(err, schema.CodeNotFound, schema.CodeInvalidArgument)
		}
	}
}

func boundsNamed(s *suite) {
	s.needs(schema.ServiceAgents)
	_, err := s.Agents.Update(s.admin(), nyx, schema.AgentPatch{
		Name: schema.Set(""), Persona: schema.Set(strings.Repeat("x", schema.MaxPersonaBytes+1)),
	})
	var e *schema.Error
	if !errors.As(err, &e) || len(e.Fields) != 2 || e.Fields[0].Location != "name" || e.Fields[1].Location != "persona" {
		s.Errorf("two wrong values are reported as %#v", err)
	}
}

func boundsChangeNothing(s *suite) {
	var agent schema.Agent
	var head schema.Cursor
	if s.Agents != nil {
		agent = must1[schema.Agent](s)(s.Agents.Get(s.admin(), nyx))
	}
	if s.Events != nil {
		head = s.head()
	}
	badValues(s)
	if s.Agents != nil {
		if again := must1[schema.Agent](s)(s.Agents.Get(s.admin(), nyx)); again.Revision != agent.Revision {
			s.Errorf("the agent went from revision %d to %d", agent.Revision, again.Revision)
		}
	}
	if s.Events != nil {
		if now := s.head(); now != head {
			s.Errorf("the log went from %s to %s", head, now)
		}
	}
}

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
	long := strings.Repeat("x", schema.MaxMessageBytes+1)
	big := schema.Object{"k": strings.Repeat("x", schema.MaxObjectBytes)}
	bad := map[string]error{}
	user, admin := s.user(), s.admin()
	for name, r := range map[string]schema.SendRequest{
		"send empty":           {AgentID: nyx},
		"send blank":           {AgentID: nyx, Message: " \n\t"},
		"send long":            {AgentID: nyx, Message: long},
		"send not utf8":        {AgentID: nyx, Message: notUTF8},
		"send agent":           {AgentID: "no such/agent", Message: "x"},
		"send agent not utf8":  {AgentID: notUTF8, Message: "x"},
		"send conversation":    {AgentID: nyx, ConversationID: "a b", Message: "x"},
		"send long id":         {AgentID: nyx, ConversationID: strings.Repeat("x", schema.MaxIDBytes+1), Message: "x"},
		"send run":             {AgentID: nyx, RunID: "a b", Message: "x"},
		"send context":         {AgentID: nyx, Message: "x", Context: big},
		"send context not utf": {AgentID: nyx, Message: "x", Context: schema.Object{"k": notUTF8}},
		"send context no json": {AgentID: nyx, Message: "x", Context: schema.Object{"k": func() {}}},
	} {
		_, bad[name] = send(user, s.Chat, r)
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
		"update metadata":    {Metadata: schema.Set(big)},
	} {
		_, bad[name] = s.Agents.Update(admin, nyx, p)
	}
	for name, m := range map[string]schema.NewMemory{
		"store empty":    {AgentID: nyx},
		"store long":     {AgentID: nyx, Content: strings.Repeat("x", schema.MaxMemoryBytes+1)},
		"store not utf8": {AgentID: nyx, Content: notUTF8},
		"store no agent": {Content: "x"},
		"store metadata": {AgentID: nyx, Content: "x", Metadata: big},
	} {
		_, bad[name] = s.Memory.Store(user, m)
	}
	_, bad["search empty"] = s.Memory.Search(user, schema.MemoryQuery{})
	_, bad["search long"] = s.Memory.Search(user, schema.MemoryQuery{Text: strings.Repeat("x", schema.MaxSearchBytes+1)})
	_, bad["search not utf8"] = s.Memory.Search(user, schema.MemoryQuery{Text: notUTF8})
	_, bad["route empty"] = s.Chat.Route(user, schema.RouteRequest{})
	_, bad["route not utf8"] = s.Chat.Route(user, schema.RouteRequest{Message: notUTF8})
	_, bad["list status"] = s.Agents.List(user, schema.AgentQuery{Status: "asleep"})
	bad["subscribe type"] = read(user, s.Events, schema.EventQuery{Types: []schema.EventType{"no:such"}}, seeNothing)
	bad["subscribe cursor"] = read(user, s.Events, schema.EventQuery{Since: schema.Cursor{Epoch: "A B", Seq: 1}}, seeNothing)
	return bad
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
		_, agent := s.Agents.Get(s.user(), id)
		_, run := s.Chat.Run(s.user(), id)
		_, conversation := s.Chat.Conversation(s.user(), schema.ConversationQuery{ID: id})
		_, memory := s.Memory.Get(s.user(), nyx, id)
		for _, err := range []error{agent, run, conversation, memory} {
			s.wantCode(err, schema.CodeNotFound, schema.CodeInvalidArgument)
		}
	}
}

func boundsNamed(s *suite) {
	_, err := s.Agents.Update(s.admin(), nyx, schema.AgentPatch{
		Name: schema.Set(""), Persona: schema.Set(strings.Repeat("x", schema.MaxPersonaBytes+1)),
	})
	var e *schema.Error
	if !errors.As(err, &e) || len(e.Fields) != 2 || e.Fields[0].Location != "name" || e.Fields[1].Location != "persona" {
		s.Errorf("two wrong values are reported as %#v", err)
	}
}

func boundsChangeNothing(s *suite) {
	agent := must1[schema.Agent](s)(s.Agents.Get(s.admin(), nyx))
	head := s.head()
	badValues(s)
	if again := must1[schema.Agent](s)(s.Agents.Get(s.admin(), nyx)); again.Revision != agent.Revision {
		s.Errorf("the agent went from revision %d to %d", agent.Revision, again.Revision)
	}
	if now := s.head(); now != head {
		s.Errorf("the log went from %s to %s", head, now)
	}
}

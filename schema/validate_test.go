package schema_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func TestValidate(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	big := schema.Object{"k": x(schema.MaxObjectBytes)}
	fits := schema.Object{"k": x(schema.MaxObjectBytes - len(`{"k":""}`))}
	for _, c := range []struct {
		name string
		in   interface{ Validate() error }
		want string // the locations of what is wrong
	}{
		{"new agent", schema.NewAgent{ID: "a"}, ""},
		{"new agent bad", schema.NewAgent{
			ID: "a b", Name: " ", Skills: []string{""}, Persona: "\xff", Brain: schema.Brain{Options: schema.Object{"k": 1}}, Metadata: big,
		}, "id name persona skills[0] brain metadata"},
		{"patch", schema.AgentPatch{}, ""},
		{"patch clears", schema.AgentPatch{Name: schema.Clear[string](), Brain: schema.Clear[schema.Brain]()}, ""},
		{"patch at the bounds", schema.AgentPatch{
			Name: schema.Set(x(schema.MaxNameBytes)), Description: schema.Set(x(schema.MaxDescriptionBytes)),
			Persona: schema.Set(x(schema.MaxPersonaBytes)), Skills: schema.Set([]string{x(schema.MaxSkillBytes)}), Metadata: schema.Set(fits),
		}, ""},
		{"patch beyond them", schema.AgentPatch{
			Name: schema.Set(x(schema.MaxNameBytes + 1)), Description: schema.Set(x(schema.MaxDescriptionBytes + 1)),
			Persona: schema.Set("\xff"), Skills: schema.Set([]string{"a", " ", x(schema.MaxSkillBytes + 1)}),
			Brain: schema.Set(schema.Brain{Options: big}), Metadata: schema.Set(big),
		}, "name description persona skills[1] skills[2] brain brain metadata"},
		{"patch skills", schema.AgentPatch{Skills: schema.Set(strings.Split(x(schema.MaxSkills+1), ""))}, "skills"},
		{"send", schema.SendRequest{Message: x(schema.MaxMessageBytes)}, ""},
		{"send ids", schema.SendRequest{RunID: "a b", AgentID: "/", ConversationID: "ö", Message: " "}, "runId agentId conversationId message"},
		{"send text", schema.SendRequest{Message: x(schema.MaxMessageBytes + 1), Context: schema.Object{"k": make(chan int)}}, "message context"},
		{"route", schema.RouteRequest{Message: "x", Context: fits}, ""},
		{"route empty", schema.RouteRequest{Context: schema.Object{"\xff": 1}}, "message context"},
		{"memory", schema.NewMemory{AgentID: "a", Content: x(schema.MaxMemoryBytes)}, ""},
		{"memory empty", schema.NewMemory{Metadata: big}, "agentId content metadata"},
		{"search", schema.MemoryQuery{Text: x(schema.MaxSearchBytes)}, ""},
		{"memory tags", schema.NewMemory{AgentID: "a", Content: "x", Tags: strings.Split(x(schema.MaxTags+1), ""), Importance: new(1.5)}, "tags importance"},
		{"memory tag", schema.NewMemory{AgentID: "a", Content: "x", Tags: []string{"", x(schema.MaxTagBytes + 1)}, Importance: new(math.NaN())}, "tags[0] tags[1] importance"},
		{"search empty", schema.MemoryQuery{}, "q"},
		{"search bad", schema.MemoryQuery{AgentID: "a b", Tags: []string{""}, MinImportance: -1, Metadata: []schema.MetadataEquals{{Value: "x"}}}, "agentId tag[0] metadata minImportance"},
		{"search without text", schema.MemoryQuery{MinImportance: 0.1}, ""},
		{"agents", schema.AgentQuery{Status: schema.AgentFailed, Skill: "x"}, ""},
		{"agents bad", schema.AgentQuery{Status: "asleep", Skill: "\xff", Cursor: x(schema.MaxCursorBytes + 1)}, "status skill cursor"},
		{"conversation", schema.ConversationQuery{ID: "c"}, ""},
		{"conversation empty", schema.ConversationQuery{Cursor: "\xff"}, "conversationId cursor"},
		{"conversations", schema.ConversationsQuery{}, ""},
		{"conversations bad", schema.ConversationsQuery{AgentID: "a b", Cursor: "\xff"}, "agentId cursor"},
		{"usage", schema.UsageQuery{AgentID: "a", Principal: "someone@example.org", RunID: "r", GroupBy: schema.UsageByDay}, ""},
		{"usage bad", schema.UsageQuery{
			AgentID: "a b", Principal: "\xff", RunID: "/", GroupBy: "week", Cursor: "\xff", Since: time.Unix(2, 0), Until: time.Unix(2, 0),
		}, "agentId principal runId until groupBy cursor"},
		{"events", schema.EventQuery{Since: schema.Cursor{Epoch: "e"}, Agents: []string{"a"}, Types: schema.EventTypes(), RunID: "r"}, ""},
		{"events bad", schema.EventQuery{
			Since: schema.Cursor{Seq: 1}, Agents: []string{"a", ""}, Types: []schema.EventType{"no"}, RunID: "a b",
		}, "since agents[1] events[0] runId"},
		{"events many", schema.EventQuery{Agents: strings.Split(x(schema.MaxFilters+1), "")}, "agents"},
	} {
		t.Run(c.name, func(t *testing.T) { checkFields(t, c.in.Validate(), c.want) })
	}
}

func checkFields(t *testing.T, err error, want string) {
	t.Helper()
	var got []string
	var e *schema.Error
	if errors.As(err, &e) {
		for _, f := range e.Fields {
			got = append(got, f.Location)
		}
	}
	if strings.Join(got, " ") != want {
		t.Errorf("wrong are %v, want %s: %v", got, want, err)
	}
	if err != nil && (e == nil || e.Code != schema.CodeInvalidArgument) {
		t.Errorf("error is %#v", err)
	}
	if len(got) > 1 && !strings.HasSuffix(e.Message, fmt.Sprintf("(and %d more)", len(got)-1)) {
		t.Errorf("the message %q does not count the rest", e.Message)
	}
}

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "optional-id", "conv_01ABC", "a.b~c:d", strings.Repeat("x", schema.MaxIDBytes)} {
		if !schema.ValidID(id) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{"", " ", "a b", "a/b", "ä", "a\x00", "\xff", "a\n", "%20", strings.Repeat("x", schema.MaxIDBytes+1)} {
		if schema.ValidID(id) {
			t.Errorf("%q is accepted", id)
		}
	}
}

func TestPageSize(t *testing.T) {
	for limit, want := range map[int]int{
		-1: 1, 0: schema.DefaultPageSize, 1: 1, 199: 199, schema.MaxPageSize: schema.MaxPageSize, 1 << 40: schema.MaxPageSize,
	} {
		if got := schema.PageSize(limit); got != want {
			t.Errorf("%d: %d, want %d", limit, got, want)
		}
	}
}

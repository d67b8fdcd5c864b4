package services

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

func agentChecks() []check {
	return slices.Concat([]check{
		{"list", "every agent is there, whole and in the order of ids", "schema.Agents.List", agentsList},
		{"list-pages", "pages hold the same agents as one list, also when one changes between them", "schema.Agents.List", agentsListPages},
		{"list-filters", "a filter keeps the agents that fit, and no other", "schema.AgentQuery", agentsListFilters},
		{"get", "an agent is the same by its id as in a list", "schema.Agents.Get", agentsGet},
		{"get-unknown", "an agent that is not there is CodeNotFound", "schema.Agents.Get", agentsGetUnknown},
		{"update-replaces", "what a patch sets is replaced, the revision grows by one, and the next read shows it", "schema.Agents.Update", agentsUpdateReplaces},
		{"update-null-clears", "null clears a member", "schema.AgentPatch", agentsUpdateClears},
		{"update-absent-keeps", "what a patch does not name stays as it is", "schema.AgentPatch", agentsUpdateKeeps},
		{"update-nothing-keeps-revision", "a patch that changes nothing keeps the revision", "schema.Agents.Update", agentsUpdateNothing},
		{"update-revision-mismatch", "another revision than IfRevision is CodeRevisionMismatch, and changes nothing", "schema.AgentPatch", agentsUpdateMismatch},
		{"update-compare-and-swap", "of writers with the same IfRevision one succeeds: no step of twenty is lost", "schema.AgentPatch", agentsUpdateConcurrently},
		{"update-keeps-numbers", "numbers of metadata come back as they were written", "schema.Object", agentsUpdateNumbers},
		{"update-unknown", "an update of an agent that is not there is CodeNotFound", "schema.Agents.Update", agentsUpdateUnknown},
	}, agentsLifeChecks(), []check{
		{"stop-start-idempotent", "Stop and Start come to their state, and do nothing in it", "schema.Agents.Stop", agentsStopStart},
		{"start-unknown", "starting an agent that is not there is CodeNotFound", "schema.Agents.Start", agentsStartUnknown},
		{"stop-unknown", "stopping an agent that is not there is CodeNotFound", "schema.Agents.Stop", agentsStopUnknown},
	})
}

func agentsGetUnknown(s *suite) {
	_, err := s.Agents.Get(s.admin(), "nobody")
	s.wantCode(err, schema.CodeNotFound)
}

func agentsUpdateUnknown(s *suite) {
	_, err := s.Agents.Update(s.admin(), "nobody", schema.AgentPatch{Name: schema.Set("x")})
	s.wantCode(err, schema.CodeNotFound)
}

func agentsStartUnknown(s *suite) {
	_, err := s.Agents.Start(s.admin(), "nobody")
	s.wantCode(err, schema.CodeNotFound)
}

func agentsStopUnknown(s *suite) {
	_, err := s.Agents.Stop(s.admin(), "nobody")
	s.wantCode(err, schema.CodeNotFound)
}

// list returns every agent of a query, page by page.
func (s *suite) list(ctx context.Context, q schema.AgentQuery) []schema.Agent {
	s.Helper()
	var all []schema.Agent
	for range 1000 {
		page := must1[schema.AgentPage](s)(s.Agents.List(ctx, q))
		if page.Agents == nil {
			s.Errorf("a page's list of agents is nil")
		}
		all = append(all, page.Agents...)
		if page.NextCursor == "" {
			return all
		}
		q.Cursor = page.NextCursor
	}
	s.Fatalf("the pages do not end")
	return nil
}

func ids(agents []schema.Agent) []string {
	var out []string
	for _, a := range agents {
		out = append(out, a.ID)
	}
	return out
}

func agentsList(s *suite) {
	all := s.list(s.as("eve", schema.ScopeRead), schema.AgentQuery{})
	if !slices.IsSorted(ids(all)) {
		s.Errorf("not ordered by id: %v", ids(all))
	}
	for _, want := range []string{nyx, aria} {
		if !slices.Contains(ids(all), want) {
			s.Errorf("agent %s is missing in %v", want, ids(all))
		}
	}
	for _, a := range all {
		if a.Status != schema.AgentRunning || a.Revision < 1 || a.Name == "" || a.Brain.Provider == "" || a.Skills == nil {
			s.Errorf("agent is not whole: %+v", a)
		}
		if a.CreatedAt.IsZero() || a.UpdatedAt.Before(a.CreatedAt) || a.CreatedAt.Location() != time.UTC {
			s.Errorf("agent %s: times %v and %v", a.ID, a.CreatedAt, a.UpdatedAt)
		}
	}
}

func agentsListPages(s *suite) {
	ctx := s.admin()
	all := ids(s.list(ctx, schema.AgentQuery{}))
	if paged := ids(s.list(ctx, schema.AgentQuery{Limit: 1})); !slices.Equal(all, paged) {
		s.Errorf("pages of one hold %v, one page holds %v", paged, all)
	}
	first := must1[schema.AgentPage](s)(s.Agents.List(ctx, schema.AgentQuery{Limit: 1}))
	if s.has(updateAgent) {
		patch := schema.AgentPatch{Name: schema.Set(unique("renamed"))}
		must1[schema.Agent](s)(s.Agents.Update(ctx, first.Agents[0].ID, patch))
	}
	rest := s.list(ctx, schema.AgentQuery{Limit: 1, Cursor: first.NextCursor})
	if !slices.Equal(ids(rest), all[1:]) {
		s.Errorf("after a change the later pages hold %v, want %v", ids(rest), all[1:])
	}
	must1[schema.AgentPage](s)(s.Agents.List(ctx, schema.AgentQuery{Limit: schema.MaxPageSize + 1}))
	for _, c := range strayCursors {
		_, err := s.Agents.List(ctx, schema.AgentQuery{Cursor: c})
		s.wantCode(err, schema.CodeInvalidArgument)
	}
}

func agentsListFilters(s *suite) {
	ctx := s.admin()
	for _, c := range []struct {
		q    schema.AgentQuery
		want []string
	}{
		{schema.AgentQuery{Skill: "programming"}, []string{nyx}},
		{schema.AgentQuery{Skill: "EMPATHY"}, []string{aria}},
		{schema.AgentQuery{Skill: "juggling"}, nil},
		{schema.AgentQuery{Status: schema.AgentRunning}, []string{aria, nyx}},
		{schema.AgentQuery{Status: schema.AgentFailed}, nil},
		{schema.AgentQuery{Status: schema.AgentRunning, Skill: "writing", Limit: 1}, []string{aria}},
	} {
		if got := ids(s.list(ctx, c.q)); !slices.Equal(got, c.want) {
			s.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
}

func agentsGet(s *suite) {
	ctx := s.as("eve", schema.ScopeRead)
	got := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	all := s.list(ctx, schema.AgentQuery{Skill: "security"})
	if len(all) != 1 {
		s.Fatalf("agents of skill security: %v", ids(all))
	}
	got.Emotion, all[0].Emotion = schema.Emotion{}, schema.Emotion{} // decays between the two reads
	if !reflect.DeepEqual(got, all[0]) {
		s.Errorf("get and list differ:\n%+v\n%+v", got, all[0])
	}
}

func agentsUpdateReplaces(s *suite) {
	ctx := s.admin()
	before := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	metadata := schema.Object{"team": "red", "nested": map[string]any{"list": []any{"a", nil, true}}}
	got := must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, schema.AgentPatch{
		Name: schema.Set("Nyx Ω"), Description: schema.Set("d\n2"), Persona: schema.Set("p"),
		Skills: schema.Set([]string{"programming", "security", "chess"}), Metadata: schema.Set(metadata),
	}))
	if got.Name != "Nyx Ω" || got.Description != "d\n2" || got.Persona != "p" || len(got.Skills) != 3 {
		s.Errorf("not replaced: %+v", got)
	}
	if !sameJSON(got.Metadata, metadata) {
		s.Errorf("metadata is %v, want %v", got.Metadata, metadata)
	}
	if got.Revision != before.Revision+1 || got.UpdatedAt.Before(before.UpdatedAt) || !got.CreatedAt.Equal(before.CreatedAt) {
		s.Errorf("revision %d after %d, updated %v after %v", got.Revision, before.Revision, got.UpdatedAt, before.UpdatedAt)
	}
	if read := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx)); read.Name != got.Name || read.Revision != got.Revision {
		s.Errorf("the read after the write shows %+v", read)
	}
}

func agentsUpdateClears(s *suite) {
	got := must1[schema.Agent](s)(s.Agents.Update(s.admin(), aria, schema.AgentPatch{
		Name: schema.Clear[string](), Description: schema.Clear[string](), Persona: schema.Clear[string](),
		Metadata: schema.Clear[schema.Object](), Brain: schema.Clear[schema.Brain](),
	}))
	if got.Name != aria || got.Description != "" || got.Persona != "" || len(got.Metadata) != 0 || got.Brain.Provider == "" {
		s.Errorf("not cleared: %+v", got)
	}
	if len(got.Skills) == 0 {
		s.Errorf("an absent member was cleared")
	}
	skills := got.Skills
	got = must1[schema.Agent](s)(s.Agents.Update(s.admin(), aria, schema.AgentPatch{Skills: schema.Clear[[]string]()}))
	if got.Skills == nil || len(got.Skills) != 0 {
		s.Errorf("cleared skills are %#v, want an empty list", got.Skills)
	}
	must1[schema.Agent](s)(s.Agents.Update(s.admin(), aria, schema.AgentPatch{Skills: schema.Set(skills)}))
}

func agentsUpdateKeeps(s *suite) {
	ctx := s.admin()
	before := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	after := must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, schema.AgentPatch{Description: schema.Set(unique("d"))}))
	after.Description, after.Revision, after.UpdatedAt, after.Emotion =
		before.Description, before.Revision, before.UpdatedAt, before.Emotion
	if !reflect.DeepEqual(before, after) {
		s.Errorf("more than the description changed:\n%+v\n%+v", before, after)
	}
}

func agentsUpdateNothing(s *suite) {
	ctx := s.admin()
	before := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	for _, p := range []schema.AgentPatch{
		{},
		{Name: schema.Set(before.Name), Skills: schema.Set(before.Skills), Metadata: schema.Set(before.Metadata)},
		{Brain: schema.Set(before.Brain), IfRevision: before.Revision},
	} {
		after := must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, p))
		if after.Revision != before.Revision || !after.UpdatedAt.Equal(before.UpdatedAt) {
			s.Errorf("%+v made revision %d of %d", p, after.Revision, before.Revision)
		}
	}
}

func agentsUpdateMismatch(s *suite) {
	ctx := s.admin()
	before := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	for _, rev := range []int64{before.Revision - 1, before.Revision + 1, -1} {
		if rev == 0 {
			continue // means whatever the revision is
		}
		_, err := s.Agents.Update(ctx, nyx, schema.AgentPatch{Name: schema.Set(unique("n")), IfRevision: rev})
		s.wantCode(err, schema.CodeRevisionMismatch)
	}
	if after := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx)); after.Revision != before.Revision || after.Name != before.Name {
		s.Errorf("a refused update changed the agent: %+v", after)
	}
	must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, schema.AgentPatch{
		Name: schema.Set(unique("n")), IfRevision: before.Revision,
	}))
}

// agentsUpdateConcurrently has many writers count in one agent's metadata; none of their steps may be lost.
func agentsUpdateConcurrently(s *suite) {
	const writers = 20
	ctx := s.admin()
	zero := schema.AgentPatch{Metadata: schema.Set(schema.Object{"count": json.Number("0")})}
	start := must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, zero))
	s.atOnce(writers, func(int) error {
		for {
			a, err := s.Agents.Get(ctx, nyx)
			if err != nil {
				return err
			}
			n, err := a.Metadata["count"].(json.Number).Int64()
			if err != nil {
				return err
			}
			next := schema.Object{"count": json.Number(fmt.Sprint(n + 1))}
			_, err = s.Agents.Update(ctx, nyx, schema.AgentPatch{Metadata: schema.Set(next), IfRevision: a.Revision})
			if schema.CodeOf(err) != schema.CodeRevisionMismatch {
				return err
			}
		}
	})
	end := must1[schema.Agent](s)(s.Agents.Get(ctx, nyx))
	if end.Metadata["count"] != json.Number(fmt.Sprint(writers)) || end.Revision != start.Revision+writers {
		s.Errorf("count %v at revision %d, want %d at %d", end.Metadata["count"], end.Revision, writers, start.Revision+writers)
	}
}

func agentsUpdateNumbers(s *suite) {
	ctx := s.admin()
	var in schema.Object
	const text = `{"big":12345678901234567890123,"exact":0.1,"exp":1e400,"list":[9007199254740993]}`
	s.must(json.Unmarshal([]byte(text), &in))
	must1[schema.Agent](s)(s.Agents.Update(ctx, nyx, schema.AgentPatch{Metadata: schema.Set(in)}))
	out := must1[json.RawMessage](s)(json.Marshal(must1[schema.Agent](s)(s.Agents.Get(ctx, nyx)).Metadata))
	if string(out) != text {
		s.Errorf("metadata is %s, want %s", out, text)
	}
}

func agentsStopStart(s *suite) {
	ctx := s.admin()
	running := must1[schema.Agent](s)(s.Agents.Get(ctx, aria))
	stopped := must1[schema.Agent](s)(s.Agents.Stop(ctx, aria))
	again := must1[schema.Agent](s)(s.Agents.Stop(ctx, aria))
	if stopped.Status != schema.AgentStopped || stopped.Revision <= running.Revision || again.Revision != stopped.Revision {
		s.Errorf("stopped: %s at %d, again at %d, before %d", stopped.Status, stopped.Revision, again.Revision, running.Revision)
	}
	if got := ids(s.list(ctx, schema.AgentQuery{Status: schema.AgentStopped})); !slices.Equal(got, []string{aria}) {
		s.Errorf("stopped agents: %v", got)
	}
	started := must1[schema.Agent](s)(s.Agents.Start(ctx, aria))
	again = must1[schema.Agent](s)(s.Agents.Start(ctx, aria))
	if started.Status != schema.AgentRunning || started.Revision <= stopped.Revision || again.Revision != started.Revision {
		s.Errorf("started: %s at %d, again at %d, before %d", started.Status, started.Revision, again.Revision, stopped.Revision)
	}
}

// sameJSON reports whether two values look the same as JSON.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

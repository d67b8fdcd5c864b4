package memory

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Run returns one run.
func (s *state) Run(id string) (schema.Run, error) {
	r, ok := s.runs[id]
	if !ok {
		return schema.Run{}, store.ErrNotFound
	}
	return r.Run, nil
}

// among returns the runs that f accepts, oldest first.
func among(runs map[string]run, f func(*run) bool) []run {
	var all []run
	for _, r := range runs {
		if f(&r) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b run) int { return cmp.Compare(a.number, b.number) })
	return all
}

// Runs returns the newest first, with the number of each.
func (s *state) Runs(q store.RunsQuery) (page []schema.Run, numbers []int64, err error) {
	all := among(s.runs, func(r *run) bool {
		return (q.Viewer.Everything || r.Principal == q.Viewer.Principal) && (q.ConversationID == "" || r.ConversationID == q.ConversationID) &&
			(q.AgentID == "" || r.AgentID == q.AgentID) && (q.Status == "" || r.Status == q.Status) && (q.Before == 0 || r.number < q.Before)
	})
	slices.Reverse(all)
	for _, r := range all[:min(q.Limit, len(all))] {
		page, numbers = append(page, r.Run), append(numbers, r.number)
	}
	return page, numbers, nil
}

// UnfinishedRuns returns the ids of the runs of a conversation that are not over, oldest first.
func (s *state) UnfinishedRuns(key int64) (ids []string, err error) {
	for _, r := range among(s.unfinished, func(r *run) bool { return r.conversation == key }) {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// UnfinishedRunsOf returns the runs of an agent that are not over, oldest first.
func (s *state) UnfinishedRunsOf(agentID string) (all []schema.Run, err error) {
	for _, r := range among(s.unfinished, func(r *run) bool { return agentID == "" || r.AgentID == agentID }) {
		all = append(all, r.Run)
	}
	return all, nil
}

// Said returns what a run has said in pieces.
func (s *state) Said(r schema.Run) (string, error) {
	since, err := schema.ParseCursor(r.Since)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	for _, e := range s.eventsAfter(since.Seq) {
		if e.RunID != r.ID || e.Type != schema.EventDelta {
			continue
		}
		var piece schema.Delta
		if err := json.Unmarshal(e.Payload, &piece); err != nil {
			return "", err
		}
		said.WriteString(piece.Delta)
	}
	return said.String(), nil
}

// InsertRun inserts a run of a conversation.
func (t *tx) InsertRun(key int64, r schema.Run) error {
	if _, ok := t.runs[r.ID]; ok {
		return store.ErrExists
	}
	r.Reply = nil
	t.putRun(run{r, t.next(), key})
	return nil
}

func (t *tx) putRun(r run) {
	set(t, t.runs, r.ID, r)
	if r.Status.Terminal() {
		unset(t, t.unfinished, r.ID)
	} else {
		set(t, t.unfinished, r.ID, r)
	}
}

// UpdateRun changes what changes in a run.
func (t *tx) UpdateRun(r schema.Run) error {
	kept, ok := t.runs[r.ID]
	if !ok {
		return store.ErrNotFound
	}
	kept.Status, kept.Reason, kept.Error, kept.ReplyID, kept.StartedAt, kept.FinishedAt = r.Status, r.Reason, r.Error, r.ReplyID, r.StartedAt, r.FinishedAt
	t.putRun(kept)
	return nil
}

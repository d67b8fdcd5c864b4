package sqlite

import (
	"strings"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	runColumns = `r.rowid, r.id, c.id, r.agent_id, r.principal, r.status, r.reason, r.error, r.message_id, r.reply_id,
		(SELECT epoch FROM log), r.since, r.queued_at, r.started_at, r.finished_at`
	fromRuns       = ` FROM runs r JOIN conversations c ON c.key = r.conversation `
	unfinishedRuns = `r.status IN ('queued', 'running')`
)

func scanRun(row scanner) (r schema.Run, number int64, err error) {
	var since schema.Cursor
	var queued, started, finished int64
	err = row.Scan(&number, &r.ID, &r.ConversationID, &r.AgentID, &r.Principal, &r.Status, &r.Reason, &r.Error, &r.MessageID, &r.ReplyID,
		&since.Epoch, &since.Seq, &queued, &started, &finished)
	r.Since, r.QueuedAt, r.StartedAt, r.FinishedAt = since.String(), timeAt(queued), timePtr(started), timePtr(finished)
	return r, number, err
}

func (s *session) runs(where string, args ...any) ([]schema.Run, []int64, error) {
	var all []schema.Run
	var numbers []int64
	err := s.rows(`SELECT `+runColumns+fromRuns+where, args, func(row scanner) error {
		r, number, err := scanRun(row)
		all, numbers = append(all, r), append(numbers, number)
		return err
	})
	return all, numbers, err
}

// Run returns one run.
func (s *session) Run(id string) (schema.Run, error) {
	found, _, err := s.runs(`WHERE r.id = ?`, id)
	if err != nil || len(found) == 0 {
		return schema.Run{}, orNotFound(err)
	}
	return found[0], nil
}

// Runs returns the newest first, with the number of each.
func (s *session) Runs(q store.RunsQuery) ([]schema.Run, []int64, error) {
	where, args := `WHERE `, []any{}
	for _, f := range []struct {
		wanted bool
		sql    string
		value  any
	}{
		{!q.Viewer.Everything, `r.principal = ? AND `, q.Viewer.Principal},
		{q.ConversationID != "", `c.id = ? AND `, q.ConversationID},
		{q.AgentID != "", `r.agent_id = ? AND `, q.AgentID},
		{q.Status != "", `r.status = ? AND `, string(q.Status)},
		{q.Before != 0, `r.rowid < ? AND `, q.Before},
	} {
		if f.wanted {
			where, args = where+f.sql, append(args, f.value)
		}
	}
	return s.runs(where+`true ORDER BY r.rowid DESC LIMIT ?`, append(args, q.Limit)...)
}

// UnfinishedRuns returns the ids of the runs of a conversation that are not over, oldest first.
func (s *session) UnfinishedRuns(conversation int64) ([]string, error) {
	var ids []string
	err := s.rows(`SELECT r.id FROM runs r WHERE r.conversation = ? AND `+unfinishedRuns+` ORDER BY r.rowid`, []any{conversation}, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// UnfinishedRunsOf returns the runs that are not over, oldest first.
func (s *session) UnfinishedRunsOf(agentID string) ([]schema.Run, error) {
	where, args := `WHERE `+unfinishedRuns+` ORDER BY r.rowid`, []any{}
	if agentID != "" {
		where, args = `WHERE r.agent_id = ? AND `+unfinishedRuns+` ORDER BY r.rowid`, []any{agentID}
	}
	found, _, err := s.runs(where, args...)
	return found, err
}

// Said returns what a run has said in pieces.
func (s *session) Said(run schema.Run) (string, error) {
	since, err := schema.ParseCursor(run.Since)
	if err != nil {
		return "", err
	}
	var said strings.Builder
	err = s.rows(`SELECT payload FROM events WHERE seq > ? AND run_id = ? AND type = ? ORDER BY seq`,
		[]any{int64(since.Seq), run.ID, string(schema.EventDelta)}, func(row scanner) error {
			var piece schema.Delta
			err := row.Scan(nested{&piece})
			said.WriteString(piece.Delta)
			return err
		})
	return said.String(), err
}

// InsertRun inserts a run of a conversation.
func (t *tx) InsertRun(conversation int64, r schema.Run) error {
	since, err := schema.ParseCursor(r.Since)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO runs (id, conversation, agent_id, principal, status, reason, error, message_id, reply_id, since,
		queued_at, started_at, finished_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, conversation, r.AgentID, r.Principal,
		string(r.Status), r.Reason, r.Error, r.MessageID, r.ReplyID, int64(since.Seq),
		nanos(r.QueuedAt), nanosOf(r.StartedAt), nanosOf(r.FinishedAt))
	return err
}

// UpdateRun changes what changes in a run.
func (t *tx) UpdateRun(r schema.Run) error {
	return t.execOne(`UPDATE runs SET status = ?, reason = ?, error = ?, reply_id = ?, started_at = ?, finished_at = ? WHERE id = ?`,
		string(r.Status), r.Reason, r.Error, r.ReplyID, nanosOf(r.StartedAt), nanosOf(r.FinishedAt), r.ID)
}

package sqlite

import (
	"github.com/stagehouse/stagehouse/schema"
)

const (
	runColumns = `r.id, c.id, r.agent_id, c.principal, r.status, r.reason, r.error, r.message_id, r.reply_id,
		r.queued_at, r.started_at, r.finished_at`
	fromRuns       = ` FROM runs r JOIN conversations c ON c.key = r.conversation `
	unfinishedRuns = `r.status IN ('queued', 'running')`
)

func scanRun(row scanner) (schema.Run, error) {
	var r schema.Run
	var queued, started, finished int64
	err := row.Scan(&r.ID, &r.ConversationID, &r.AgentID, &r.Principal, &r.Status, &r.Reason, &r.Error, &r.MessageID, &r.ReplyID,
		&queued, &started, &finished)
	r.QueuedAt, r.StartedAt, r.FinishedAt = timeAt(queued), timePtr(started), timePtr(finished)
	return r, err
}

func (s *session) runs(where string, args ...any) ([]schema.Run, error) {
	var all []schema.Run
	err := s.rows(`SELECT `+runColumns+fromRuns+where, args, func(row scanner) error {
		r, err := scanRun(row)
		all = append(all, r)
		return err
	})
	return all, err
}

// Run returns one run.
func (s *session) Run(id string) (schema.Run, error) {
	found, err := s.runs(`WHERE r.id = ?`, id)
	if err != nil || len(found) == 0 {
		return schema.Run{}, orNotFound(err)
	}
	return found[0], nil
}

// UnfinishedRuns counts the runs of a conversation that are not over.
func (s *session) UnfinishedRuns(conversation int64) (int, error) {
	n := 0
	err := s.row(`SELECT count(*) FROM runs r WHERE r.conversation = ? AND `+unfinishedRuns, []any{conversation}, &n)
	return n, err
}

// UnfinishedRunsOf returns the runs that are not over, oldest first.
func (s *session) UnfinishedRunsOf(agentID string) ([]schema.Run, error) {
	if agentID == "" {
		return s.runs(`WHERE ` + unfinishedRuns + ` ORDER BY r.rowid`)
	}
	return s.runs(`WHERE r.agent_id = ? AND `+unfinishedRuns+` ORDER BY r.rowid`, agentID)
}

// InsertRun inserts a run of a conversation.
func (t *tx) InsertRun(conversation int64, r schema.Run) error {
	_, err := t.exec(`INSERT INTO runs (id, conversation, agent_id, status, reason, error, message_id, reply_id, queued_at, started_at, finished_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.ID, conversation, r.AgentID, string(r.Status), r.Reason, r.Error, r.MessageID, r.ReplyID,
		nanos(r.QueuedAt), nanosOf(r.StartedAt), nanosOf(r.FinishedAt))
	return err
}

// UpdateRun changes what changes in a run.
func (t *tx) UpdateRun(r schema.Run) error {
	return t.execOne(`UPDATE runs SET status = ?, reason = ?, error = ?, reply_id = ?, started_at = ?, finished_at = ? WHERE id = ?`,
		string(r.Status), r.Reason, r.Error, r.ReplyID, nanosOf(r.StartedAt), nanosOf(r.FinishedAt), r.ID)
}

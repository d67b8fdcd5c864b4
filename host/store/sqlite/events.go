package sqlite

import (
	"fmt"
	"time"

	"github.com/stagehouse/stagehouse/schema"
)

// AppendEvent gives an event the next number of the log and keeps it.
func (t *tx) AppendEvent(e *schema.Event) error {
	e.Cursor = schema.Cursor{Epoch: t.w.epoch, Seq: t.w.seq + 1}
	_, err := t.exec(`INSERT INTO events (seq, type, agent_id, conversation_id, run_id, principal, time, payload)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, int64(e.Cursor.Seq), string(e.Type), e.AgentID, e.ConversationID, e.RunID, e.Principal,
		nanos(e.Time), string(e.Payload))
	if err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	t.w.seq++
	t.events = append(t.events, *e)
	return nil
}

// EvictEvents deletes old events.
func (t *tx) EvictEvents(first uint64, limit int) (int, error) {
	r, err := t.exec(`DELETE FROM events WHERE seq IN (SELECT seq FROM events
		WHERE seq < ?1 AND seq < (SELECT max(seq) FROM events) ORDER BY seq LIMIT ?2)`, int64(first), limit)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// Events returns what follows a number.
func (s *session) Events(after uint64, limit int) ([]schema.Event, error) {
	var epoch string
	if err := s.row(`SELECT epoch FROM log`, nil, &epoch); err != nil {
		return nil, err
	}
	var page []schema.Event
	err := s.rows(`SELECT seq, type, agent_id, conversation_id, run_id, principal, time, payload FROM events
		WHERE seq > ? ORDER BY seq LIMIT ?`, []any{int64(after), limit}, func(row scanner) error {
		e := schema.Event{Cursor: schema.Cursor{Epoch: epoch}}
		var seq, at int64
		var payload string
		if err := row.Scan(&seq, &e.Type, &e.AgentID, &e.ConversationID, &e.RunID, &e.Principal, &at, &payload); err != nil {
			return err
		}
		e.Cursor.Seq, e.Time, e.Payload = uint64(seq), timeAt(at), []byte(payload)
		page = append(page, e)
		return nil
	})
	return page, err
}

// OldestEventSince looks at the events from the oldest on, as many as there are before t: those are about to be deleted.
func (s *session) OldestEventSince(t time.Time) (seq uint64, err error) {
	err = s.row(`SELECT coalesce((SELECT seq FROM events WHERE time >= ? ORDER BY seq LIMIT 1),
		(SELECT max(seq) + 1 FROM events), 1)`, []any{nanos(t)}, &seq)
	return seq, err
}

// EventBounds returns the first and the last number there is.
func (s *session) EventBounds() (first, last uint64, err error) {
	err = s.row(`SELECT coalesce((SELECT min(seq) FROM events), 1), coalesce((SELECT max(seq) FROM events), 0)`, nil, &first, &last)
	return first, last, err
}

package sqlite

import (
	"cmp"
	"slices"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const conversationColumns = `c.key, c.id, c.principal, c.title, c.agent_id, c.message_count,
	c.archived, c.revision, c.created_at, c.updated_at, c.changed`

func scanConversation(row scanner) (key, changed int64, c schema.ConversationSummary, err error) {
	var created, updated int64
	err = row.Scan(&key, &c.ID, &c.Principal, &c.Title, &c.AgentID, &c.MessageCount, &c.Archived, &c.Revision, &created, &updated, &changed)
	c.CreatedAt, c.UpdatedAt = timeAt(created), timeAt(updated)
	return key, changed, c, err
}

// ConversationKey returns the key of the principal's conversation of that id.
func (s *session) ConversationKey(principal, id string) (int64, error) {
	var key int64
	err := s.row(`SELECT key FROM conversations WHERE principal = ? AND id = ?`, []any{principal, id}, &key)
	return key, err
}

// ConversationOf returns the viewer's own conversation of that id, or one that it may look at.
func (s *session) ConversationOf(v store.Viewer, id string) (int64, schema.ConversationSummary, error) {
	var key int64
	var c schema.ConversationSummary
	found := false
	err := s.rows(`SELECT `+conversationColumns+` FROM conversations c WHERE c.id = ?1 AND (c.principal = ?2 OR ?3)
		ORDER BY c.principal = ?2 DESC, c.changed DESC LIMIT 1`, []any{id, v.Principal, v.Everything}, func(row scanner) (err error) {
		key, _, c, err = scanConversation(row)
		found = true
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return key, c, err
}

// Conversations returns the last changed first, with the number of each one's last change.
func (s *session) Conversations(q store.ConversationsQuery) ([]schema.ConversationSummary, []int64, error) {
	query := `SELECT ` + conversationColumns + ` FROM conversations c WHERE `
	var args []any
	if !q.Viewer.Everything {
		query += `c.principal = ? AND `
		args = append(args, q.Viewer.Principal)
	}
	if q.AgentID != "" {
		query += `c.agent_id = ? AND `
		args = append(args, q.AgentID)
	}
	if q.Text != "" {
		where, matches := containing(q)
		query += where
		args = append(args, matches...)
	}
	if q.Archived != schema.ArchivedAny {
		query += `c.archived = ? AND `
		args = append(args, q.Archived == schema.ArchivedOnly)
	}
	before := q.Before
	if before == 0 {
		before = 1<<63 - 1
	}
	var all []schema.ConversationSummary
	var numbers []int64
	err := s.rows(query+`c.changed < ? ORDER BY c.changed DESC LIMIT ?`, append(args, before, q.Limit), func(row scanner) error {
		_, changed, c, err := scanConversation(row)
		all, numbers = append(all, c), append(numbers, changed)
		return err
	})
	return all, numbers, err
}

// lastChange is the number of the change that is being made. They grow with every change of any conversation, which is the
// exact order of change, whatever the clock did.
const lastChange = `(SELECT coalesce(max(changed), 0) + 1 FROM conversations)`

// InsertConversation inserts a conversation without messages.
func (t *tx) InsertConversation(c schema.ConversationSummary) (int64, error) {
	r, err := t.exec(`INSERT INTO conversations (principal, id, title, agent_id, message_count, changed, created_at, updated_at)
		VALUES (?, ?, ?, ?, 0, `+lastChange+`, ?, ?)`, c.Principal, c.ID, c.Title, c.AgentID, nanos(c.CreatedAt), nanos(c.UpdatedAt))
	if err != nil {
		return 0, err
	}
	key, err := r.LastInsertId()
	if err != nil {
		return 0, err
	}
	return key, t.indexTitle(key, c.Title)
}

// UpdateConversation changes what changes in a conversation beside its messages.
func (t *tx) UpdateConversation(conversation int64, c schema.ConversationSummary) error {
	if err := t.indexTitle(conversation, c.Title); err != nil {
		return err
	}
	return t.execOne(`UPDATE conversations SET title = ?, agent_id = ?, archived = ?, revision = revision + 1, changed = `+lastChange+`,
		updated_at = ? WHERE key = ?`, c.Title, c.AgentID, c.Archived, nanos(c.UpdatedAt), conversation)
}

// PutSummary keeps what was said, in short.
func (t *tx) PutSummary(conversation int64, s store.Summary) error {
	return t.execOne(`UPDATE conversations SET summary = ?, summary_to = ? WHERE key = ?`, s.Text, s.UpTo, conversation)
}

// DeleteConversation deletes a conversation with everything that refers to it.
func (t *tx) DeleteConversation(conversation int64) error {
	if err := t.unindex(conversation); err != nil {
		return err
	}
	for _, query := range []string{`DELETE FROM runs WHERE conversation = ?`, `DELETE FROM messages WHERE conversation = ?`} {
		if _, err := t.exec(query, conversation); err != nil {
			return err
		}
	}
	return t.execOne(`DELETE FROM conversations WHERE key = ?`, conversation)
}

// InsertMessage appends a message to a conversation.
func (t *tx) InsertMessage(conversation int64, m schema.Message) error {
	var emotion any
	if m.Emotion != nil {
		enc, err := nested{m.Emotion}.encode()
		if err != nil {
			return err
		}
		emotion = enc
	}
	r, err := t.exec(`INSERT INTO messages (id, conversation, role, content, agent_id, run_id, emotion, partial, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, m.ID, conversation, string(m.Role), m.Content, m.AgentID, m.RunID, emotion, m.Partial, nanos(m.CreatedAt))
	if err != nil {
		return err
	}
	number, err := r.LastInsertId()
	if err != nil {
		return err
	}
	if err := t.indexMessage(conversation, number, m.Content); err != nil {
		return err
	}
	return t.execOne(`UPDATE conversations SET message_count = message_count + 1, revision = revision + 1, changed = `+lastChange+`,
		updated_at = ? WHERE key = ?`, nanos(m.CreatedAt), conversation)
}

const selectMessages = `SELECT m.number, m.id, c.id, m.role, m.content, m.agent_id, m.run_id, m.emotion, m.partial, m.created_at
	FROM messages m JOIN conversations c ON c.key = m.conversation `

func scanMessage(row scanner) (m schema.Message, number int64, err error) {
	var created int64
	var emotion *string
	err = row.Scan(&number, &m.ID, &m.ConversationID, &m.Role, &m.Content, &m.AgentID, &m.RunID, &emotion, &m.Partial, &created)
	m.CreatedAt = timeAt(created)
	if err == nil && emotion != nil {
		m.Emotion = new(schema.Emotion)
		err = nested{m.Emotion}.Scan(*emotion)
	}
	return m, number, err
}

// Message returns one message.
func (s *session) Message(id string) (m schema.Message, err error) {
	err = store.ErrNotFound
	failed := s.rows(selectMessages+`WHERE m.id = ?`, []any{id}, func(row scanner) error {
		m, _, err = scanMessage(row)
		return err
	})
	return m, cmp.Or(failed, err)
}

// Messages returns a page of messages that ends before a number.
func (s *session) Messages(conversation, before int64, limit int) ([]schema.Message, int64, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	page, first, err := s.messages(`WHERE m.conversation = ? AND m.number < ? ORDER BY m.number DESC LIMIT ?`, conversation, before, limit)
	slices.Reverse(page)
	return page, first, err
}

// MessagesAfter returns a page of messages that begins after a number.
func (s *session) MessagesAfter(conversation, after int64, limit int) ([]schema.Message, int64, error) {
	return s.messages(`WHERE m.conversation = ? AND m.number > ? ORDER BY m.number LIMIT ?`, conversation, after, limit)
}

// MessageNumber returns the number of a message.
func (s *session) MessageNumber(conversation int64, id string) (number int64, err error) {
	err = s.row(`SELECT number FROM messages WHERE id = ? AND conversation = ?`, []any{id, conversation}, &number)
	return number, err
}

// Summary returns what was said, in short.
func (s *session) Summary(conversation int64) (out store.Summary, err error) {
	err = s.row(`SELECT summary, summary_to FROM conversations WHERE key = ?`, []any{conversation}, &out.Text, &out.UpTo)
	return out, err
}

// messages returns what is found, and the number of the last row.
func (s *session) messages(where string, args ...any) (page []schema.Message, last int64, err error) {
	err = s.rows(selectMessages+where, args, func(row scanner) error {
		m, number, err := scanMessage(row)
		page, last = append(page, m), number
		return err
	})
	return page, last, err
}

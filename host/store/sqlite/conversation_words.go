package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/stagehouse/stagehouse/host/store"
)

// Rows of the index.
func messageRow(number int64) int64 { return 2 * number }
func titleRow(key int64) int64      { return 2*key + 1 }

const insertWords = `INSERT INTO conversation_words (rowid, words, scope) VALUES (?, ?, ?)`

// containing returns the condition that every word of the text is in the title or a message of the conversation c.
func containing(q store.ConversationsQuery) (where string, args []any) {
	scope := ""
	if !q.Viewer.Everything {
		scope = ` AND scope : "` + scopeWord('p', q.Viewer.Principal) + `"`
	}
	words := queryWords(q.Text)
	for _, w := range words {
		where += `c.key IN (SELECT iif(rowid % 2, rowid / 2, (SELECT conversation FROM messages WHERE number = conversation_words.rowid / 2))
			FROM conversation_words WHERE conversation_words MATCH ?) AND `
		args = append(args, `words : ("`+w+`")`+scope) // queryWords leaves no quote in a word
	}
	if len(words) == 0 {
		return `false AND `, nil
	}
	return where, args
}

// indexMessage makes a message findable.
func (t *tx) indexMessage(conversation, number int64, content string) error {
	var principal string
	if err := t.row(`SELECT principal FROM conversations WHERE key = ?`, []any{conversation}, &principal); err != nil {
		return err
	}
	if _, err := t.exec(insertWords, messageRow(number), indexText(content), scopeWord('p', principal)); err != nil {
		return fmt.Errorf("index message: %w", err)
	}
	return nil
}

// indexTitle makes a conversation findable by a title, and not any more by the one before.
func (t *tx) indexTitle(conversation int64, title string) error {
	var principal string
	if err := t.row(`SELECT principal FROM conversations WHERE key = ?`, []any{conversation}, &principal); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM conversation_words WHERE rowid = ?`, titleRow(conversation)); err != nil {
		return fmt.Errorf("remove title from index: %w", err)
	}
	if _, err := t.exec(insertWords, titleRow(conversation), indexText(title), scopeWord('p', principal)); err != nil {
		return fmt.Errorf("index title: %w", err)
	}
	return nil
}

// unindex removes a conversation from the index. Its messages must still be there.
func (t *tx) unindex(conversation int64) error {
	_, err := t.exec(`DELETE FROM conversation_words WHERE rowid = ?2 OR rowid IN (SELECT 2 * number FROM messages WHERE conversation = ?1)`,
		conversation, titleRow(conversation))
	if err != nil {
		return fmt.Errorf("remove conversation from index: %w", err)
	}
	return nil
}

// indexedAtOnce bounds how many rows the migration holds in memory.
const indexedAtOnce = 200

// indexConversations indexes what an older program has left. It is a migration in Go because the index wants the characters of
// some scripts set apart.
func indexConversations(ctx context.Context, tx *sql.Tx) error {
	for _, of := range []struct {
		query string
		row   func(int64) int64
	}{
		{`SELECT m.number, m.content, c.principal FROM messages m JOIN conversations c ON c.key = m.conversation
			WHERE m.number > ? ORDER BY m.number LIMIT ?`, messageRow},
		{`SELECT c.key, c.title, c.principal FROM conversations c WHERE c.key > ? ORDER BY c.key LIMIT ?`, titleRow},
	} {
		for last, n := int64(0), indexedAtOnce; n == indexedAtOnce; {
			var err error
			if last, n, err = indexSome(ctx, tx, of.query, last, of.row); err != nil {
				return fmt.Errorf("index conversations: %w", err)
			}
		}
	}
	return nil
}

// indexSome indexes the texts behind a number, and returns the last number and how many there were.
func indexSome(ctx context.Context, tx *sql.Tx, query string, after int64, row func(int64) int64) (last int64, n int, err error) {
	type text struct {
		number             int64
		content, principal string
	}
	rows, err := tx.QueryContext(ctx, query, after, indexedAtOnce)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err has said what was wrong
	var texts []text
	for rows.Next() {
		var x text
		if err := rows.Scan(&x.number, &x.content, &x.principal); err != nil {
			return 0, 0, err
		}
		texts = append(texts, x)
	}
	if err := rows.Err(); err != nil {
		return 0, 0, err
	}
	for _, x := range texts {
		if _, err := tx.ExecContext(ctx, insertWords, row(x.number), indexText(x.content), scopeWord('p', x.principal)); err != nil {
			return 0, 0, err
		}
		last = x.number
	}
	return last, len(texts), nil
}

package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// older makes a database of an earlier version with two conversations in it.
func older(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	path := filepath.Join(dir, "test.db")
	if err := sqlite.MigrateTo(t.Context(), path, 2); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`INSERT INTO log (only, epoch) VALUES (1, 'aaaaaaaaaaaaaaaa')`,
		`INSERT INTO conversations (key, principal, id, title, agent_id, message_count, changed, created_at, updated_at)
			VALUES (1, 'alice', 'first', 'About whales', 'nyx', 2, 3, 1, 3), (2, 'alice', 'second', 'Hello', 'nyx', 1, 2, 2, 2)`,
		`INSERT INTO messages (number, id, conversation, role, content, agent_id, run_id, created_at) VALUES
			(1, 'm1', 1, 'user', 'About 鯨の歌 whales', 'nyx', '', 1), (2, 'm2', 2, 'user', 'Hello', 'nyx', '', 2), (3, 'm3', 1, 'agent', 'They sing', 'nyx', '', 3)`,
		`WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
			INSERT INTO messages (number, id, conversation, role, content, agent_id, run_id, created_at)
			SELECT i, 'm' || i, 2, 'user', 'word' || i, 'nyx', '', i FROM n`, // more than are indexed at once
	} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOlderDatabaseIsFindable(t *testing.T) {
	s := open(t, older(t))
	for text, want := range map[string]string{
		"whale": "first", "singing": "first", "歌": "first", "hello": "second", "whales hello": "",
		"word10": "second", "word209": "second", "word500": "second",
	} {
		if got := findConversations(t, s, store.ConversationsQuery{Viewer: store.Viewer{Principal: "alice"}, Text: text}); got != want {
			t.Errorf("%q finds %q, want %q", text, got, want)
		}
	}
}

// findConversations returns the ids of what a query finds.
func findConversations(t *testing.T, s store.Store, q store.ConversationsQuery) string {
	t.Helper()
	q.Limit = 10
	var ids []string
	view(t, s, func(r store.Reader) error {
		found, _, err := r.Conversations(q)
		for _, c := range found {
			ids = append(ids, c.ID)
		}
		return err
	})
	return strings.Join(ids, " ")
}

func TestOlderDatabaseIsBroughtUpToDate(t *testing.T) {
	s := open(t, older(t))
	list := func() (all []schema.ConversationSummary) {
		view(t, s, func(r store.Reader) (err error) {
			all, _, err = r.Conversations(store.ConversationsQuery{Viewer: store.Viewer{Principal: "alice"}, Limit: 10})
			return err
		})
		return all
	}
	all := list()
	if len(all) != 2 || all[0].ID != "first" || all[0].Revision != 3 || all[1].Revision != 2 || all[0].Archived {
		t.Errorf("the old conversations are %+v", all)
	}
	update(t, s, func(tx store.Tx) error {
		if err := tx.InsertMessage(2, schema.Message{ID: "last", Role: schema.RoleAgent, Content: "Hi"}); err != nil {
			return err
		}
		_, err := tx.InsertConversation(schema.ConversationSummary{ID: "third", Principal: "alice"})
		return err
	})
	if all = list(); len(all) != 3 || all[0].ID != "third" || all[1].ID != "second" || all[1].Revision != 3 {
		t.Errorf("the conversations are %+v", all)
	}
}

package sqlite_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// oldDatabase makes a database as the first version of the schema had it, with what a host had kept in it.
func oldDatabase(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, must[fs.FS](t)(fs.Sub(os.DirFS("."), "migrations")), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for _, insert := range []string{
		`INSERT INTO log VALUES (1, 'epoch')`,
		`INSERT INTO conversations VALUES (1, 'alice', 'c', 'T', 'nyx', 2, 2, 1, 1)`,
		`INSERT INTO messages VALUES (1, 'm1', 1, 'user', 'hello', 'nyx', 'run_1', NULL, 1), (2, 'm2', 1, 'agent', 'hi', 'nyx', 'run_1', NULL, 2)`,
		`INSERT INTO runs VALUES ('run_1', 1, 'nyx', 'completed', '', '', 'm1', 'm2', 1, 1, 2)`,
		`INSERT INTO events VALUES (1, 'chat:queued', 'nyx', 'c', 'run_1', 'alice', 1, '{}')`,
	} {
		if _, err := db.ExecContext(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
	}
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestWhatAnOldDatabaseHasIsThere after every migration.
func TestWhatAnOldDatabaseHasIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stagehouse.db")
	oldDatabase(t, path)
	s := must[*sqlite.Store](t)(sqlite.Open(t.Context(), path))
	defer s.Close()
	view(t, s, func(r store.Reader) error {
		runs, _, err := r.Runs(store.RunsQuery{Viewer: store.Viewer{Principal: "alice"}, ConversationID: "c", Limit: 10})
		if err != nil || len(runs) != 1 || runs[0].ID != "run_1" || runs[0].Principal != "alice" || runs[0].Status != schema.RunCompleted || runs[0].Since != "epoch-0" {
			t.Errorf("the runs are %+v, %v", runs, err)
		}
		m, err := r.Message("m2")
		if err != nil || m.Content != "hi" || m.ConversationID != "c" || m.Partial {
			t.Errorf("the message is %+v, %v", m, err)
		}
		page, _, err := r.Messages(1, 0, 10)
		if err != nil || len(page) != 2 {
			t.Errorf("the messages are %+v, %v", page, err)
		}
		return nil
	})
}

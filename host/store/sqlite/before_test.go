package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
	"github.com/stagehouse/stagehouse/schema"
)

// TestMemoriesOfBefore opens a database that knew no tags, importance and end of memories.
func TestMemoriesOfBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"), goose.WithLogger(goose.NopLogger()))
	if err == nil {
		_, err = p.UpTo(t.Context(), 2)
	}
	for _, q := range []string{
		`INSERT INTO log VALUES (1, 'before')`,
		`INSERT INTO agents VALUES ('nyx', 'Nyx', '', 'stopped', '', '[]', '"builtin"', '', '{}', '{}', 0, 1, 0, NULL, 1, 1)`,
		`INSERT INTO memories VALUES (1, 'old', 'nyx', 'alice', 0, 'heron', '{"n":1}', 1)`,
		`INSERT INTO memory_words (rowid, words, scope) VALUES (1, 'heron', 'x')`,
		`WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
			INSERT INTO memories SELECT i, 'm' || i, 'nyx', 'alice', 0, '', '{"number":' || i || '}', i FROM n`, // more than are labelled at once
	} {
		if err == nil {
			_, err = db.ExecContext(t.Context(), q)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	q := store.MemoryQuery{Viewer: store.Viewer{Everything: true}, Text: "heron", Limit: 5, Now: noon, MinImportance: 0.5, Metadata: []schema.MetadataEquals{{Key: "n", Value: "1"}}}
	view(t, s, func(r store.Reader) error {
		m, err := r.Memory("old")
		if m.Importance != schema.DefaultImportance || m.Tags == nil || m.ExpiresAt != nil {
			t.Errorf("the memory of before is %+v", m)
		}
		if hits, _ := r.SearchMemories(q); len(hits) != 1 {
			t.Errorf("found %+v", hits)
		}
		for _, n := range []string{"10", "209", "210", "500"} {
			q := store.MemoryQuery{Viewer: q.Viewer, Limit: 5, Metadata: []schema.MetadataEquals{{Key: "number", Value: n}}}
			if found, _ := r.RecentMemories(q); len(found) != 1 || found[0].ID != "m"+n {
				t.Errorf("by the number %s it finds %+v", n, found)
			}
		}
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.DeleteAgent("nyx") })
	view(t, s, func(r store.Reader) error {
		if hits, err := r.SearchMemories(q); len(hits) != 0 || err != nil {
			t.Errorf("after its agent was deleted: %+v, %v", hits, err)
		}
		return nil
	})
}

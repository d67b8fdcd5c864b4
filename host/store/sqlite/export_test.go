package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/stagehouse/stagehouse/host/store"
)

// Destroy rolls the transaction of the whole group back, as SQLite does by itself when a disk is full.
func Destroy(t store.Tx) error {
	_, err := t.(*tx).exec(`ROLLBACK`)
	return err
}

// QueryWords and MaxCandidates are for tests.
var QueryWords = queryWords

const MaxCandidates = maxCandidates

// Pragmas returns the settings of the connection that writes.
func Pragmas(ctx context.Context, s *Store) string {
	var journal string
	var synchronous, keys int
	err := s.Update(ctx, func(t store.Tx) error {
		row := func(q string, dest any) error { return t.(*tx).row(q, nil, dest) }
		return errors.Join(row(`PRAGMA journal_mode`, &journal), row(`PRAGMA synchronous`, &synchronous), row(`PRAGMA foreign_keys`, &keys))
	})
	return fmt.Sprint(journal, " ", synchronous, " ", keys, map[bool]any{true: "", false: err}[err == nil])
}

// Waiting returns how many functions are in the queue.
func Waiting(s *Store) int { return len(s.writer.queue) }

// Labels returns how many labels memories have.
func Labels(ctx context.Context, s *Store) (n int) {
	err := s.View(ctx, func(r store.Reader) error { return r.(*session).row(`SELECT count(*) FROM memory_labels`, nil, &n) })
	if err != nil {
		panic(err)
	}
	return n
}

// LimitPages makes the database full when it has n pages.
func LimitPages(ctx context.Context, s *Store, n int) {
	err := s.Update(ctx, func(t store.Tx) error {
		return t.(*tx).row(fmt.Sprintf(`PRAGMA max_page_count = %d`, n), nil, &n)
	})
	if err != nil {
		panic(err)
	}
}

// MigrateTo makes a database as a program of an earlier version left it.
func MigrateTo(ctx context.Context, path string, version int64) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "journal_mode(WAL)"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := newMigrations(db)
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

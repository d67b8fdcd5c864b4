package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// errNewer says that the database was made by a newer program.
type errNewer struct{ have, known int64 }

func (e errNewer) Error() string {
	return fmt.Sprintf("its schema has version %d and this program knows versions up to %d", e.have, e.known)
}

// migrate brings the database to the newest schema.
func migrate(ctx context.Context, db *sql.DB) error {
	p, err := newMigrations(db)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, known, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if have > known {
		return errNewer{have, known}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema: %w", err)
	}
	return nil
}

// newMigrations returns the migrations: those of the files, and those that are written in Go.
func newMigrations(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithLogger(goose.NopLogger()), goose.WithGoMigrations(
		goose.NewGoMigration(4, &goose.GoFunc{RunTx: indexConversations}, nil),
		goose.NewGoMigration(7, &goose.GoFunc{RunTx: labelMemories}, nil),
	))
}

// explain says what is wrong with the file and what to do next.
func explain(path string, err error) error {
	var newer errNewer
	if errors.As(err, &newer) {
		return fmt.Errorf("open database %s: it was written by a newer stagehouse: %w; run that one, or choose another data directory", path, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	what := ""
	switch resultCode(err) & 0xff {
	case codes.SQLITE_NOTADB, codes.SQLITE_CORRUPT:
		what = "it is damaged or not a database; restore it from a backup, or move it (with its -wal and -shm files) away to begin anew"
	case codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		what = "it cannot be opened; check that its directory exists and that this user may read and write both"
	case codes.SQLITE_READONLY:
		what = "it cannot be written; check that this user may write the file and its directory"
	case codes.SQLITE_BUSY, codes.SQLITE_LOCKED:
		what = "another program holds it; end that program, or choose another data directory"
	case codes.SQLITE_FULL:
		what = "the disk is full; make room and start again"
	case codes.SQLITE_IOERR:
		what = "the disk reported an error; check the disk and the file system"
	default:
		return fmt.Errorf("open database %s: %w", path, err)
	}
	return fmt.Errorf("open database %s: %s: %w", path, what, err)
}

// resultCode returns the extended result code of SQLite in the chain of err, or 0.
func resultCode(err error) int {
	var e *sqlite3.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

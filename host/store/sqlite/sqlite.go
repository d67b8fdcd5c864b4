// Package sqlite keeps a store in one SQLite database: write-ahead log, full synchronisation, one connection that writes
// and commits for many callers at once, and a pool of connections that read.
//
// It may be used by one process at a time; whoever opens it sees to that.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/stagehouse/stagehouse/host/store"
)

// busyTimeoutMs bounds how long a statement waits for a lock that another process (a backup, a shell) holds.
const busyTimeoutMs = 5000

// Store is a store.Store in one database file.
type Store struct {
	path    string
	epoch   string
	pools   []*sql.DB
	readers *readers
	writer  *writer
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, making it if there is none and bringing an older one up to date. The directory must
// exist. The error says what is wrong with which file and what to do about it.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s := &Store{path: abs}
	// SQLite would let everybody read a new file. Those beside it get the permissions of this one.
	if f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		_ = f.Close() // nothing was written; what else is wrong, SQLite finds out below
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(explain(abs, err), s.closePools())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	writing, err := s.pool("journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)")
	if err != nil {
		return err
	}
	writing.SetMaxOpenConns(1)
	if err := migrate(ctx, writing); err != nil {
		return err
	}
	reading, err := s.pool("query_only(1)")
	if err != nil {
		return err
	}
	s.readers = newReaders(reading, max(4, 2*runtime.GOMAXPROCS(0)))
	s.writer, s.epoch, err = newWriter(ctx, writing)
	return err
}

func (s *Store) pool(pragmas ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(s.path, pragmas...))
	if err == nil {
		s.pools = append(s.pools, db)
	}
	return db, err
}

// dsn names the file so that nothing in its path is read as an option.
func dsn(path string, pragmas ...string) string {
	p := filepath.ToSlash(path)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // C:/… is /C:/… in a file URI
	}
	q := url.Values{"_pragma": append(pragmas, fmt.Sprintf("busy_timeout(%d)", busyTimeoutMs))}
	return "file:" + (&url.URL{Path: p}).EscapedPath() + "?" + q.Encode()
}

// Epoch identifies the event log of this database.
func (s *Store) Epoch() string { return s.epoch }

// View runs fn against one consistent state.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	return s.readers.view(ctx, fn)
}

// Close commits what was handed over, waits for those who read, and closes. It is idempotent.
func (s *Store) Close() error {
	return errors.Join(s.writer.close(), s.readers.close(), s.closePools())
}

func (s *Store) closePools() error {
	var errs []error
	for _, db := range slices.Backward(s.pools) { // the one that writes comes last: it takes the log into the database
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	codes "modernc.org/sqlite/lib"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// session reads inside one transaction, of the read pool or of the writer.
type session struct {
	ctx     context.Context // of the one View or Update that the session serves
	prepare func(query string) (*sql.Stmt, error)
}

// tx changes the database inside the transaction of one function.
type tx struct {
	session
	w      *writer
	hooks  []func()
	events []schema.Event
}

var (
	_ store.Reader = (*session)(nil)
	_ store.Tx     = (*tx)(nil)
)

// OnCommit has f called when the transaction is durable.
func (t *tx) OnCommit(f func()) { t.hooks = append(t.hooks, f) }

func (s *session) row(query string, args []any, dest ...any) error {
	st, err := s.prepare(query)
	if err != nil {
		return err
	}
	err = st.QueryRowContext(s.ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// rows calls scan for every row of the result.
func (s *session) rows(query string, args []any, scan func(scanner) error) (err error) {
	st, err := s.prepare(query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(s.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// exec returns ErrExists when an id is taken, and ErrNotFound when there is no row to change.
func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	st, err := t.prepare(query)
	if err != nil {
		return nil, err
	}
	r, err := st.ExecContext(t.ctx, args...)
	switch resultCode(err) {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY:
		return nil, fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	return r, err
}

func (t *tx) execOne(query string, args ...any) error {
	r, err := t.exec(query, args...)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

type scanner interface{ Scan(dest ...any) error }

// The columns hold times as nanoseconds and everything nested as JSON.

// What is before 1678 or after 2262 is as far away as a column can say, so that it still compares as it should.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func nanosOf(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return nanos(*t)
}

func timeAt(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func timePtr(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := timeAt(ns)
	return &t
}

// nested reads and writes a value as a column of JSON.
type nested struct{ value any }

func (n nested) encode() (string, error) {
	b, err := json.Marshal(n.value)
	return string(b), err
}

// Scan implements sql.Scanner.
func (n nested) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return json.Unmarshal([]byte(v), n.value)
	case []byte:
		return json.Unmarshal(v, n.value)
	}
	return fmt.Errorf("column of JSON holds a %T", src)
}

func encodeAll(values ...any) ([]string, error) {
	out := make([]string, len(values))
	for i, v := range values {
		s, err := nested{v}.encode()
		if err != nil {
			return nil, fmt.Errorf("encode column: %w", err)
		}
		out[i] = s
	}
	return out, nil
}

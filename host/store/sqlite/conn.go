package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// conn is one connection with the statements that were prepared on it. It is used by one goroutine at a time. It opens when
// it is first needed.
type conn struct {
	db    *sql.DB
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func (c *conn) open(ctx context.Context) (err error) {
	if c.c == nil {
		c.stmts = map[string]*sql.Stmt{}
		c.c, err = c.db.Conn(ctx)
	}
	return err
}

// prepare returns the statement for a query, which is prepared once.
func (c *conn) prepare(query string) (*sql.Stmt, error) {
	if st, ok := c.stmts[query]; ok {
		return st, nil
	}
	st, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare statement: %w", err)
	}
	c.stmts[query] = st
	return st, nil
}

// exec runs a statement without arguments that must not be interrupted.
func (c *conn) exec(query string) error {
	st, err := c.prepare(query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(context.Background())
	return err
}

// close closes the connection; it may be opened again.
func (c *conn) close() error {
	if c.c == nil {
		return nil
	}
	var errs []error
	for _, st := range c.stmts {
		errs = append(errs, st.Close())
	}
	errs = append(errs, c.c.Close())
	c.c, c.stmts = nil, nil
	return errors.Join(errs...)
}

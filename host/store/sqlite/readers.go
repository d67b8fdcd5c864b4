package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/stagehouse/stagehouse/host/store"
)

// readers is a pool of connections that read, each in its own transaction.
type readers struct {
	free   chan *conn
	once   sync.Once
	closed chan struct{}
}

func newReaders(db *sql.DB, n int) *readers {
	r := &readers{free: make(chan *conn, n), closed: make(chan struct{})}
	for range n {
		r.free <- &conn{db: db}
	}
	return r
}

// view runs fn against one consistent state, waiting for a free connection if need be.
func (r *readers) view(ctx context.Context, fn func(store.Reader) error) error {
	select {
	case <-r.closed:
		return store.ErrClosed
	default:
	}
	var c *conn
	select {
	case c = <-r.free:
	case <-r.closed:
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { r.free <- c }()
	if err := c.open(ctx); err != nil {
		return err
	}
	if err := c.exec(`BEGIN`); err != nil {
		return errors.Join(err, c.close())
	}
	defer func() {
		if err := c.exec(`ROLLBACK`); err != nil { // it wrote nothing; a connection that cannot even do this is given up
			_ = c.close()
		}
	}()
	return fn(&session{ctx: ctx, prepare: c.prepare})
}

// close waits for those who read, and closes every connection. It is idempotent.
func (r *readers) close() error {
	var errs []error
	r.once.Do(func() {
		close(r.closed)
		for range cap(r.free) {
			errs = append(errs, (<-r.free).close())
		}
	})
	return errors.Join(errs...)
}

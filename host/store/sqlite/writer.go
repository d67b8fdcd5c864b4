package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	codes "modernc.org/sqlite/lib"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

const (
	// maxGroup bounds how many functions share a commit.
	maxGroup = 256
	// maxHanded bounds how many wait to be taken; Submit and Update wait beyond it.
	maxHanded = 4 * maxGroup
)

// writer runs functions on the one connection that writes. Those that wait while a commit is under way share the next one.
type writer struct {
	conn  *conn
	epoch string
	seq   uint64 // of the last event; only the writer's goroutine touches it
	queue chan *op
	done  chan struct{}

	mu     sync.RWMutex // held for reading while handing over, which the writer must never wait for
	closed bool
	follow atomic.Pointer[func([]schema.Event)]
}

// op is one function on its way through the writer.
type op struct {
	fn    func(store.Tx) error
	taken atomic.Bool // by the writer, or by a caller who gave up: whoever is first
	tx    *tx
	err   error
	done  chan error // buffered
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, string, error) {
	w := &writer{
		conn:  &conn{db: db},
		queue: make(chan *op, maxHanded), done: make(chan struct{}),
	}
	if err := w.conn.open(ctx); err != nil {
		return nil, "", err
	}
	if err := w.begin(ctx); err != nil {
		return nil, "", errors.Join(err, w.conn.close())
	}
	go w.run()
	return w, w.epoch, nil
}

// begin reads the end of the event log, and names the log if it is new.
func (w *writer) begin(ctx context.Context) error {
	var raw [10]byte
	_, _ = rand.Read(raw[:]) // never fails
	epoch := strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
	if _, err := w.conn.c.ExecContext(ctx, `INSERT INTO log (only, epoch) VALUES (1, ?) ON CONFLICT DO NOTHING`, epoch); err != nil {
		return fmt.Errorf("name event log: %w", err)
	}
	row := w.conn.c.QueryRowContext(ctx, `SELECT epoch, (SELECT coalesce(max(seq), 0) FROM events) FROM log`)
	if err := row.Scan(&w.epoch, &w.seq); err != nil {
		return fmt.Errorf("read end of event log: %w", err)
	}
	return nil
}

// Follow has f called with the events of every commit.
func (s *Store) Follow(f func([]schema.Event)) { s.writer.follow.Store(&f) }

// Update runs fn in a transaction that may share its commit with others.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err // the writer might be faster than we are in noticing
	}
	o := &op{fn: fn, done: make(chan error, 1)}
	if err := s.writer.hand(ctx, o); err != nil {
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-o.done // it is happening: its outcome must be known
	}
}

// Submit is Update without waiting.
func (s *Store) Submit(fn func(store.Tx) error) <-chan error {
	o := &op{fn: fn, done: make(chan error, 1)}
	if err := s.writer.hand(context.Background(), o); err != nil {
		o.done <- err
	}
	return o.done
}

func (w *writer) hand(ctx context.Context, o *op) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return store.ErrClosed
	}
	select {
	case w.queue <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close waits for everything that was handed over.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.done
		return nil
	}
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	<-w.done
	return w.conn.close()
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.queue {
		group := make([]*op, 0, 16)
		for o := first; o != nil; o = w.next(len(group)) {
			if o.taken.CompareAndSwap(false, true) {
				group = append(group, o)
			}
		}
		w.commit(group)
	}
}

// next returns one more function that waits already, or nil.
func (w *writer) next(have int) *op {
	if have >= maxGroup {
		return nil
	}
	select {
	case o := <-w.queue: // nil when closed
		return o
	default:
		return nil
	}
}

// commit runs the group in one transaction. If that transaction as a whole fails, which no function is to blame for alone
// (a full disk, say), each gets one of its own, so that what can be kept is kept and everybody learns its own error. If none
// can be begun, another program holds the database, and everybody has waited long enough.
func (w *writer) commit(group []*op) {
	if err := w.conn.exec(`BEGIN IMMEDIATE`); err != nil {
		finish(group, fmt.Errorf("begin transaction: %w", err))
		return
	}
	err := w.attempt(group)
	if err != nil && len(group) > 1 {
		for _, o := range group {
			w.commit([]*op{o})
		}
		return
	}
	if err == nil {
		w.show(group)
	}
	finish(group, err)
}

// show runs the hooks of what is committed and shows its events.
func (w *writer) show(group []*op) {
	var events []schema.Event
	for _, o := range group {
		if o.err == nil {
			for _, f := range o.tx.hooks {
				f()
			}
			events = append(events, o.tx.events...)
		}
	}
	if follow := w.follow.Load(); follow != nil && len(events) > 0 {
		(*follow)(events)
	}
}

// finish gives each its own error, or err, which is that of all.
func finish(group []*op, err error) {
	for _, o := range group {
		if o.err == nil {
			o.err = err
		}
		if resultCode(o.err)&0xff == codes.SQLITE_FULL {
			o.err = fmt.Errorf("%w: %w", store.ErrFull, o.err)
		}
		o.done <- o.err
	}
}

// attempt runs the group in the transaction that has begun, and commits. An error means that nothing of the group happened;
// the error of a single function is in its op, and nothing of that function happened.
func (w *writer) attempt(group []*op) (err error) {
	before := w.seq
	defer func() {
		if err != nil {
			w.seq = before
			_ = w.conn.exec(`ROLLBACK`) // fails if the database did so by itself
		}
	}()
	for _, o := range group {
		if err := w.apply(o); err != nil {
			return err
		}
	}
	if err := w.conn.exec(`COMMIT`); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// apply runs one function behind a savepoint. An error means that the transaction is lost.
func (w *writer) apply(o *op) error {
	if err := w.conn.exec(`SAVEPOINT op`); err != nil {
		return fmt.Errorf("set savepoint: %w", err)
	}
	before := w.seq
	o.tx = &tx{session: session{ctx: context.Background(), prepare: w.conn.prepare}, w: w}
	if o.err = contain(o.fn, o.tx); o.err != nil {
		w.seq = before
		if err := w.conn.exec(`ROLLBACK TO op`); err != nil {
			return fmt.Errorf("roll back to savepoint: %w", errors.Join(err, o.err))
		}
	}
	if err := w.conn.exec(`RELEASE op`); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	return nil
}

// contain turns a panic of fn into an error: the writer serves everybody.
func contain(fn func(store.Tx) error, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in transaction: %v", p)
		}
	}()
	return fn(t)
}

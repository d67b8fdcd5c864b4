// Package memory is a store.Store that keeps everything in memory and nothing when the process ends: for runtimes whose state
// lives elsewhere or need not outlive them, and for tests. Durable means here that it is done.
//
// A transaction changes the state in place and can be undone; there is one at a time. It copies what it is given; the
// insides of what it gives out must not be changed.
package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Store keeps everything in memory. The zero Store is none; see New.
type Store struct {
	mu     sync.RWMutex
	state  state
	follow func([]schema.Event)
	closed bool
}

var _ store.Store = (*Store)(nil)

// New returns an empty store, with an event log of its own.
func New() *Store { return &Store{state: newState(strings.ToLower(rand.Text()[:16]))} }

// Epoch identifies the event log.
func (s *Store) Epoch() string { return s.state.epoch }

// Follow has f called with the events of every transaction. f must not use the store.
func (s *Store) Follow(f func(events []schema.Event)) { s.follow = f }

// Update runs fn while nothing else reads or changes the store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &tx{state: &s.state}
	if err := t.run(fn); err != nil {
		t.rollBack()
		return err
	}
	for _, f := range t.hooks {
		f()
	}
	if s.follow != nil && len(t.events) > 0 {
		s.follow(t.events)
	}
	return nil
}

// Submit is Update: there is nothing to wait for.
func (s *Store) Submit(fn func(store.Tx) error) <-chan error {
	done := make(chan error, 1)
	done <- s.Update(context.Background(), fn)
	return done
}

// View runs fn while nothing changes the store. fn must not use the store.
func (s *Store) View(ctx context.Context, fn func(store.Reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fn(&s.state)
}

// Close has later calls fail with store.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// tx changes the state, and remembers how that is undone.
type tx struct {
	*state
	undo   []func()
	hooks  []func()
	events []schema.Event
}

var _ store.Tx = (*tx)(nil)

// run turns a panic into an error.
func (t *tx) run(fn func(store.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return fn(t)
}

func (t *tx) rollBack() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
}

// OnCommit has f called when the transaction has happened.
func (t *tx) OnCommit(f func()) { t.hooks = append(t.hooks, f) }

// set puts a value into a map.
func set[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	before, had := m[k]
	t.undo = append(t.undo, func() { restore(m, k, before, had) })
	m[k] = v
}

// unset takes a value out of a map.
func unset[K comparable, V any](t *tx, m map[K]V, k K) {
	before, had := m[k]
	t.undo = append(t.undo, func() { restore(m, k, before, had) })
	delete(m, k)
}

func restore[K comparable, V any](m map[K]V, k K, before V, had bool) {
	if had {
		m[k] = before
	} else {
		delete(m, k)
	}
}

// change sets a variable.
func change[V any](t *tx, v *V, to V) {
	before := *v
	t.undo = append(t.undo, func() { *v = before })
	*v = to
}

package turns

import (
	"errors"
	"sync"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// maxUnwritten bounds how many steps of one turn wait to be written before its brain has to.
const maxUnwritten = 256

// recorder writes the steps of one turn in order, without making the brain wait for the disk: the steps that come while a
// commit is under way share the next one. It is used by one goroutine at a time.
type recorder struct {
	store store.Store
	runID string
	ops   []<-chan error // handed over, in order

	mu    sync.Mutex
	steps []func(store.Tx) error // not taken by a transaction yet
}

// add has the step written. Its error may be that of an earlier one.
func (rec *recorder) add(step func(store.Tx) error) error {
	rec.mu.Lock()
	rec.steps = append(rec.steps, step)
	first, many := len(rec.steps) == 1, len(rec.steps) >= maxUnwritten
	rec.mu.Unlock()
	if first { // otherwise a transaction that takes them all is handed over already
		rec.ops = append(rec.ops, rec.store.Submit(rec.transaction()))
	}
	if many {
		return rec.flush()
	}
	return rec.reap()
}

// transaction returns a function that takes all steps that wait when it first runs. It keeps them, for it may run again.
func (rec *recorder) transaction() func(store.Tx) error {
	var mine []func(store.Tx) error
	return func(tx store.Tx) error {
		if mine == nil {
			rec.mu.Lock()
			mine, rec.steps = rec.steps, nil
			rec.mu.Unlock()
		}
		if _, err := runAt(tx, rec.runID, schema.RunRunning); err != nil {
			return err
		}
		for _, step := range mine {
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	}
}

// runAt returns a run that must have a status: ErrOver if it has another one, or was deleted with its conversation.
func runAt(tx store.Tx, id string, status schema.RunStatus) (schema.Run, error) {
	run, err := tx.Run(id)
	if errors.Is(err, store.ErrNotFound) || err == nil && run.Status != status {
		return run, ErrOver
	}
	return run, err
}

// reap looks at what is done, without waiting.
func (rec *recorder) reap() error {
	for len(rec.ops) > 0 {
		select {
		case err := <-rec.ops[0]:
			rec.ops = rec.ops[1:]
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// flush waits until everything is durable.
func (rec *recorder) flush() error {
	var first error
	for _, op := range rec.ops {
		if err := <-op; err != nil && first == nil {
			first = err
		}
	}
	rec.ops = nil
	return first
}

// unkept conceals what went wrong when a turn was being kept. That its run is over is no failure.
func unkept(err error) error {
	if errors.Is(err, ErrOver) {
		return ErrOver
	}
	return fault.Conceal("keep the turn", err)
}

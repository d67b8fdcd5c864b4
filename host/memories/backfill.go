package memories

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of the work in the background.
const (
	batchBytes   = 512 << 10              // of text that are embedded at once
	batchWait    = 2 * time.Minute        // for their vectors
	gatherWait   = 100 * time.Millisecond // for other memories that are kept at about the same time
	firstRetry   = time.Second
	lastRetry    = 30 * time.Second
	absentRetry  = 5 * time.Second // where the provider is not there, which costs nothing to see
	passedRetry  = time.Minute     // for memories that were passed over
	maxTries     = 3               // after which a memory that makes a model fail gets no vector
	shortenedLen = 4 << 10         // of a text that is too long for a model
)

// worker gives memories vectors of one model: the newest first, a batch at a time. All that it has done is in the store, so that it
// goes on where an earlier one was cut off.
type worker struct {
	index    *index
	embedder Embedder
	life     context.Context
	end      context.CancelFunc
	done     chan struct{}
	wake     chan struct{} // a memory was kept
	hurry    chan struct{} // a pause is to end

	mu    sync.Mutex
	doing string // see Index.State
	err   string
	retry time.Time
	anew  bool // another edition is to begin

	// Of run alone.
	delays *backoff.ExponentialBackOff
	before int64 // the number of the memory that was looked at last in this pass; 0 = a pass begins
	batch  int
	tries  map[string]int // of memories that make the model fail
	passed bool           // whether one was passed over in this pass
}

func newWorker(x *index, e Embedder) *worker {
	w := &worker{
		index: x, embedder: e, done: make(chan struct{}), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		delays: backoff.NewExponentialBackOff(), batch: e.batch(), tries: map[string]int{}, doing: StateWorking,
	}
	w.delays.InitialInterval, w.delays.MaxInterval = firstRetry, lastRetry
	w.life, w.end = context.WithCancel(context.Background())
	return w
}

// more says that there is a memory more. A worker that is nil has nothing to do.
func (w *worker) more() {
	if w != nil {
		ring(w.wake)
	}
}

// nudge ends a pause.
func (w *worker) nudge() {
	if w != nil {
		ring(w.hurry)
	}
}

// beginAnew has all memories embedded again.
func (w *worker) beginAnew() {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.anew = true
	w.mu.Unlock()
	ring(w.hurry)
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default: // it rings
	}
}

func (w *worker) run() {
	defer close(w.done)
	for w.life.Err() == nil {
		rest, more, err := w.step()
		switch {
		case w.life.Err() != nil:
		case err != nil:
			w.fail(err)
		case more:
			w.succeed(StateWorking)
			w.wait(rest, nil, nil)
		default:
			w.succeed(StateReady)
			if w.wait(rest, w.wake, w.hurry) == w.wake {
				w.wait(gatherWait, nil, nil)
			}
		}
	}
}

// wait waits for a bell, or for a time if that is not 0, and returns the bell.
func (w *worker) wait(d time.Duration, bells ...chan struct{}) chan struct{} {
	var over <-chan time.Time
	if d > 0 || bells[0] == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-bells[0]:
		return bells[0]
	case <-bells[1]:
		return bells[1]
	case <-over:
	case <-w.life.Done():
	}
	return nil
}

// fail waits for the next try.
func (w *worker) fail(err error) {
	wait := max(w.delays.NextBackOff(), schema.AsError(err).RetryAfter)
	if schema.CodeOf(err) == schema.CodeNotFound {
		wait = min(wait, absentRetry)
	}
	w.mu.Lock()
	said := w.err != ""
	w.doing, w.err, w.retry = StateWaiting, err.Error(), time.Now().Add(wait).UTC()
	w.mu.Unlock()
	if !said {
		w.index.log.Warn("memories get no vectors for now; it is tried again until they do", "model", w.embedder.Provider+"/"+w.embedder.Model, "error", err.Error())
	}
	w.wait(wait, w.hurry, nil)
}

func (w *worker) succeed(doing string) {
	w.delays.Reset()
	w.mu.Lock()
	said := w.err != ""
	changed := w.doing != doing
	w.doing, w.err, w.retry = doing, "", time.Time{}
	w.mu.Unlock()
	if said {
		w.index.log.Info("memories get vectors again", "model", w.embedder.Provider+"/"+w.embedder.Model)
	}
	if changed && doing == StateReady {
		w.index.log.Info("every memory has its vector", "model", w.embedder.Provider+"/"+w.embedder.Model)
	}
}

// page is some memories that have no vector, and what there was when they were read.
type page struct {
	plan
	spaces []store.Space
	items  []schema.MemoryItem
	last   int64
}

// read reads up to limit memories, and fewer if their texts are long.
func (w *worker) read(before int64, limit int) (p page, err error) {
	err = w.index.store.View(w.life, func(r store.Reader) error {
		if p.spaces, err = r.Spaces(); err != nil {
			return err
		}
		p.plan = planFor(w.embedder, p.spaces)
		for size := limit; ; {
			if p.items, p.last, err = r.Unplaced(p.target.String(), before, size); err != nil {
				return err
			}
			if size = fitting(p.items); size >= len(p.items) {
				return nil
			}
		}
	})
	return p, err
}

// fitting returns how many of the first memories are embedded at once: at least one, if there is any.
func fitting(items []schema.MemoryItem) int {
	size := 0
	for i, m := range items {
		if size += len(m.Content); size > batchBytes && i > 0 {
			return i
		}
	}
	return len(items)
}

// step gives some memories vectors. rest is how long to wait before the next step, which there is more to do for; else it is how
// long to wait at most, 0 = for ever.
func (w *worker) step() (rest time.Duration, more bool, err error) {
	if err := w.begin(); err != nil {
		return 0, false, err
	}
	began, from := time.Now(), w.before
	select {
	case <-w.wake: // what was kept just now does not wait for the end of the pass
		from = 0
	default:
	}
	p, err := w.read(from, w.batch)
	if err != nil {
		return 0, false, err
	}
	w.index.setPlan(w, p.plan)
	if len(p.items) == 0 {
		return w.pass(p)
	}
	vectors, err := w.embed(p.target, p.items, false)
	if err != nil {
		return w.passOver(p, err)
	}
	err = w.index.store.Update(w.life, func(tx store.Tx) error { return tx.PutVectors(p.target.String(), vectors) })
	if errors.Is(err, store.ErrVector) {
		w.index.log.Warn("the model answers with vectors of another length than it did; all memories are embedded again", "model", p.target.String())
		w.beginAnew()
		return 0, true, nil
	}
	if err != nil {
		return 0, false, err
	}
	if from == w.before {
		w.before = p.last
	}
	w.batch = min(2*w.batch, w.embedder.batch())
	return max(w.embedder.pace(len(p.items))-time.Since(began), 0), true, nil
}

// begin begins another edition, if that is wanted. One that was begun and not finished goes, so that a model which answers now so, now
// so does not leave more and more of them behind.
func (w *worker) begin() error {
	w.mu.Lock()
	anew := w.anew
	w.mu.Unlock()
	if !anew {
		return nil
	}
	p, err := w.read(0, 1)
	if err != nil {
		return err
	}
	next := p.target
	next.Edition++
	err = w.index.store.Update(w.life, func(tx store.Tx) error {
		for _, s := range p.spaces {
			if len(p.search) > 0 && s.Name == p.search[0].String() {
				continue // memories are found by it until then
			}
			if err := tx.DropSpace(s.Name); err != nil {
				return err
			}
		}
		return tx.PutVectors(next.String(), nil)
	})
	if err != nil {
		return err
	}
	w.before, w.passed = 0, false
	clear(w.tries)
	w.mu.Lock()
	w.anew = false
	w.mu.Unlock()
	return nil
}

// pass ends a pass through the memories. If that found nothing to do from the newest on, all is done, and what is left of other
// models goes.
func (w *worker) pass(p page) (rest time.Duration, more bool, err error) {
	began, passed := w.before == 0, w.passed
	w.before, w.passed = 0, false
	switch {
	case passed:
		return passedRetry, false, nil
	case !began:
		return 0, true, nil
	}
	return 0, false, w.tidy(p)
}

// tidy deletes the spaces that the target has taken the place of.
func (w *worker) tidy(p page) error {
	served := false
	for _, s := range p.spaces {
		served = served || s.Name == p.target.String() && s.Dimensions > 0
	}
	if !served {
		return nil
	}
	for _, s := range p.spaces {
		if s.Name == p.target.String() {
			continue
		}
		w.index.setPlan(w, plan{target: p.target, search: []searched{{space: p.target, dimensions: dimensions(p.spaces, p.target)}}})
		err := w.index.store.Update(w.life, func(tx store.Tx) error { return tx.DropSpace(s.Name) })
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		w.index.log.Info("memories are found by the vectors of another model from now on", "model", p.target.String(), "before", s.Name)
	}
	return nil
}

func dimensions(spaces []store.Space, of space) int {
	for _, s := range spaces {
		if s.Name == of.String() {
			return s.Dimensions
		}
	}
	return 0
}

// embed returns the vectors of memories. A text that the model refuses gets none for good, and keeps no other one from getting
// one; known says that the model is known to answer otherwise.
func (w *worker) embed(s space, items []schema.MemoryItem, known bool) ([]store.Vector, error) {
	texts := make([]string, len(items))
	for i, m := range items {
		texts[i] = m.Content
	}
	vectors, err := w.ask(s, texts)
	switch {
	case err == nil:
		out := make([]store.Vector, len(items))
		for i, v := range vectors {
			out[i] = store.Vector{MemoryID: items[i].ID, Values: v}
		}
		return out, nil
	case !refused(err), !known && !w.answers(s):
		return nil, err
	case len(items) == 1:
		return w.embedShort(s, items[0], err)
	}
	half := len(items) / 2
	first, err := w.embed(s, items[:half], true)
	if err != nil {
		return nil, err
	}
	rest, err := w.embed(s, items[half:], true)
	return append(first, rest...), err
}

// embedShort embeds the beginning of a text that was refused, if it is long.
func (w *worker) embedShort(s space, m schema.MemoryItem, why error) ([]store.Vector, error) {
	if len(m.Content) > shortenedLen {
		vectors, err := w.ask(s, []string{strings.ToValidUTF8(m.Content[:shortenedLen], "")})
		if err == nil {
			return []store.Vector{{MemoryID: m.ID, Values: vectors[0]}}, nil
		}
		if !refused(err) {
			return nil, err
		}
	}
	w.giveUp(s, m, why)
	return []store.Vector{{MemoryID: m.ID}}, nil
}

func (w *worker) giveUp(s space, m schema.MemoryItem, why error) {
	w.index.log.Warn("a memory cannot be embedded; it is found by its words alone", "model", s.String(), "memory", m.ID, "agent", m.AgentID, "error", why.Error())
}

// passOver goes on behind a memory that makes the model fail, once it is found out which one that is; with any other failure
// err comes back.
func (w *worker) passOver(p page, err error) (rest time.Duration, more bool, _ error) {
	if !suspicious(err) || w.life.Err() != nil {
		return 0, false, err
	}
	if len(p.items) > 1 {
		w.batch = max(len(p.items)/2, 1)
		return 0, false, err
	}
	if !w.answers(p.target) {
		return 0, false, err
	}
	m := p.items[0]
	w.tries[m.ID]++
	w.before, w.passed = p.last, true
	if w.tries[m.ID] < maxTries {
		return 0, true, nil
	}
	w.giveUp(p.target, m, err)
	delete(w.tries, m.ID)
	return 0, true, w.index.store.Update(w.life, func(tx store.Tx) error {
		return tx.PutVectors(p.target.String(), []store.Vector{{MemoryID: m.ID}})
	})
}

// ask asks for the vectors of texts within batchWait.
func (w *worker) ask(s space, texts []string) ([][]float32, error) {
	ctx, cancel := context.WithTimeout(w.life, batchWait)
	defer cancel()
	return w.index.embed(ctx, s, texts)
}

// answers reports whether the model embeds anything at all.
func (w *worker) answers(s space) bool {
	_, err := w.ask(s, []string{"test"})
	return err == nil
}

// refused reports whether a model does not take a text, which will not change.
func refused(err error) bool {
	code := schema.CodeOf(err)
	return code == schema.CodeInvalidArgument || code == schema.CodeTooLarge
}

// suspicious reports whether a text may be what makes a model fail.
func suspicious(err error) bool {
	switch schema.CodeOf(err) {
	case schema.CodeInternal, schema.CodeDeadlineExceeded, schema.CodeUnavailable:
		return true
	}
	return false
}

package memories

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Bounds of asking for the vector of a question.
const (
	questionWait   = 2 * time.Second  // after which a search goes by words alone
	questionPause  = 15 * time.Second // in which none is asked for after a provider has kept a search waiting
	maxRemembered  = 256              // vectors of questions
	maxQuestionLen = schema.MaxSearchBytes
)

var (
	errNoBrains = errors.New("no extension that embeds is known yet")
	errPaused   = errors.New("the embedder has just kept a search waiting, and is left alone for a moment")
)

// index is what finds memories by their vectors, and gives them vectors in the background.
type index struct {
	store store.Store
	log   *slog.Logger

	mu       sync.Mutex
	brains   schema.Brains
	embedder *Embedder // nil = there is none
	plan     plan      // of the last worker until there is one of the next
	worker   *worker   // nil = there is none
	closed   bool
	fell     string               // why searches go by words alone; "" = they do not
	paused   map[space]time.Time  // until when
	vectors  map[string][]float32 // of questions, by space and text
	recent   []string             // their keys, oldest first
	workers  sync.WaitGroup
}

func newIndex(s store.Store, log *slog.Logger) *index {
	return &index{store: s, log: log, paused: map[space]time.Time{}, vectors: map[string][]float32{}}
}

// UseBrains has memories embedded by what extensions offer from now on.
func (s *Memory) UseBrains(b schema.Brains) {
	x := s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	x.brains = b
	x.worker.nudge()
}

// UseEmbedder has memories embedded by a model from now on, and found by what they mean; nil = by words alone. Memories get their
// vectors in the background, until Close. Those of another model serve until all memories have one of this one.
func (s *Memory) UseEmbedder(e *Embedder) {
	x := s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return
	}
	var before *worker
	if before = x.worker; before != nil {
		before.end()
	}
	x.embedder, x.worker, x.fell = e, nil, ""
	clear(x.paused)
	if e == nil {
		x.plan = plan{}
		return
	}
	w := newWorker(x, *e)
	x.worker = w
	x.workers.Go(func() {
		if before != nil {
			<-before.done // two would embed the same
		}
		w.run()
	})
}

// Close ends what goes on in the background. What has no vector then gets one when the memories are opened again. It is idempotent.
func (s *Memory) Close() {
	x := s.index
	x.mu.Lock()
	x.closed = true
	if x.worker != nil {
		x.worker.end()
	}
	x.mu.Unlock()
	x.workers.Wait()
}

// told says that a memory was kept.
func (x *index) told() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.worker.more()
}

// embed asks a provider for vectors, and holds it to its contract.
func (x *index) embed(ctx context.Context, s space, texts []string) ([][]float32, error) {
	x.mu.Lock()
	b := x.brains
	x.mu.Unlock()
	if b == nil {
		return nil, &schema.Error{Code: schema.CodeNotFound, Message: errNoBrains.Error(), Cause: errNoBrains}
	}
	out, err := b.Embed(ctx, schema.EmbedRequest{Provider: s.Provider, Model: s.Model, Texts: texts})
	if err != nil {
		return nil, err
	}
	if len(out.Vectors) != len(texts) {
		return nil, schema.Errorf(schema.CodeInternal, "%s answers %d texts with %d vectors", s, len(texts), len(out.Vectors))
	}
	for _, v := range out.Vectors {
		if len(v) != len(out.Vectors[0]) || len(v) == 0 || len(v) > store.MaxDimensions {
			return nil, schema.Errorf(schema.CodeInternal, "%s answers with a vector of %d numbers; all must have as many, and 1 to %d", s, len(v), store.MaxDimensions)
		}
	}
	return out.Vectors, nil
}

// vectorsOf returns a text as a vector of each space that is searched now. There is none where there is no embedder, or where
// none answers in time: why is told in the log, once, and by Index.
func (x *index) vectorsOf(ctx context.Context, text string) []queryVector {
	text = strings.TrimSpace(text)
	x.mu.Lock()
	e, spaces := x.embedder, x.plan.search
	x.mu.Unlock()
	if e == nil || len(spaces) == 0 || text == "" || len(text) > maxQuestionLen {
		return nil
	}
	var out []queryVector
	var missing error
	for _, s := range spaces {
		v, err := x.question(ctx, s, text)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		q := queryVector{space: s.String(), values: v, nearest: e.minSimilarity()}
		if len(out) > 0 {
			q.except = out[0].space
		}
		out = append(out, q)
	}
	if ctx.Err() == nil {
		x.tell(missing, len(out) > 0)
	}
	return out
}

// question returns the vector of a text, and leaves a provider that keeps searches waiting alone for a moment.
func (x *index) question(ctx context.Context, s searched, text string) ([]float32, error) {
	key := s.String() + "\x00" + text
	x.mu.Lock()
	v, known := x.vectors[key]
	left := time.Until(x.paused[s.space])
	x.mu.Unlock()
	switch {
	case known:
		return v, nil
	case left > 0:
		return nil, errPaused
	}
	asking, cancel := context.WithTimeout(ctx, questionWait)
	defer cancel()
	vectors, err := x.embed(asking, s.space, []string{text})
	switch {
	case err != nil && ctx.Err() == nil:
		x.pause(s.space, asking.Err(), err)
		return nil, err
	case err != nil:
		return nil, err
	case len(vectors[0]) != s.dimensions:
		x.changed(s.space)
		return nil, fmt.Errorf("%w: %s answers with %d dimensions now, and not with %d", store.ErrVector, s, len(vectors[0]), s.dimensions)
	}
	x.remember(key, vectors[0])
	return vectors[0], nil
}

// changed says that a model is not the one that it was when memories were embedded.
func (x *index) changed(s space) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s == x.plan.target {
		x.worker.beginAnew()
	}
}

// pause keeps searches from a provider that has kept one waiting, or says that it wants to be left alone.
func (x *index) pause(s space, late, err error) {
	wait := schema.AsError(err).RetryAfter
	if late != nil {
		wait = max(wait, questionPause)
	}
	if wait <= 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.paused[s] = time.Now().Add(wait)
}

func (x *index) remember(key string, v []float32) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, known := x.vectors[key]; known {
		return
	}
	if len(x.recent) == maxRemembered {
		delete(x.vectors, x.recent[0])
		x.recent = slices.Delete(x.recent, 0, 1)
	}
	x.vectors[key] = v
	x.recent = append(x.recent, key)
}

// tell says in the log when searches begin to go by words alone, and when that is over.
func (x *index) tell(err error, some bool) {
	x.mu.Lock()
	was := x.fell
	switch {
	case some || err == nil:
		x.fell = ""
	case was == "" || !errors.Is(err, errPaused):
		x.fell = err.Error()
	}
	is := x.fell
	x.mu.Unlock()
	switch {
	case was == "" && is != "":
		x.log.Warn("memories are found by their words alone, because no vector of a question is to be had", "error", is)
	case was != "" && is == "":
		x.log.Info("memories are found by what they mean again")
	}
}

// setPlan tells searches what there is now.
func (x *index) setPlan(w *worker, p plan) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.worker == w {
		x.plan = p
	}
}

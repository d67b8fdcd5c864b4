package handover

import (
	"context"
	"errors"
	"sync"
)

// words is what is said over the bridge beside connections, as the younger generation hears it.
type words struct {
	once  sync.Once
	come  chan struct{} // closed when it is settled what was told
	told  []byte        // read after come
	mu    sync.Mutex
	asked func([]byte) bool
}

// settle sets what was told, unless that has been settled.
func (w *words) settle(b []byte) (settled bool) {
	w.once.Do(func() {
		w.told, settled = b, true
		close(w.come)
	})
	return settled
}

func (w *words) answer(question []byte) bool {
	w.mu.Lock()
	f := w.asked
	w.mu.Unlock()
	return f != nil && f(question)
}

// Alone says that there is no generation before.
func (s *Set) Alone() { s.words.settle(nil) }

// Told waits for what the generation before tells, and returns it; nil = nothing, or ctx is done.
func (s *Set) Told(ctx context.Context) []byte {
	select {
	case <-s.words.come:
		return s.words.told
	case <-ctx.Done():
		return nil
	}
}

// OnAsked says who answers what the generation before asks. f is called for one question at a time, and what moves waits for
// it. Without it every answer is no. It is called before Receive.
func (s *Set) OnAsked(f func(question []byte) bool) {
	s.words.mu.Lock()
	defer s.words.mu.Unlock()
	s.words.asked = f
}

// Ask asks the generation after, which has been told before what there was to tell. An error means that it cannot be asked,
// or not any more.
func (s *Set) Ask(question []byte) (bool, error) {
	to := s.successor()
	if to == nil {
		return false, errNowhere
	}
	err := to.send(nil, record{kind: asked, state: question})
	if errors.Is(err, errRefused) {
		return false, nil
	}
	return err == nil, err
}

// tell tells the generation after what f returns.
func (s *Set) tell(f func() []byte) {
	if f == nil {
		return
	}
	if err := s.to.Load().tell(f); err != nil {
		s.log.Warn("the next generation was not told what this one knows", "error", err.Error())
	}
}

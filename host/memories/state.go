package memories

import (
	"context"
	"time"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// What the background does; see Index.
const (
	StateOff     = "off"     // there is no embedder
	StateWorking = "working" // memories get vectors
	StateWaiting = "waiting" // that failed, and is tried again
	StateReady   = "ready"   // there is nothing to do
)

// Index is how far memories can be found by what they mean.
type Index struct {
	Embedder *Embedder  `json:"embedder"` // null = memories are found by words alone
	State    string     `json:"state"`    // off, working, waiting or ready
	Error    string     `json:"error,omitempty"`
	RetryAt  *time.Time `json:"retryAt,omitempty"`
	Memories int        `json:"memories"`
	Placed   int        `json:"placed"`          // that the model has embedded, or cannot
	Nowhere  int        `json:"nowhere"`         // of them, those that it cannot
	Searched []string   `json:"searched"`        // the models by whose vectors memories are found now
	Words    string     `json:"words,omitempty"` // why searches go by words alone although there is a model
}

// Done reports whether there is nothing left to embed.
func (i Index) Done() bool { return i.State == StateReady || i.State == StateOff }

// Index returns how far memories can be found by what they mean.
func (s *Memory) Index(ctx context.Context) (Index, error) {
	out := Index{State: StateOff, Searched: []string{}}
	x := s.index
	x.mu.Lock()
	w := x.worker
	out.Embedder, out.Words = x.embedder, x.fell
	x.mu.Unlock()
	if w != nil {
		w.mu.Lock()
		out.State, out.Error = w.doing, w.err
		if at := w.retry; !at.IsZero() {
			out.RetryAt = &at
		}
		if w.anew {
			out.State = StateWorking
		}
		w.mu.Unlock()
	}
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		if out.Memories, err = r.CountMemories(); err != nil || w == nil {
			return err
		}
		spaces, err := r.Spaces()
		p := planFor(w.embedder, spaces)
		out.Placed, out.Nowhere, out.Searched = 0, 0, []string{}
		for _, sp := range spaces {
			if sp.Name == p.target.String() {
				out.Placed, out.Nowhere = sp.Placed, sp.Nowhere
			}
		}
		for _, sp := range p.search {
			out.Searched = append(out.Searched, sp.String())
		}
		return err
	})
	if out.State == StateReady && out.Placed < out.Memories { // one was kept just now
		out.State = StateWorking
	}
	return out, fault.Of(s.log, "look at the vectors of memories", err)
}

// Reindex has the background try again now what has failed, and with anew embed all memories again: then the vectors that there
// are serve until the last memory has its new one. It does not wait. CodeFailedPrecondition: there is no embedder.
func (s *Memory) Reindex(anew bool) error {
	x := s.index
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.worker == nil:
		return schema.Errorf(schema.CodeFailedPrecondition, "no model is configured that embeds memories; name one in memory.embedder of the configuration")
	case anew:
		x.worker.beginAnew()
	default:
		x.worker.nudge()
	}
	return nil
}

package local

import (
	"errors"
	"sync"

	"github.com/stagehouse/stagehouse/host/local/brain/facts"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// maxRecent is how many memories are known to have been kept a moment ago: more than the turns that run at once keep.
const maxRecent = 256

// recent is the memories that turns have kept a moment ago, and perhaps not yet for good. A brain looks whether its agent remembers a
// fact before it has it kept; what another turn keeps in between is found here. The zero recent is empty.
type recent struct {
	mu  sync.Mutex
	all []schema.MemoryItem // oldest first
}

// same returns the id of a memory that says the same as item, of the same agent and principal, and is there in tx; "" = there is none.
func (r *recent) same(tx store.Tx, item schema.MemoryItem) (id string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.all {
		if m.AgentID != item.AgentID || m.Principal != item.Principal || !facts.Same(m.Content, item.Content) {
			continue
		}
		kept, err := tx.Memory(m.ID)
		switch {
		case errors.Is(err, store.ErrNotFound): // it was deleted, or its transaction has not happened
		case err != nil:
			return "", err
		case kept.ExpiresAt == nil || kept.ExpiresAt.After(item.CreatedAt):
			return kept.ID, nil
		}
	}
	return "", nil
}

// add takes note of a memory that is being kept.
func (r *recent) add(item schema.MemoryItem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all = append(r.all, item); len(r.all) > maxRecent {
		r.all = r.all[1:]
	}
}

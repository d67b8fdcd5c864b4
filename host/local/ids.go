package local

import (
	"crypto/rand"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Prefixes of the ids that the runtime gives.
const (
	runPrefix          = "run_"
	conversationPrefix = "conv_"
	messagePrefix      = "msg_"
	memoryPrefix       = "mem_"
)

// ids gives ids that sort in the order in which they were given, even when the clock stands still or goes back.
type ids struct {
	now func() time.Time

	mu      sync.Mutex
	entropy io.Reader
	last    uint64
}

func newIDs(now func() time.Time) *ids {
	return &ids{now: now, entropy: ulid.Monotonic(rand.Reader, 0)}
}

// next returns prefix and a new ULID in lower case.
func (g *ids) next(prefix string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last, ulid.Timestamp(g.now()))
	id, err := ulid.New(g.last, g.entropy)
	if err != nil { // the entropy of this millisecond is used up
		g.last++
		id = ulid.MustNew(g.last, g.entropy)
	}
	return prefix + strings.ToLower(id.String())
}

// validRunID reports whether a caller may choose s as the id of a run.
func validRunID(s string) bool {
	rest, ok := strings.CutPrefix(s, runPrefix)
	if !ok || rest != strings.ToLower(rest) {
		return false
	}
	_, err := ulid.ParseStrict(rest)
	return err == nil
}

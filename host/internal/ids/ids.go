// Package ids gives the ids of what a runtime keeps.
package ids

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
	Run          = "run_"
	Conversation = "conv_"
	Message      = "msg_"
	Memory       = "mem_"
)

// Maker gives ids that sort in the order in which they were given, even when the clock stands still or goes back.
type Maker struct {
	now func() time.Time

	mu      sync.Mutex
	entropy io.Reader
	last    uint64
}

// New returns a Maker that tells the time by now.
func New(now func() time.Time) *Maker {
	return &Maker{now: now, entropy: ulid.Monotonic(rand.Reader, 0)}
}

// Next returns prefix and a new ULID in lower case.
func (g *Maker) Next(prefix string) string {
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

// ValidRun reports whether a caller may choose s as the id of a run.
func ValidRun(s string) bool {
	rest, ok := strings.CutPrefix(s, Run)
	if !ok || rest != strings.ToLower(rest) {
		return false
	}
	_, err := ulid.ParseStrict(rest)
	return err == nil
}

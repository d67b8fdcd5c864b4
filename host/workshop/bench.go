package workshop

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Interval is how often a Bench looks at the sources. A change counts once two looks have seen the same.
const Interval = 200 * time.Millisecond

// Bench builds one program, and builds it again when its sources have changed.
type Bench struct {
	Dir string // of its package
	Out string // where the program goes; its directory is there

	sources sources
	seen    snapshot // what the last build was made of
}

// Build builds the program and puts it in the place of the one that is there, all at once. If that fails, the one that is there
// stays; the error is a *GoError where it is the fault of the sources.
func (b *Bench) Build(ctx context.Context) error {
	if len(b.sources.dirs) > 0 {
		b.seen = b.sources.look()
	}
	found, err := find(ctx, b.Dir)
	if err != nil {
		return err // and what is looked at stays as it is
	}
	b.sources, b.seen = found, found.look() // before it is built: what is saved meanwhile is a change
	next := b.Out + ".next"
	if _, err := goCommand(ctx, b.Dir, "build", "-o", next, "."); err != nil {
		return err
	}
	if err := os.Rename(next, b.Out); err != nil {
		return fmt.Errorf("put %s in its place: %w", filepath.Base(b.Out), err)
	}
	return nil
}

// Watch calls changed whenever the sources have become others than those of the last Build and hold still, until ctx is done.
// The next look is taken when changed, which may call Build, has returned.
func (b *Bench) Watch(ctx context.Context, changed func()) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	before := b.seen
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := b.sources.look()
		if now.same(before) && !now.same(b.seen) {
			b.seen = now
			changed()
		}
		before = now
	}
}

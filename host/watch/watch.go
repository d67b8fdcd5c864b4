// Package watch tells when the content of files becomes another one. It looks at them again and again, and asks no
// operating system for news of them: see docs/decisions/0009-polling-for-changes.md.
package watch

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Interval is how often Run looks. A change is told after two looks at the latest, so after half a second.
const Interval = 250 * time.Millisecond

// Watcher looks at files, and at folders of files. Its methods are safe for concurrent use.
type Watcher struct {
	mu     sync.Mutex
	things map[string]thing // by absolute path
}

// thing is a file or a folder.
type thing interface {
	// look reports whether the content has become another one, which is taken as known from then on.
	look(log *slog.Logger) bool
	at() string
}

// New returns a watcher of no files.
func New() *Watcher { return &Watcher{things: map[string]thing{}} }

// Seen says that somebody is about to use the content that a file has now: it is watched from here on, and told when its
// content becomes another one. Call it before the file is read, so that no change is missed; one that comes in between is
// told although it was read. A file that cannot be read is told when it can be.
func (w *Watcher) Seen(path string) {
	path = absolute(path)
	f := &file{path: path}
	w.mu.Lock()
	before, _ := w.things[path].(*file)
	w.mu.Unlock()
	f.begin(before) // may be a while for a large program, and holds nobody up
	w.mu.Lock()
	defer w.mu.Unlock()
	w.things[path] = f
}

// SeenFolder is Seen for the files of a folder whose names count, but not for those of folders in it: a change is one of what
// they have in them, one more, or one less. A folder that is not there has no files.
func (w *Watcher) SeenFolder(path string, counts func(name string) bool) {
	path = absolute(path)
	f := &folder{path: path, counts: counts}
	f.begin()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.things[path] = f
}

// Only forgets every file and folder but those.
func (w *Watcher) Only(paths ...string) {
	keep := map[string]bool{}
	for _, p := range paths {
		keep[absolute(p)] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.things, func(path string, _ thing) bool { return !keep[path] })
}

// Look looks at everything once and returns the absolute paths of the files and folders that have changed, sorted. A change counts when two
// looks in a row have seen the same, so that a file which is being written is left alone, and only if the content is
// another one. A file that is gone or cannot be read has not changed; log is told once.
func (w *Watcher) Look(log *slog.Logger) []string {
	w.mu.Lock()
	things := slices.Collect(maps.Values(w.things))
	w.mu.Unlock()
	var changed []string
	for _, t := range things {
		if t.look(log) && w.watches(t) {
			changed = append(changed, t.at())
		}
	}
	slices.Sort(changed)
	return changed
}

// watches reports whether nobody has called Seen or Only while t was looked at.
func (w *Watcher) watches(t thing) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.things[t.at()] == t
}

// Run looks every Interval until ctx is done, and calls changed with what Look returns if that is anything. The next look
// is taken when changed has returned.
func (w *Watcher) Run(ctx context.Context, log *slog.Logger, changed func(paths []string)) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if paths := w.Look(log); len(paths) > 0 {
			changed(paths)
		}
	}
}

// absolute returns the path as it is compared. Symbolic links stay: what they point to may become another file.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return filepath.Clean(path)
}

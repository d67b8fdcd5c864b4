package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// smallFolder is how many bytes of a folder are read at every look, as smallFile is of a file.
const smallFolder = 1 << 20

// folder is a folder whose files are watched.
type folder struct {
	path   string
	counts func(name string) bool

	mu      sync.Mutex
	known   bool // content is something
	content digest
	last    []entry // what the last look saw, by name
	seen    bool    // last is something
	settled bool    // and content is what it had
	gone    bool    // it cannot be read, and that has been told
}

// entry is a file of a folder.
type entry struct {
	name string
	mark mark // zero = it cannot be read, or is no file
}

func (f *folder) at() string { return f.path }

// begin takes the content of now as known.
func (f *folder) begin() {
	entries, err := f.entries()
	if err == nil {
		f.content, err = f.digest(entries)
	}
	if err == nil {
		f.known, f.last, f.seen, f.settled = true, entries, true, true
	}
}

func (f *folder) look(log *slog.Logger) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries, err := f.entries()
	if err != nil {
		f.miss(log, err)
		return false
	}
	if !f.seen || !slices.EqualFunc(f.last, entries, entry.same) {
		f.last, f.seen, f.settled = entries, true, false
		return false
	}
	if f.settled {
		return false
	}
	content, err := f.digest(entries)
	if err != nil { // a file went away while we read it
		f.seen = false
		return false
	}
	if after, err := f.entries(); err != nil || !slices.EqualFunc(entries, after, entry.same) {
		f.seen = false // something was written while we read it
		return false
	}
	changed := !f.known || content != f.content
	f.known, f.content, f.settled, f.gone = true, content, true, false
	return changed
}

// miss tells once that the folder cannot be read.
func (f *folder) miss(log *slog.Logger, err error) {
	f.seen, f.settled = false, false
	if !f.gone {
		f.gone = true
		log.Warn("a folder that is watched cannot be read; everything goes on as it is until it can be", "path", f.path, "error", err.Error())
	}
}

func (e entry) same(o entry) bool {
	return e.name == o.name && (e.mark.same(o.mark) || e.mark.info == nil && o.mark.info == nil)
}

// entries returns the files that count, by name.
func (f *folder) entries() ([]entry, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	var entries []entry
	room := int64(smallFolder)
	for _, name := range names {
		m, err := markOf(filepath.Join(f.path, name), min(room, smallFile))
		if err != nil {
			m = mark{}
		} else if m.read {
			room -= m.info.Size()
		}
		entries = append(entries, entry{name, m})
	}
	return entries, nil
}

func (f *folder) names() ([]string, error) {
	dir, err := os.ReadDir(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range dir {
		if f.counts(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names, err
}

// digest returns what the content of all files is known by.
func (f *folder) digest(entries []entry) (digest, error) {
	all := sha256.New()
	for _, e := range entries {
		var content digest
		if e.mark.info != nil {
			var err error
			if content, err = e.mark.digest(filepath.Join(f.path, e.name)); err != nil {
				return digest{}, err
			}
		}
		fmt.Fprintf(all, "%q %x\n", e.name, content)
	}
	return digest(all.Sum(nil)), nil
}

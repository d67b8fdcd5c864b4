package watch

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// smallFile is the size up to which a file is read at every look, so that no change hides behind a clock that ticks slowly
// or was set back.
const smallFile = 64 << 10

// file is one file that is watched.
type file struct {
	path string

	mu      sync.Mutex
	known   bool // content is something
	content digest
	runs    fs.FileMode // the bits by which content may be executed
	last    mark        // what the last look saw; nil info = nothing
	settled bool        // and content is what it had
	gone    bool        // it cannot be read, and that has been told
}

type digest [sha256.Size]byte

// mark is what a look sees: enough to tell whether the next one sees the same.
type mark struct {
	info  fs.FileInfo
	read  bool   // small is something
	small digest // of the content, where that is small
}

func (m mark) same(n mark) bool {
	return m.info != nil && n.info != nil && os.SameFile(m.info, n.info) && m.small == n.small &&
		m.info.Size() == n.info.Size() && m.info.ModTime().Equal(n.info.ModTime()) && m.runs() == n.runs()
}

// runs returns the bits by which the file may be executed: a program that could not be is another one when it can.
func (m mark) runs() fs.FileMode { return m.info.Mode().Perm() & 0o111 }

// begin takes the content of now as known. before is the same file as it was watched so far, or nil.
func (f *file) begin(before *file) {
	m, err := f.mark()
	if err == nil {
		f.content, err = f.digest(m)
	}
	if err == nil {
		f.known, f.runs, f.last, f.settled = true, m.runs(), m, true
		return
	}
	if before != nil {
		before.mu.Lock()
		defer before.mu.Unlock()
		f.gone = before.gone
	}
}

// look reports whether the content has become another one, which it takes as known from then on.
func (f *file) look(log *slog.Logger) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, err := f.mark()
	if err != nil {
		f.miss(log, err)
		return false
	}
	if !m.same(f.last) {
		f.last, f.settled = m, false
		return false
	}
	if f.settled {
		return false
	}
	content, err := f.digest(m)
	if err != nil {
		f.miss(log, err)
		return false
	}
	if after, err := f.mark(); err != nil || !after.same(m) {
		f.last = mark{} // it was written while we read it
		return false
	}
	changed := !f.known || content != f.content || m.runs() != f.runs
	f.known, f.content, f.runs, f.settled, f.gone = true, content, m.runs(), true, false
	return changed
}

// miss tells once that the file cannot be read. When it can be again, two looks have to see the same as ever.
func (f *file) miss(log *slog.Logger, err error) {
	f.last, f.settled = mark{}, false
	if f.gone {
		return
	}
	f.gone = true
	log.Warn("a file that is watched cannot be read; everything goes on as it is until it is back", "path", f.path, "error", err.Error())
}

func (f *file) mark() (mark, error) { return markOf(f.path, smallFile) }

// markOf looks at a file, and reads it if it has no more bytes than small.
func markOf(path string, small int64) (mark, error) {
	info, err := os.Stat(path)
	if err != nil {
		return mark{}, err
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for its writer
		return mark{}, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	m := mark{info: info}
	if info.Size() > small {
		return m, nil
	}
	m.small, err = sum(path)
	m.read = err == nil
	return m, err
}

// digest returns what the content is known by.
func (f *file) digest(m mark) (digest, error) { return m.digest(f.path) }

func (m mark) digest(path string) (digest, error) {
	if m.read {
		return m.small, nil
	}
	return sum(path)
}

func sum(path string) (digest, error) {
	in, err := os.Open(path)
	if err != nil {
		return digest{}, err
	}
	defer func() { _ = in.Close() }() // it was only read
	hash := sha256.New()
	if _, err := io.Copy(hash, in); err != nil {
		return digest{}, err
	}
	return digest(hash.Sum(nil)), nil
}

func (f *file) at() string { return f.path }

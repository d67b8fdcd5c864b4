package watch_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/host/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// contents are small enough to be read at every look, and not.
var contents = map[string]func(string) string{
	"small": func(s string) string { return s },
	"large": func(s string) string { return s + strings.Repeat("x", 128<<10) },
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// looks fails the test unless the next two looks tell of exactly want, the second one of them.
func looks(t *testing.T, w *watch.Watcher, want ...string) {
	t.Helper()
	if got := w.Look(quiet); len(got) > 0 {
		t.Fatalf("the first look tells of %v already", got)
	}
	if got := w.Look(quiet); !slices.Equal(got, want) {
		t.Fatalf("the second look tells of %v, want %v", got, want)
	}
	if got := w.Look(quiet); len(got) > 0 {
		t.Fatalf("%v is told twice", got)
	}
}

func TestChangesOfContent(t *testing.T) {
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
			write(t, path, content("one"))
			w := watch.New()
			w.Seen(path)
			looks(t, w)
			write(t, path, content("second"))
			looks(t, w, path)
			write(t, path, content("second")) // the same again
			looks(t, w)
			write(t, other, content("third")) // as editors and package managers do it
			rename(t, other, path)
			looks(t, w, path)
			write(t, other, content("third"))
			rename(t, other, path)
			looks(t, w)
			write(t, path, content("fourth"))
			w.Seen(path) // somebody has read it by himself
			looks(t, w)
		})
	}
}

// TestFileThatIsBeingWritten: as long as it grows, nobody is told.
func TestFileThatIsBeingWritten(t *testing.T) {
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			write(t, path, content("whole"))
			w := watch.New()
			w.Seen(path)
			for n := range 5 {
				write(t, path, content(strings.Repeat("more", n)))
				if got := w.Look(quiet); len(got) > 0 {
					t.Fatalf("told of %v after %d writes", got, n)
				}
			}
			if got := w.Look(quiet); !slices.Equal(got, []string{path}) {
				t.Errorf("told of %v when it was whole", got)
			}
		})
	}
}

func TestFileThatGoesAndComes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "one")
	w := watch.New()
	w.Seen(path)
	for round, content := range []string{"one", "two"} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		log := slog.New(slog.NewTextHandler(&said, nil))
		for range 3 {
			if got := w.Look(log); len(got) > 0 {
				t.Fatalf("told of %v, which is gone", got)
			}
		}
		if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), path) {
			t.Errorf("that it is gone was said %d times:\n%s", n, said.String())
		}
		write(t, path, content)
		looks(t, w, []string{path}[:round]...) // the first time it comes back as it was
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	looks(t, w)
}

// TestFileThatWasNotThere is told when it is.
func TestFileThatWasNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	w := watch.New()
	w.Seen(path)
	looks(t, w)
	write(t, path, "one")
	looks(t, w, path)
}

// TestSwapOfALink does what Kubernetes does to a mounted ConfigMap: the file is a link to ..data/file, and ..data is a link
// that is replaced by one to another directory.
func TestSwapOfALink(t *testing.T) {
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			swap := func(to, text string) {
				if err := os.Mkdir(filepath.Join(dir, to), 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, to, "file"), content(text))
				if err := os.Symlink(to, filepath.Join(dir, "..tmp")); err != nil {
					t.Skip(err)
				}
				rename(t, filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))
			}
			swap("..1", "one")
			if err := os.Symlink(filepath.Join("..data", "file"), path); err != nil {
				t.Fatal(err)
			}
			w := watch.New()
			w.Seen(path)
			swap("..2", "two")
			looks(t, w, path)
			swap("..3", "two")
			looks(t, w)
		})
	}
}

func TestOnly(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	w := watch.New()
	for _, path := range []string{a, b} {
		write(t, path, "one")
		w.Seen(path)
	}
	w.Only(b)
	write(t, a, "two")
	write(t, b, "two")
	looks(t, w, b)
}

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, "one")
	w := watch.New()
	w.Seen(path)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var running sync.WaitGroup
	told := make(chan []string, 1)
	running.Go(func() { w.Run(ctx, quiet, func(paths []string) { told <- paths; cancel() }) })
	write(t, path, "two")
	running.Wait()
	select {
	case got := <-told:
		if !slices.Equal(got, []string{path}) {
			t.Errorf("told of %v", got)
		}
	default:
		t.Error("told of nothing")
	}
}

func BenchmarkLook(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 2000), 0o600); err != nil {
		b.Fatal(err)
	}
	w := watch.New()
	w.Seen(path)
	for b.Loop() {
		w.Look(quiet)
	}
}

package watch_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/watch"
)

func isJSON(name string) bool { return strings.HasSuffix(name, ".json") }

func TestFolder(t *testing.T) {
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "agents")
			a, b := filepath.Join(dir, "a.json"), filepath.Join(dir, "b.json")
			w := watch.New()
			w.SeenFolder(dir, isJSON)
			looks(t, w)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			looks(t, w) // still without files
			write(t, a, content("one"))
			looks(t, w, dir)
			write(t, filepath.Join(dir, "a.json.tmp"), "x")
			looks(t, w)
			write(t, a, content("one"))
			looks(t, w)
			write(t, b, content("one"))
			looks(t, w, dir)
			write(t, b, content("two"))
			looks(t, w, dir)
			rename(t, b, filepath.Join(dir, "c.json"))
			looks(t, w, dir)
			if err := os.Remove(a); err != nil {
				t.Fatal(err)
			}
			looks(t, w, dir)
			write(t, a, content("one"))
			w.SeenFolder(dir, isJSON) // somebody has read it by himself
			looks(t, w)
			for n := range 3 { // as long as a file grows, nobody is told
				write(t, a, content(strings.Repeat("more", n)))
				if got := w.Look(quiet); len(got) > 0 {
					t.Fatalf("told of %v after %d writes", got, n)
				}
			}
			if got := w.Look(quiet); len(got) != 1 {
				t.Errorf("told of %v when it was whole", got)
			}
			if err := os.Mkdir(filepath.Join(dir, "d.json"), 0o700); err != nil {
				t.Fatal(err)
			}
			looks(t, w, dir)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			looks(t, w, dir)
			w.Only()
			write(t, filepath.Join(filepath.Dir(dir), "x.json"), "x")
			looks(t, w)
		})
	}
}

// TestFolderThatCannotBeRead is one that is a file: everything goes on until it is a folder again.
func TestFolderThatCannotBeRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agents")
	w := watch.New()
	w.SeenFolder(dir, isJSON)
	write(t, dir, "x")
	looks(t, w)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	looks(t, w) // as it was
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.json"), "x")
	looks(t, w, dir)
}

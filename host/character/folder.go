package character

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// Folder is the name of the folder of agents, beside the configuration file.
const Folder = "agents"

// Extension is how the names of the files end.
const Extension = ".json"

// MaxFiles bounds how many agents a folder may have.
const MaxFiles = 1000

// File is what a file of a folder declares. With problems, Declaration is nil.
type File struct {
	Name        string // in its folder
	ID          string // of its agent, as far as it could be read
	Declaration json.RawMessage
	Problems    []schema.Problem // the pointers begin with those of Place
}

// Place returns the pointer by which messages speak of a place in a file of the folder: that of the name below "agents".
func Place(name, pointer string) string { return problem.Pointer(Folder, name) + pointer }

// IsFile reports whether a file of the folder is an agent, by its name: hidden ones are those of editors.
func IsFile(name string) bool {
	return strings.HasSuffix(name, Extension) && !strings.HasPrefix(name, ".")
}

// ReadFolder reads the files of a folder in the order of their names. A folder that is not there has none. Problems are of the
// folder itself; with one, what its files say is not known. The error is that of ctx.
func ReadFolder(ctx context.Context, dir string) ([]File, []schema.Problem, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, one(problem.Pointer(Folder), "agents as files stand in that folder", "cannot read the agents: %v", err), nil
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !IsFile(e.Name()) })
	if len(entries) > MaxFiles {
		return nil, one(problem.Pointer(Folder), "", "%s has %d agents; at most %d are read", dir, len(entries), MaxFiles), nil
	}
	var files []File
	for _, e := range entries {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", dir, err)
		}
		files = append(files, readFile(dir, e.Name()))
	}
	return files, nil, nil
}

func readFile(dir, name string) File {
	f := File{Name: name, ID: strings.TrimSuffix(name, Extension)}
	text, err := readText(filepath.Join(dir, name))
	if err != nil {
		f.Problems = one(Place(name, ""), "", "%v", err)
		return f
	}
	c, problems := Parse(f.ID, text)
	f.ID = c.ID
	for _, p := range problems {
		p.Pointer = Place(name, p.Pointer)
		f.Problems = append(f.Problems, p)
	}
	if len(problems) > 0 {
		return f
	}
	if f.Declaration, err = json.Marshal(c.Declaration()); err != nil {
		f.Problems = one(Place(name, ""), "", "cannot be encoded: %v", err)
	}
	return f
}

// readText reads a regular file of bounded size: to open a pipe would wait for its writer.
func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > MaxBytes:
		return nil, fmt.Errorf("%s has %d bytes; at most %d are read", path, info.Size(), MaxBytes)
	}
	text, err := os.ReadFile(path)
	return []byte(strings.TrimPrefix(string(text), "\ufeff")), err // some editors begin a file with a byte-order mark
}

package workshop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// snapshot is what the files that a program is made of look like at one moment.
type snapshot map[string]mark

type mark struct {
	size    int64
	changed time.Time
}

func (s snapshot) same(t snapshot) bool { return maps.Equal(s, t) }

// sources knows where the files are that a program is made of: those of its own module, and of modules that lie beside it. All
// others never change.
type sources struct {
	dirs  []string // of packages; everything that lies in one counts, also a file that is new
	files []string // beside them
}

// listed is what the go command says of a package.
type listed struct {
	Dir        string
	EmbedFiles []string
	Module     *struct {
		Main    bool
		GoMod   string
		Replace *struct{ Version string }
	}
}

// find asks the go command for the sources of the program in dir. It works on programs that do not compile, too.
func find(ctx context.Context, dir string) (sources, error) {
	var s sources
	out, err := goCommand(ctx, dir, "list", "-e", "-deps", "-json=Dir,EmbedFiles,Module", ".")
	if err != nil {
		return s, err
	}
	mods := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			if len(s.dirs) == 0 {
				return s, fmt.Errorf("there is no Go package in %s", dir)
			}
			return s, nil
		case err != nil:
			return s, fmt.Errorf("read what the go command says of %s: %w", dir, err)
		}
		m := p.Module
		if m == nil || !m.Main && (m.Replace == nil || m.Replace.Version != "") {
			continue
		}
		s.dirs = append(s.dirs, p.Dir)
		for _, name := range p.EmbedFiles {
			s.files = append(s.files, filepath.Join(p.Dir, name))
		}
		if m.GoMod != "" && !mods[m.GoMod] {
			mods[m.GoMod] = true
			s.files = append(s.files, m.GoMod, filepath.Join(filepath.Dir(m.GoMod), "go.sum"))
		}
	}
}

// look takes a snapshot. What cannot be read looks like what is not there.
func (s sources) look() snapshot {
	now := snapshot{}
	for _, dir := range s.dirs {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if filepath.Ext(e.Name()) == ".go" {
				now.add(filepath.Join(dir, e.Name()))
			}
		}
	}
	for _, f := range s.files {
		now.add(f)
	}
	return now
}

func (s snapshot) add(path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Type()&^fs.ModeSymlink == 0 {
		s[path] = mark{info.Size(), info.ModTime()}
	}
}

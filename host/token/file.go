package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/stagehouse/stagehouse/schema"
)

// stamp tells one state of a file from another without reading it. Each state is a file of its own, because writeFile
// renames; the time alone would not do, as it is only as fine as the kernel's tick.
type stamp struct{ info fs.FileInfo } // nil = no file

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == nil && o.info == nil
	}
	return os.SameFile(s.info, o.info) && s.info.Size() == o.info.Size() && s.info.ModTime().Equal(o.info.ModTime())
}

// current returns every token that may be presented, reading the files only when they have changed.
func (s *Store) current() ([]entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := [2]stamp{stampOf(s.AdminPath()), stampOf(filepath.Join(s.dir, tableFile))}
	if s.known != nil && now[0].same(s.stamp[0]) && now[1].same(s.stamp[1]) {
		return s.known, nil
	}
	known, err := s.readTable()
	if err != nil {
		return nil, err
	}
	admin, err := s.Admin()
	switch {
	case err == nil:
		known = append(known, entry{Info{Principal: AdminPrincipal, Scopes: []schema.Scope{schema.ScopeAdmin}}, hash(admin)})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	s.known, s.stamp = known, now
	return known, nil
}

func (s *Store) readTable() ([]entry, error) {
	path := filepath.Join(s.dir, tableFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []entry{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	all := []entry{}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read tokens: %s: %w; restore it from a backup, or delete it and create the tokens anew", path, err)
	}
	return all, nil
}

// change rewrites the table under a lock that other processes respect too.
func (s *Store) change(f func([]entry) ([]entry, error)) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	lock := flock.New(filepath.Join(s.dir, lockFile), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("lock tokens: %w", err)
	}
	defer lock.Unlock()
	all, err := s.readTable()
	if err != nil {
		return err
	}
	all, err = f(all)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	if err := writeFile(filepath.Join(s.dir, tableFile), append(b, '\n')); err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	return nil
}

// writeFile replaces path by content, durably and all at once; nobody else can read it.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

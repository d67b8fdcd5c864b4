package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// Sweep removes the private directories of processes below runDir, with the directories of their sockets, and returns
// their names. The caller is sure that no host uses runDir. Nothing else in it is touched, and no symbolic link is
// followed but the one to a directory of sockets that is where and what it has to be. An error says what could not be
// removed.
func Sweep(runDir string) ([]string, error) {
	entries, err := os.ReadDir(runDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read run directory: %w", err)
	}
	ours := regexp.MustCompile(`^.{1,16}-[0-9]+-[0-9]+$`) // as newDirectory makes it
	var swept []string
	var errs []error
	for _, e := range entries {
		path := filepath.Join(runDir, e.Name())
		if !ours.MatchString(e.Name()) || !ownDirectory(path) {
			continue
		}
		d := &directory{path: path, sockets: path}
		if target, err := os.Readlink(filepath.Join(path, socketsLink)); err == nil && isSocketDir(target) {
			d.sockets = target
		}
		if err := d.remove(); err != nil {
			errs = append(errs, err)
			continue
		}
		swept = append(swept, e.Name())
	}
	return swept, errors.Join(errs...)
}

// isSocketDir reports whether path is a directory that newDirectory has made for sockets.
func isSocketDir(path string) bool {
	parent, name := filepath.Split(path)
	if parent = filepath.Clean(parent); parent != filepath.Clean(os.TempDir()) && parent != filepath.Clean(shortTempDir()) {
		return false
	}
	return filepath.Clean(path) == path && regexp.MustCompile(`^`+socketDirPrefix+`[0-9]+$`).MatchString(name) && ownDirectory(path)
}

// ownDirectory reports whether path is a directory, and no link to one, that belongs to this user.
func ownDirectory(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir() && owned(info)
}

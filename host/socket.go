package host

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"golang.org/x/net/netutil"
)

const (
	socketName = "control.sock"
	// maxSocketPath is how long the path of a socket may be on every system.
	maxSocketPath = 103
	// socketDirPrefix begins the directory of a socket for which the data directory is too deep.
	socketDirPrefix = "stagehouse-control-"
)

// socket is the listener of the control socket, and what has to be removed with it.
type socket struct {
	net.Listener
	path string
	dir  string // its own directory; "" = it is in the data directory
}

// listen makes the control socket in the data directory, or in a private directory for temporary files where the path would
// be too long or the file system has no sockets. What a host that was killed has left is replaced. The data directory is
// held.
func listen(data *DataDir, runDir string) (*socket, error) {
	if old, err := ReadState(data.Path()); err == nil {
		removeLost(old.Control)
	}
	inData, err := listenIn(data.Path(), runDir)
	if err == nil {
		return inData, nil
	}
	dir, tempErr := os.MkdirTemp(shortTempDir(), socketDirPrefix) // which only this user can look into
	if tempErr != nil {
		return nil, errors.Join(err, tempErr)
	}
	s := &socket{path: filepath.Join(dir, socketName), dir: dir}
	if s.Listener, tempErr = bind(s.path); tempErr != nil {
		return nil, errors.Join(err, tempErr, os.Remove(dir))
	}
	return s, nil
}

// listenIn makes the socket in the run directory, where nobody else can reach it whatever its mode is at first, and moves it
// to its place when only this user may connect.
func listenIn(dir, runDir string) (*socket, error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("make run directory: %w", err)
	}
	if err := os.Chmod(runDir, 0o700); err != nil { // it may have been there
		return nil, err
	}
	first := filepath.Join(runDir, socketName)
	if err := (&socket{path: first}).remove(); err != nil { // of a host that was killed in this moment
		return nil, err
	}
	l, err := bind(first)
	if err != nil {
		return nil, err
	}
	s := &socket{Listener: l, path: filepath.Join(dir, socketName)}
	if err := os.Rename(first, s.path); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(first))
	}
	return s, nil
}

// bind listens at a path in a directory that is private.
func bind(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is too long for a socket", path)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // we remove it where it is by then
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(path))
	}
	return netutil.LimitListener(l, maxControlConns), nil
}

// remove removes the socket, which is closed, if it is there.
func (s *socket) remove() error {
	paths := []string{s.path}
	if s.dir != "" {
		paths = append(paths, s.dir)
	}
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeLost removes the socket of a host that was killed, and its directory, if it has one of its own. Nothing else goes:
// a directory that has anything else in it stays.
func removeLost(path string) {
	dir := filepath.Dir(path)
	ours := regexp.MustCompile(`^` + socketDirPrefix + `[0-9]+$`)
	if filepath.Base(path) != socketName || filepath.Dir(dir) != filepath.Clean(shortTempDir()) || !ours.MatchString(filepath.Base(dir)) {
		return
	}
	_, _ = os.Remove(path), os.Remove(dir) // what cannot be removed is in nobody's way
}

// shortTempDir returns the directory for temporary files, or the one that every Unix has where that is too deep as well.
func shortTempDir() string {
	dir := os.TempDir()
	if len(dir)+len("/"+socketDirPrefix+"0123456789/"+socketName) <= maxSocketPath || runtime.GOOS == "windows" {
		return dir
	}
	return "/tmp"
}

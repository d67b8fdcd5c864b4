package process

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// maxSocketDir is how long the path of the directory of a socket may be: a socket's own path has room for 103 bytes on
// every system, and go-plugin's names have up to 40.
const maxSocketDir = 60

// Names of what Sweep has to find again.
const (
	socketDirPrefix = "sh-"
	socketsLink     = "sockets"
)

// directory is the private directory of one generation. It holds the copy of the program and the sockets.
type directory struct {
	path    string
	sockets string // path, or another place where that is too long for a socket
}

// newDirectory makes a directory below runDir that only this user can look into.
func newDirectory(runDir, name string, generation uint64) (*directory, error) {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return nil, fmt.Errorf("make run directory: %w", err)
	}
	path, err := os.MkdirTemp(runDir, fmt.Sprintf("%.16s-%d-", name, generation))
	if err != nil {
		return nil, fmt.Errorf("make the extension's private directory: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("make the extension's private directory: %w", err)
	}
	d := &directory{path: path, sockets: path}
	if len(path) > maxSocketDir {
		if d.sockets, err = os.MkdirTemp(shortTempDir(), socketDirPrefix); err != nil {
			return nil, errors.Join(fmt.Errorf("make a directory for sockets: %w", err), os.RemoveAll(path))
		}
		// Sweep finds the other place by this, after a host that was killed.
		if err := os.Symlink(d.sockets, filepath.Join(path, socketsLink)); err != nil {
			return nil, errors.Join(fmt.Errorf("make a directory for sockets: %w", err), d.remove())
		}
	}
	return d, nil
}

// shortTempDir returns the directory for temporary files, or the one that every Unix has where that is too deep as well.
func shortTempDir() string {
	if dir := os.TempDir(); len(dir) <= maxSocketDir-len("/sh-0123456789") || runtime.GOOS == "windows" {
		return dir
	}
	return "/tmp"
}

func (d *directory) remove() error {
	return errors.Join(os.RemoveAll(d.path), os.RemoveAll(d.sockets))
}

// copyProgram copies the program into the directory, so that the original can be replaced while it runs, and compares
// the SHA-256 of the copy, in hexadecimal, if one is given.
func (d *directory) copyProgram(from, sum string) (string, error) {
	src, err := os.Open(from)
	if err != nil {
		return "", &ExecError{Path: from, Err: err}
	}
	defer func() { _ = src.Close() }() // it was only read
	if info, err := src.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", &ExecError{Path: from, Err: errors.Join(errors.New("it is not a file"), err)}
	}
	to := filepath.Join(d.path, filepath.Base(from))
	hash := sha256.New()
	if err := writeProgram(to, io.TeeReader(src, hash)); err != nil {
		return "", fmt.Errorf("copy the program: %w", err)
	}
	if sum == "" {
		return to, nil
	}
	got := hex.EncodeToString(hash.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(got), []byte(strings.ToLower(strings.TrimSpace(sum)))) != 1 {
		return "", &ChecksumError{Path: from, Want: sum, Got: got}
	}
	return to, nil
}

// writeProgram keeps others from forking while the file is open for writing: their child would hold it open until it has
// called exec, and the kernel runs no program that somebody may write to (go.dev/issue/22315).
func writeProgram(to string, from io.Reader) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, from)
	return errors.Join(err, dst.Close())
}

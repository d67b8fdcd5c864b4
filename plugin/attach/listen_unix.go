//go:build unix

package attach

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Listener is where a process waits for hosts.
type Listener struct{ ln *net.UnixListener }

// Listen waits at address, in a directory that it makes if need be and that nobody but this user may enter.
func Listen(address string) (*Listener, error) {
	dir := filepath.Dir(address)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the socket: %w", err)
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	if Waits(address) {
		return nil, fmt.Errorf("another process waits at %s already; end that one first", address)
	}
	if err := os.Remove(address); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return nil, fmt.Errorf("remove the socket of a process that is gone: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("wait for a host: %w", err)
	}
	return &Listener{ln}, nil
}

// private returns why a directory is not this user's alone, or nil.
func private(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at the directory of the socket: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !owned(info) {
		return fmt.Errorf("%s must be a directory of this user with the mode 0700, and is none: somebody else could have put the socket there", dir)
	}
	return nil
}

func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// Close ends the waiting and removes the socket. Those who are attached stay.
func (l *Listener) Close() error { return l.ln.Close() }

// Accept returns the next host. Its request has still to be read.
func (l *Listener) Accept() (*Visit, error) {
	conn, err := l.ln.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return &Visit{conn}, nil
}

// Visit is one host that a process deals with.
type Visit struct{ conn *net.UnixConn }

// Receive reads the request and the descriptors that come with it, which are the caller's.
func (v *Visit) Receive() (Request, []int, error) {
	var r Request
	if err := sameUser(v.conn); err != nil {
		return r, nil, err
	}
	_ = v.conn.SetDeadline(time.Now().Add(requestTimeout))
	body, fds, err := receive(v.conn)
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	if err != nil {
		closeAll(fds)
		return r, nil, fmt.Errorf("read the request of the host: %w", err)
	}
	_ = v.conn.SetDeadline(time.Time{})
	return r, fds, nil
}

// Answer answers the request.
func (v *Visit) Answer(a Answer) error {
	a.PID = os.Getpid()
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return send(v.conn, b, nil)
}

// Close tells the host that it is not attached any more.
func (v *Visit) Close() { _ = v.conn.Close() }

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd) // nobody has used it
	}
}

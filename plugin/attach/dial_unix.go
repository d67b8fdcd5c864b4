//go:build unix

package attach

import (
	"context"
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

// Guest is a process that a host is attached to.
type Guest struct {
	conn *net.UnixConn
	pid  int
}

// Waits reports whether a process waits at address.
func Waits(address string) bool {
	conn, err := net.Dial("unix", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Dial attaches host to the process that waits at address, and gives it env and files, which stay the caller's. Without one
// there, if it does not answer, or if another host has it, the error is an *AbsentError. A socket of another user is refused.
func Dial(ctx context.Context, address string, host Host, env map[string]string, files []*os.File) (*Guest, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	a, err := ask(ctx, conn, Request{Host: host, Env: env}, files)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = conn.SetDeadline(time.Time{})
	return &Guest{conn: conn, pid: a.PID}, nil
}

// Check asks the process that waits at address what it is and what it thinks of a block, and returns its answer.
func Check(ctx context.Context, address string, block json.RawMessage) ([]byte, error) {
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all is said
	a, err := ask(ctx, conn, Request{Check: block}, nil)
	return a.Result, err
}

func dial(address string) (*net.UnixConn, error) {
	info, err := os.Lstat(address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &AbsentError{Address: address}
	case err != nil:
		return nil, fmt.Errorf("look for the process to attach: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is no socket; it must be what the extension prints when it is run with -debug", address)
	case !owned(info):
		return nil, fmt.Errorf("%s belongs to another user, whose process this host does not attach", address)
	}
	if err := private(filepath.Dir(address)); err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: address, Net: "unix"})
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &AbsentError{Address: address}
	}
	if err != nil {
		return nil, fmt.Errorf("reach the process to attach: %w", err)
	}
	if err := sameUser(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// ask sends a request and reads its answer.
func ask(ctx context.Context, conn *net.UnixConn, r Request, files []*os.File) (a Answer, err error) {
	deadline := time.Now().Add(requestTimeout)
	if until, ok := ctx.Deadline(); ok && until.Before(deadline) {
		deadline = until
	}
	_ = conn.SetDeadline(deadline)
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	b, err := json.Marshal(r)
	if err == nil {
		err = send(conn, b, files)
	}
	if err == nil {
		b, _, err = receive(conn)
	}
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return a, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return a, &AbsentError{Address: conn.RemoteAddr().String(), Silent: true}
	case err != nil:
		return a, fmt.Errorf("speak with the process at %s: %w", conn.RemoteAddr(), err)
	case a.Holder != 0:
		return a, &AbsentError{Address: conn.RemoteAddr().String(), Holder: a.Holder}
	case a.Error != "":
		return a, errors.New(a.Error)
	}
	return a, nil
}

// PID returns the number of the process.
func (g *Guest) PID() int { return g.pid }

// Wait returns when the process is gone, or is attached no longer.
func (g *Guest) Wait() { _, _ = g.conn.Read(make([]byte, 1)) } // it says nothing more

// Leave detaches the host. The process goes on without it.
func (g *Guest) Leave() { _ = g.conn.Close() } // Wait returns

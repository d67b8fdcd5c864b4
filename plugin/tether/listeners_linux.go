package tether

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bindTimeout bounds the look-up of a host name in an address.
const bindTimeout = 5 * time.Second

// descriptor is a listening socket that this process keeps and never accepts from. It is the bare number and not a
// net.Listener, because the poller would wake the host for every connection, nor an *os.File, which closes itself when it
// is collected.
type descriptor struct {
	fd     int
	addr   net.Addr
	unlink string // the file of a unix socket
}

func (d *descriptor) Addr() net.Addr { return d.addr }

func (d *descriptor) Close() error {
	err := unix.Close(d.fd)
	if d.unlink != "" {
		err = errors.Join(err, os.Remove(d.unlink))
	}
	return err
}

// get returns the listener of a place, binding it if it is not held yet.
func (l *Listeners) get(p place) (*descriptor, error) {
	d, err := l.hold(p)
	var taken *ListenError
	if l.holder == nil || !errors.As(err, &taken) || !isAddressInUse(taken.Errno) {
		return d, err
	}
	// Without the lock of this set: the other one may be asking about it too.
	if name := l.holder(p.network, p.address); name != "" {
		taken.Message = fmt.Sprintf("the extension %s of this host is listening on %s already; give one of extensions.%s and extensions.%s another address",
			name, p.address, name, l.extension)
		if name == l.extension {
			taken.Message = fmt.Sprintf("the extension %s is listening on %s already, perhaps by another name of the same place", name, p.address)
		}
	}
	return nil, taken
}

func (l *Listeners) hold(p place) (*descriptor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fail := func(format string, args ...any) error {
		return &ListenError{Extension: l.extension, Network: p.network, Address: p.address, Message: fmt.Sprintf(format, args...)}
	}
	if h, ok := l.held[p]; ok {
		return h.(*descriptor), nil
	}
	switch {
	case l.closed:
		return nil, fail("the host is stopping the extension %s; it hands out no more listeners", l.extension)
	case len(l.held) >= maxListeners:
		return nil, fail("the extension %s has %d listeners already; close the ones that it does not need", l.extension, maxListeners)
	case p.nth > 0 && l.fixed(p):
		return nil, fail("the extension %s listens on %s already", l.extension, p.address)
	}
	d, err := bindDescriptor(l.extension, p)
	if err != nil {
		return nil, err
	}
	l.held[p] = d
	return d, nil
}

// fixed reports whether a place names one socket and not any free port.
func (l *Listeners) fixed(p place) bool {
	_, port, err := net.SplitHostPort(p.address)
	return p.network == "unix" || err != nil || (port != "0" && port != "")
}

func bindDescriptor(extension string, p place) (*descriptor, error) {
	ctx, cancel := context.WithTimeout(context.Background(), bindTimeout)
	defer cancel()
	ln, err := Bind(ctx, extension, p.network, p.address)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	d := &descriptor{addr: ln.Addr()}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
		d.unlink = p.address
	}
	if d.fd, err = dupNonblocking(ln.(syscall.Conn)); err != nil {
		return nil, explain(extension, p.network, p.address, err)
	}
	return d, nil
}

// dupNonblocking duplicates the descriptor of c. It does not go through File, whose Fd clears O_NONBLOCK on the
// description that all duplicates share: an Accept in any process would then block its thread until a connection comes,
// and its Close would hang.
func dupNonblocking(c syscall.Conn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failure error
	err = raw.Control(func(from uintptr) {
		fd, failure = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 0)
		if failure == nil {
			failure = unix.SetNonblock(fd, true)
		}
	})
	return fd, errors.Join(err, failure)
}

package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// writeDescriptor sends b with the descriptor of c, if that is not nil.
func writeDescriptor(to *net.UnixConn, b []byte, c stream) error {
	if c == nil {
		_, err := to.Write(b)
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { // which keeps it open meanwhile
		var n int
		n, _, failure = to.WriteMsgUnix(b, unix.UnixRights(int(fd)), nil)
		if failure == nil && n < len(b) {
			_, failure = to.Write(b[n:])
		}
	})
	return errors.Join(err, failure)
}

// readDescriptor fills b and returns the connection that comes with it; nil = none does, or it could not be taken. At the end of the stream it returns
// io.EOF. b ends before the next descriptor.
func readDescriptor(from *net.UnixConn, b []byte) (stream, error) {
	oob := make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := from.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	var c stream
	switch fds := descriptors(oob[:oobn]); len(fds) {
	case 0:
	case 1:
		c, _ = connOf(fds[0]) // without it the record is refused, and the connection stays where it is
	default:
		for _, fd := range fds {
			_ = unix.Close(fd) // nobody has used it
		}
		return nil, fmt.Errorf("handover: a record came with %d descriptors; one was expected", len(fds))
	}
	if _, err := io.ReadFull(from, b[n:]); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: read a record: %w", err), closeIf(c))
	}
	return c, nil
}

func descriptors(oob []byte) []int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for _, m := range messages {
		if got, err := unix.ParseUnixRights(&m); err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}

// connOf takes fd over.
func connOf(fd int) (stream, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: take a connection: %w", err), unix.Close(fd))
	}
	f := os.NewFile(uintptr(fd), "moved connection")
	defer func() { _ = f.Close() }() // the connection has a duplicate
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("handover: take a connection: %w", err)
	}
	s, ok := c.(stream)
	if !ok {
		return nil, errors.Join(fmt.Errorf("handover: a %T cannot move", c), c.Close())
	}
	return s, nil
}

package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// writeDescriptor sends b with the descriptor of c.
func writeDescriptor(to *net.UnixConn, b []byte, c stream) error {
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

// readDescriptor reads into b, and returns the connection that comes with it and how much of b it has filled. At the end of
// the stream it returns io.EOF.
func readDescriptor(from *net.UnixConn, b []byte) (stream, int, error) {
	oob := make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := from.ReadMsgUnix(b, oob)
	if err != nil {
		return nil, 0, err
	}
	if n == 0 {
		return nil, 0, io.EOF
	}
	fds := descriptors(oob[:oobn])
	if len(fds) != 1 {
		for _, fd := range fds {
			_ = unix.Close(fd) // nobody has used it
		}
		return nil, 0, fmt.Errorf("handover: a record came with %d descriptors; one was expected", len(fds))
	}
	c, err := connOf(fds[0])
	return c, n, err
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

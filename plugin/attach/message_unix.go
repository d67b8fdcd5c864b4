//go:build unix

package attach

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// A message is its length in four bytes, big-endian, and then JSON. Descriptors come with the length.
const (
	headSize = 4
	maxFiles = 8
)

func send(conn *net.UnixConn, body []byte, files []*os.File) error {
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = syscall.UnixRights(fds...)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if _, _, err := conn.WriteMsgUnix(head, oob, nil); err != nil {
		return err
	}
	_, err := conn.Write(body)
	return err
}

// receive reads a message and the descriptors that came with it, which are the caller's even with an error.
func receive(conn *net.UnixConn) ([]byte, []int, error) {
	head, oob := make([]byte, headSize), make([]byte, syscall.CmsgSpace(4*maxFiles))
	n, oobn, _, _, err := conn.ReadMsgUnix(head, oob)
	fds := descriptors(oob[:oobn])
	if err == nil {
		_, err = io.ReadFull(conn, head[n:])
	}
	if err != nil {
		return nil, fds, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > maxMessage {
		return nil, fds, fmt.Errorf("a message has %d bytes, and %d are too many", size, maxMessage)
	}
	body := make([]byte, size)
	_, err = io.ReadFull(conn, body)
	return body, fds, err
}

// descriptors returns those of a control message, which no child of this process gets.
func descriptors(oob []byte) []int {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var all []int
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			continue // it carries something else
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
		}
		all = append(all, fds...)
	}
	return all
}

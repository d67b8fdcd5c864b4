//go:build unix

package api

import (
	"errors"

	"golang.org/x/sys/unix"
)

// peerGone reports whether there is nothing more to come on a socket.
func peerGone(fd uintptr) bool {
	var one [1]byte
	n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n == 0 && err == nil || errors.Is(err, unix.ECONNRESET)
}

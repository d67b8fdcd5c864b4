package attach

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// sameUser returns an error where another user is at the other end.
func sameUser(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("see whose connection it is: %w", err)
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || failed != nil {
		return fmt.Errorf("see whose connection it is: %w", errors.Join(err, failed))
	}
	if int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("process %d at the other end of the socket is of another user (%d)", peer.Pid, peer.Uid)
	}
	return nil
}

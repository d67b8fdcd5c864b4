//go:build unix && !linux

package attach

import "net"

// sameUser trusts the directory of the socket, which nobody else may enter.
func sameUser(*net.UnixConn) error { return nil }

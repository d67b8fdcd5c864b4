//go:build !linux

package handover

import (
	"errors"
	"net"
)

var errUnsupported = errors.New("handover: connections cannot move on this system")

func writeDescriptor(*net.UnixConn, []byte, stream) error { return errUnsupported }

func readDescriptor(*net.UnixConn, []byte) (stream, error) { return nil, errUnsupported }

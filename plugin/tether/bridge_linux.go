package tether

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Shared says whether generations of an extension share their listeners, so that one can follow the other without a moment
// in between in which nobody listens.
const Shared = true

// Bridge returns the two ends of a new connection between two generations of an extension, over which the older one hands
// its connections to the younger one. The caller gives each end to its process and closes both.
func Bridge() (older, younger *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a bridge between two generations: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "bridge"), os.NewFile(uintptr(fds[1]), "bridge"), nil
}

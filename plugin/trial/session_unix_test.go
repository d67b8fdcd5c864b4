//go:build unix

package trial_test

import (
	"os"
	"syscall"
)

// ownSession takes a process out of the group that the host ends.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// hang stops this process, which then does nothing more.
func hang() error { return syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

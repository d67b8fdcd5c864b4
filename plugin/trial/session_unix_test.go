//go:build unix

package trial_test

import "syscall"

// ownSession takes a process out of the group that the host ends.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

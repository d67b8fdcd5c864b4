//go:build unix

package sdk

import (
	"os"
	"syscall"
)

// killOwnGroup kills this process and everything in its process group, if it leads the group; a group that somebody else
// leads, such as a shell's, is not its own to end.
func killOwnGroup() {
	if pid := os.Getpid(); syscall.Getpgrp() == pid {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // a process may always kill itself
	}
}

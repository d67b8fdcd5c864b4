//go:build unix

package plugintest

import (
	"os"
	"syscall"
)

func stopSelf() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) } // a process may always stop itself

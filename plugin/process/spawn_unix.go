//go:build unix

package process

import "syscall"

// kill kills the process and its group. It may be called at any time, from anywhere.
func (c *command) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		killGroup(c.cmd.Process.Pid)
	}
}

// killGroup kills the process and everything that it has started and that has not left its group.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // ESRCH: there is nothing left to kill

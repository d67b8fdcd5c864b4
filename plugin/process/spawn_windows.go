package process

import "syscall"

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func (c *command) wait() error { return c.cmd.Wait() }

// kill kills the process alone: Windows knows no group that could be killed.
func (c *command) kill() { _ = c.cmd.Process.Kill() } // it may be dead already

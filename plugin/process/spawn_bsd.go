//go:build unix && !linux

package process

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// wait waits for the process and kills what it leaves behind in its group, which keeps its number while it has members.
func (c *command) wait() error {
	err := c.cmd.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	killGroup(c.cmd.Process.Pid)
	return err
}

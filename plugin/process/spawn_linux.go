package process

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes give the process a group of its own, which the terminal's Ctrl-C does not reach, and the kernel's word
// that it dies with the host. The sdk softens that for itself, because it drains at the end of the tether and is sure to
// exit then; what knows no tether is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// wait waits for the process and kills what it leaves behind in its group, which it does before the process is reaped: as
// long as it is not, nothing else can have its number.
func (c *command) wait() error {
	pid := c.cmd.Process.Pid
	dead := awaitExit(pid)
	c.mu.Lock()
	defer c.mu.Unlock()
	if dead {
		killGroup(pid)
	}
	err := c.cmd.Wait()
	c.reaped = true
	return err
}

// awaitExit returns true when the process is dead and not reaped, and false where the kernel cannot tell.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}

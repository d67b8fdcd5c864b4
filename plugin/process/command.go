package process

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

// outputGrace is how long the output of a dead process is still read: somebody that it started may hold it open.
const outputGrace = 250 * time.Millisecond

// command is one operating-system process with its output, from its start until it is reaped.
type command struct {
	cmd   *exec.Cmd
	guest *attach.Guest // where somebody else has started it; nil = it is ours
	line  *line         // nil = it has none
	log   *logger

	outR, errR *os.File
	reading    sync.WaitGroup

	mu     sync.Mutex // held while the process is reaped, so that its number is not another's when it is killed
	reaped bool

	done  chan struct{} // closed when it is reaped, its group is dead and its output is read
	state string        // how it ended; read after done
}

// starter starts a command, or attaches to a process in its place.
type starter func(*exec.Cmd) (*attach.Guest, error)

// launch starts cmd and reads its output: out gets its standard output, log its standard error.
func launch(start starter, cmd *exec.Cmd, ln *line, listeners *tether.Listeners, log *logger, out func(io.Reader)) (*command, error) {
	c := &command{cmd: cmd, line: ln, log: log, done: make(chan struct{})}
	outW, errW, err := c.pipes()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = outW, errW, attributes()
	c.guest, err = start(cmd)
	_, _ = outW.Close(), errW.Close() // the process has its own
	if err != nil {
		_, _ = c.outR.Close(), c.errR.Close() // nothing was read from them
		return nil, err
	}
	if ln != nil {
		if err := ln.started(listeners); err != nil {
			log.log.Warn("start the tether", "error", err.Error())
		}
	}
	c.reading.Go(func() { out(c.outR) })
	c.reading.Go(func() { eachLine(c.errR, log.stderr()) })
	go c.reap()
	return c, nil
}

func (c *command) pipes() (outW, errW *os.File, err error) {
	if c.outR, outW, err = os.Pipe(); err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	if c.errR, errW, err = os.Pipe(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("make pipe: %w", err), c.outR.Close(), outW.Close())
	}
	return outW, errW, nil
}

// reap waits for the process, kills what it leaves behind, and reads the rest of what it wrote.
func (c *command) reap() {
	c.state = c.await()
	deadline := time.Now().Add(outputGrace)
	_, _ = c.outR.SetReadDeadline(deadline), c.errR.SetReadDeadline(deadline) // a pipe of os.Pipe has deadlines
	c.reading.Wait()
	_, _ = c.outR.Close(), c.errR.Close()
	c.log.omitted.tell()
	if c.line != nil {
		_ = c.line.Close() // the other end is gone
	}
	close(c.done)
}

// await waits for the end of the process, and says how it ended.
func (c *command) await() string {
	if c.guest != nil {
		c.guest.Wait()
		return "it was attached, and is gone or has let go of this host"
	}
	if err := c.wait(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

func (c *command) pid() int {
	if c.guest != nil {
		return c.guest.PID()
	}
	return c.cmd.Process.Pid
}

// end ends the process at once, with its group. One that somebody else has started is only let go of. It may be called at any
// time, from anywhere.
func (c *command) end() {
	if c.guest != nil {
		c.guest.Leave()
		return
	}
	c.kill()
}

// ok reports whether the process ended well; it is called after done.
func (c *command) ok() bool { return c.cmd.ProcessState.Success() }

// ended describes the end of the process; it is called after done.
func (c *command) ended() *ExitError {
	return &ExitError{State: cmp.Or(c.state, "unknown"), Last: c.log.lastWords()}
}

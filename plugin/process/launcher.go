package process

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"

	"github.com/stagehouse/stagehouse/plugin/attach"
)

// Launcher starts processes from one operating-system thread that lives until Close. On Linux the kernel signals a child
// when the thread that started it ends (Pdeathsig), and Go ends threads when it likes.
type Launcher struct {
	host    attach.Host // who processes are attached to
	jobs    chan job
	closing chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

type job struct {
	cmd    *exec.Cmd
	result chan error
}

var errLauncherClosed = errors.New("the host is stopping; it starts no more processes")

// NewLauncher returns a running launcher.
func NewLauncher() *Launcher {
	l := &Launcher{host: attach.NewHost(), jobs: make(chan job), closing: make(chan struct{})}
	l.running.Go(l.loop)
	return l
}

// loop never unlocks its thread, so that the thread ends with it and is not used for anything else.
func (l *Launcher) loop() {
	runtime.LockOSThread()
	for {
		select {
		case j := <-l.jobs:
			j.result <- j.cmd.Start()
		case <-l.closing:
			return
		}
	}
}

// own starts a process of the host's own.
func (l *Launcher) own(cmd *exec.Cmd) (*attach.Guest, error) {
	if err := l.start(cmd); err != nil {
		return nil, &ExecError{Path: cmd.Path, Err: err}
	}
	return nil, nil
}

func (l *Launcher) start(cmd *exec.Cmd) error {
	j := job{cmd: cmd, result: make(chan error, 1)}
	select {
	case l.jobs <- j:
		return <-j.result
	case <-l.closing:
		return errLauncherClosed
	}
}

// Close ends the thread. Processes that are still running are told to end by the kernel.
func (l *Launcher) Close() {
	l.once.Do(func() { close(l.closing) })
	l.running.Wait()
}

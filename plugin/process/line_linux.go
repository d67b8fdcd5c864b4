package process

import (
	"errors"
	"net"
	"os"
	"os/exec"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

// line ties a process to this host: the host's end of its tether.
type line struct {
	conn    *net.UnixConn
	process *os.File
	server  *tether.Server
}

// tie gives cmd the process's end of a new tether as its first extra descriptor, which is number 3.
func tie(cmd *exec.Cmd) (*line, error) {
	conn, process, err := tether.Pair()
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{process}
	cmd.Env = append(cmd.Env, protocol.EnvTether+"=3")
	return &line{conn: conn, process: process}, nil
}

// started is called when cmd has its end: the process's questions are answered from listeners from now on.
func (l *line) started(listeners *tether.Listeners) error {
	l.server = tether.Serve(l.conn, listeners)
	err := l.process.Close()
	l.process = nil
	return err
}

func (l *line) begin(from *os.File) error { return l.server.Begin(from) }
func (l *line) leave(to *os.File) error   { return l.server.Leave(to) }
func (l *line) left() <-chan struct{}     { return l.server.Left() }
func (l *line) keep() error               { return l.server.Keep() }

func (l *line) Close() error {
	var errs []error
	if l.process != nil {
		errs = append(errs, l.process.Close())
	}
	if l.server != nil {
		return errors.Join(append(errs, l.server.Close())...)
	}
	return errors.Join(append(errs, l.conn.Close())...)
}

//go:build !linux

package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
)

// line ties a process to this host: its standard input ends when the host does.
type line struct{ stdin io.WriteCloser }

func tie(cmd *exec.Cmd) (*line, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make lifeline: %w", err)
	}
	cmd.Env = append(cmd.Env, protocol.EnvLifeline+"="+protocol.LifelineStdin)
	return &line{stdin: stdin}, nil
}

func (l *line) started(*tether.Listeners) error { return nil }

// What follows is about listeners that the host keeps, and here it keeps none.
func (l *line) begin(*os.File) error  { return nil }
func (l *line) leave(*os.File) error  { return nil }
func (l *line) left() <-chan struct{} { return nil }
func (l *line) keep() error           { return nil }

func (l *line) Close() error { return l.stdin.Close() }

package tether

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// Line is the process's side of what ties it to its host.
type Line interface {
	// Listen returns a listener of the host's, or one of this process where there is no tether. Its error is a *ListenError,
	// or that of ctx.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// Gone is closed when the host is gone.
	Gone() <-chan struct{}
	// Close lets go of the line.
	Close() error
}

// Connect returns the line that the environment names. Without any, nobody hands out listeners and the host is never gone.
func Connect(getenv func(string) string, stdin io.ReadCloser, extension string) (Line, error) {
	if text := getenv(protocol.EnvTether); text != "" {
		fd, err := strconv.Atoi(text)
		if err != nil || fd < 3 {
			return nil, fmt.Errorf("%s=%q is not the number of a descriptor", protocol.EnvTether, text)
		}
		return dial(fd, extension)
	}
	l := &lifeline{extension: extension, stdin: stdin, gone: make(chan struct{})}
	if getenv(protocol.EnvLifeline) == protocol.LifelineStdin {
		go l.watch()
	}
	return l, nil
}

// lifeline is the line where descriptors cannot be handed out.
type lifeline struct {
	extension string
	stdin     io.ReadCloser
	gone      chan struct{}
}

var _ Line = (*lifeline)(nil)

// watch ends with standard input, which no Close of ours can be sure to interrupt; it lives as long as the process.
func (l *lifeline) watch() {
	defer close(l.gone)
	_, _ = io.Copy(io.Discard, l.stdin) // however it ends, it has ended
}

func (l *lifeline) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return Bind(ctx, l.extension, network, address)
}

func (l *lifeline) Gone() <-chan struct{} { return l.gone }

func (l *lifeline) Close() error { return l.stdin.Close() }

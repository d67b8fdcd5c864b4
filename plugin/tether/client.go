package tether

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// Line is the process's side of what ties it to its host.
type Line interface {
	// Listen returns a listener of the host's, or one of this process where there is no tether. Its error is a *ListenError,
	// or that of ctx.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// Serving is closed when it is on this process to accept connections, and not on a generation before it. Where
	// listeners are not shared between generations it always is.
	Serving() <-chan struct{}
	// Predecessor returns, after Serving, the connection over which the generation before hands its connections over; nil
	// where there is none. The caller owns it.
	Predecessor() *net.UnixConn
	// Successor waits for the connection over which connections are handed to the generation after, until ctx is done; nil
	// where there is none. The caller owns it.
	Successor(ctx context.Context) *net.UnixConn
	// Left tells the host that this process accepts nothing any more. A host that is gone need not know.
	Left()
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
	l := &lifeline{extension: extension, stdin: stdin, serving: make(chan struct{}), gone: make(chan struct{})}
	close(l.serving)
	if getenv(protocol.EnvLifeline) == protocol.LifelineStdin {
		go l.watch()
	}
	return l, nil
}

// lifeline is the line where descriptors cannot be handed out.
type lifeline struct {
	extension string
	stdin     io.ReadCloser
	serving   chan struct{}
	gone      chan struct{}
}

var _ Line = (*lifeline)(nil)

// watch ends with standard input, which no Close of ours can be sure to interrupt; it lives as long as the process.
func (l *lifeline) watch() {
	defer close(l.gone)
	_, _ = io.Copy(io.Discard, l.stdin) // however it ends, it has ended
}

// Listen binds, and waits for a moment where somebody has the address: it may be the generation before, which is about to
// let go of it.
func (l *lifeline) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	again := time.NewTicker(bindInterval)
	defer again.Stop()
	late := time.After(bindWait)
	for {
		ln, err := Bind(ctx, l.extension, network, address)
		var taken *ListenError
		if err == nil || !errors.As(err, &taken) || !isAddressInUse(taken.Errno) {
			return ln, err
		}
		select {
		case <-again.C:
		case <-late:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

// How long an address may be taken, and how often it is tried.
const (
	bindWait     = 2 * time.Second
	bindInterval = 5 * time.Millisecond
)

func (l *lifeline) Serving() <-chan struct{}                { return l.serving }
func (l *lifeline) Predecessor() *net.UnixConn              { return nil }
func (l *lifeline) Successor(context.Context) *net.UnixConn { return nil }
func (l *lifeline) Left()                                   {}
func (l *lifeline) Gone() <-chan struct{}                   { return l.gone }

func (l *lifeline) Close() error { return l.stdin.Close() }

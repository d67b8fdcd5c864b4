package process

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// maxHandshake bounds the line with which an extension says that it serves, in bytes.
const maxHandshake = 16 << 10

// adapter lets go-plugin run a command. It shows go-plugin the handshake and nothing else of the output, so that each
// odd beginning gets a diagnosis of ours, and a flood ends here.
type adapter struct {
	start       func() (*command, error)
	multiplexed func(bool) // told by the handshake whether the process has all connections on one

	stdout *io.PipeReader
	feed   *io.PipeWriter

	mu      sync.Mutex
	cmd     *command // nil until it is started
	aborted bool
	problem error // what was wrong with the handshake
}

var _ runner.Runner = (*adapter)(nil)

// newAdapter returns an adapter of the command that start starts.
func newAdapter(start func(a *adapter) (*command, error)) *adapter {
	a := &adapter{}
	a.start = func() (*command, error) { return start(a) }
	a.stdout, a.feed = io.Pipe()
	return a
}

// handshake reads the first line of the process's standard output, and then logs the rest.
func (a *adapter) handshake(log *logger) func(io.Reader) {
	return func(r io.Reader) {
		br := bufio.NewReaderSize(r, maxHandshake)
		line, err := br.ReadSlice('\n')
		if problem := checkHandshake(string(line), err); problem != nil {
			a.mu.Lock()
			a.problem = problem
			a.mu.Unlock()
		} else {
			a.multiplexed(multiplexes(string(line)))
			_, _ = a.feed.Write(line) // go-plugin reads it, or has given up already
		}
		_ = a.feed.Close()
		eachLine(br, log.stdout())
	}
}

// checkHandshake returns what is wrong with the first line, or nil where go-plugin can read it. Nothing at all is no
// mistake of the line's: the process has ended.
func checkHandshake(line string, err error) error {
	line = strings.TrimRight(line, "\r\n")
	if line == "" && err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return io.ErrUnexpectedEOF
	}
	parts := strings.Split(line, "|")
	if len(parts) < 6 || parts[0] != "1" {
		return &StdoutError{Line: line[:min(len(line), 200)]}
	}
	if parts[1] != strconv.Itoa(protocol.Major) {
		return &VersionError{Major: parts[1]}
	}
	return nil
}

// multiplexes reports whether a process that says that line when it shakes hands has all connections on one. One that
// does not may have no seventh part, as before go-plugin knew of it.
func multiplexes(line string) bool {
	parts := strings.Split(strings.TrimRight(line, "\r\n"), "|")
	return len(parts) > 6 && parts[6] != "false"
}

func (a *adapter) trouble() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.problem
}

// command returns the command, or nil where none was started.
func (a *adapter) command() *command {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cmd
}

// abort kills the command, now or as soon as it is started.
func (a *adapter) abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.aborted = true
	if a.cmd != nil {
		a.cmd.end()
	}
}

func (a *adapter) Start(context.Context) error {
	c, err := a.start()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cmd = c
	if a.aborted {
		c.end()
	}
	return nil
}

func (a *adapter) Wait(context.Context) error {
	<-a.command().done
	return nil
}

func (a *adapter) Kill(context.Context) error {
	a.command().end()
	return nil
}

// Stderr ends with the process; what it writes there never passes through go-plugin.
func (a *adapter) Stderr() io.ReadCloser { return io.NopCloser(untilDone(a.command().done)) }
func (a *adapter) Stdout() io.ReadCloser { return a.stdout }

type untilDone <-chan struct{}

func (u untilDone) Read([]byte) (int, error) {
	<-u
	return 0, io.EOF
}

func (a *adapter) Name() string                    { return a.command().cmd.Path }
func (a *adapter) ID() string                      { return strconv.Itoa(a.command().pid()) }
func (a *adapter) Diagnose(context.Context) string { return "" }

func (a *adapter) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (a *adapter) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/plugin/protocol"
)

// idleConnection is after how long a connection without a call goes to sleep. One that is in use never is without: it has
// go-plugin's stream of output. go-plugin forgets to close the connection of a process that dies between the handshake
// and the first call, and asleep it costs nothing.
const idleConnection = 30 * time.Second

// link is what go-plugin hands over when it dispenses an extension.
type link struct {
	broker *goplugin.GRPCBroker
	conn   *grpc.ClientConn
}

// contract is the plugin that go-plugin dispenses on the host's side.
type contract struct {
	goplugin.NetRPCUnsupportedPlugin
}

var _ goplugin.GRPCPlugin = contract{}

func (contract) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host serves no extensions")
}

func (contract) GRPCClient(_ context.Context, b *goplugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return &link{broker: b, conn: c}, nil
}

// newClient returns go-plugin's client of the process that a starts. A client is for one launch: its configuration is
// changed by the start.
func newClient(a *adapter, cmd *exec.Cmd, dir *directory, log *logger) *goplugin.Client {
	return goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{protocol.Major: {protocol.PluginName: contract{}}},
		RunnerFunc: func(_ hclog.Logger, template *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Env = append(cmd.Env, template.Env...)
			return a, nil
		},
		AllowedProtocols:    []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:              hclog.NewNullLogger(), // what matters is in the errors; its Kill warns of what is meant
		StartTimeout:        24 * time.Hour,        // the caller's context bounds it
		AutoMTLS:            true,
		GRPCBrokerMultiplex: true,
		SkipHostEnv:         true,
		UnixSocketConfig:    &goplugin.UnixSocketConfig{TempDir: dir.sockets},
		SyncStdout:          lineWriter(log.stdout),
		SyncStderr:          lineWriter(log.stderr),
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithIdleTimeout(idleConnection),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallRecvMsgSize(protocol.MaxMessageSize), grpc.MaxCallSendMsgSize(protocol.MaxMessageSize)),
		},
	})
}

func dispense(c *goplugin.Client) (*link, error) {
	rpc, err := c.Client()
	if err != nil {
		return nil, err
	}
	raw, err := rpc.Dispense(protocol.PluginName)
	if err != nil {
		return nil, err
	}
	l, ok := raw.(*link)
	if !ok {
		return nil, fmt.Errorf("go-plugin dispensed a %T", raw)
	}
	return l, nil
}

// lineWriter calls itself for every line that is written to it. go-plugin writes from one goroutine.
func lineWriter(f func(line []byte, cut bool)) io.Writer {
	return &lineBuffer{emit: f}
}

type lineBuffer struct {
	emit func(line []byte, cut bool)
	buf  []byte
	skip bool // until the end of a line that was too long
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n':
			if len(b.buf) > 0 && !b.skip {
				b.emit(b.buf, false)
			}
			b.buf, b.skip = b.buf[:0], false
		case b.skip:
		case len(b.buf) == maxLine:
			b.emit(b.buf, true)
			b.buf, b.skip = b.buf[:0], true
		default:
			b.buf = append(b.buf, c)
		}
	}
	return len(p), nil
}

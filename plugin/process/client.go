package process

import (
	"bytes"
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
// changed by the start. It offers to have all connections on one where the process dies with its host's use of it: go-plugin
// closes that one only half, and waits for the other side, which may be stopped in a debugger.
func newClient(a *adapter, cmd *exec.Cmd, dir *directory, log *logger, multiplex bool) (*goplugin.Client, error) {
	identity, err := newIdentity()
	if err != nil {
		return nil, err
	}
	config := &goplugin.ClientConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{protocol.Major: {protocol.PluginName: contract{}}},
		RunnerFunc: func(_ hclog.Logger, template *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Env = append(append(cmd.Env, template.Env...), envClientCert+"="+identity.pem)
			return a, nil
		},
		AllowedProtocols:    []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:              hclog.NewNullLogger(), // what matters is in the errors; its Kill warns of what is meant
		StartTimeout:        24 * time.Hour,        // the caller's context bounds it
		TLSConfig:           identity.config(),     // and no AutoMTLS, whose certificate is on a curve that not everybody knows
		GRPCBrokerMultiplex: multiplex,
		SkipHostEnv:         true,
		UnixSocketConfig:    &goplugin.UnixSocketConfig{TempDir: dir.sockets},
		SyncStdout:          lineWriter(log.stdout()),
		SyncStderr:          lineWriter(log.stderr()),
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithIdleTimeout(idleConnection),
			grpc.WithDefaultCallOptions(
				grpc.MaxCallRecvMsgSize(protocol.MaxMessageSize), grpc.MaxCallSendMsgSize(protocol.MaxMessageSize)),
		},
	}
	// go-plugin insists on a multiplexed connection where it asks for one. It looks again when it has the handshake.
	a.multiplexed = func(is bool) { config.GRPCBrokerMultiplex = is }
	return goplugin.NewClient(config), nil
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

// lineWriter returns a writer that gives s every line that is written to it. go-plugin writes from one goroutine.
func lineWriter(s sink) io.Writer { return &lineBuffer{sink: s} }

type lineBuffer struct {
	sink sink
	buf  []byte
	skip bool // until the end of a line that was too long
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		b.add(part)
		if p = rest; ended {
			b.end()
		}
	}
	return n, nil
}

func (b *lineBuffer) add(part []byte) {
	if room := maxLine - len(b.buf); !b.skip && len(part) > room {
		b.sink.line(append(b.buf, part[:room]...), true)
		part, b.buf, b.skip = part[room:], b.buf[:0], true
	}
	if b.skip {
		b.sink.rest(len(part))
		return
	}
	b.buf = append(b.buf, part...)
}

func (b *lineBuffer) end() {
	if len(b.buf) > 0 {
		b.sink.line(b.buf, false)
	}
	b.buf, b.skip = b.buf[:0], false
}

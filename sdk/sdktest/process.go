package sdktest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// launch starts this test binary again, for the test of that name alone, which is to become an extension there.
func launch(t testing.TB, test string, d sdk.Definition, services schema.Services, opts ...Option) *Running {
	t.Helper()
	o := optionsOf(t, opts)
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// go-plugin leaves the file of its socket behind. The directory is none of the test's, whose path can be too long.
	sockets, err := os.MkdirTemp("", "sh-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	cmd := exec.Command(path, "-test.run="+onlyTest(test))
	cmd.Env = []string{goplugin.EnvUnixSocketDir + "=" + sockets}
	log := &testWriter{t: t, open: true}
	t.Cleanup(log.close)
	c := &contract{register: func(s *grpc.Server) { wire.Register(s, services, d.Name) }, ready: make(chan struct{}), over: make(chan struct{})}
	client := goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:     goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins:    map[int]goplugin.PluginSet{protocol.Major: {protocol.PluginName: c}},
		Cmd:                 cmd,
		AllowedProtocols:    []goplugin.Protocol{goplugin.ProtocolGRPC},
		Logger:              hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log, DisableTime: true}),
		StartTimeout:        DefaultStartTimeout,
		AutoMTLS:            true,
		GRPCBrokerMultiplex: true,
	})
	t.Cleanup(func() { client.Kill(); c.stop() })
	rpc, err := client.Client()
	if err != nil {
		t.Fatalf("run %s as an extension: %v", test, err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // what was not drained would take its time when it is asked to go
	if _, err := rpc.Dispense(protocol.PluginName); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ready:
	case <-c.over:
		t.Fatal("the services cannot be offered to the process")
	}
	return &Running{
		client: pb.NewExtensionClient(c.conn), commands: pb.NewCommandsClient(c.conn), brains: pb.NewBrainsClient(c.conn),
		brokerID: c.id, stateDir: o.state, http: (*network)(nil).client(t),
	}
}

// becomeExtension does not return in a process that launch has started.
func becomeExtension(d sdk.Definition) {
	if os.Getenv(protocol.CookieKey) == protocol.CookieValue || os.Getenv(protocol.EnvCheck) == "1" {
		sdk.Main(d)
	}
}

// onlyTest returns the pattern that selects a test, or a subtest, by its name.
func onlyTest(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// contract is the host's side of the boundary, as small as it can be.
type contract struct {
	goplugin.NetRPCUnsupportedPlugin
	register func(*grpc.Server)
	ready    chan struct{} // closed when the process may dial the services
	over     chan struct{} // closed when they are served no more

	conn   *grpc.ClientConn
	id     uint32
	server *grpc.Server
}

var _ goplugin.GRPCPlugin = (*contract)(nil)

func (c *contract) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a host serves no extensions")
}

func (c *contract) GRPCClient(_ context.Context, b *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	c.conn, c.id = conn, b.NextId()
	go func() {
		defer close(c.over)
		b.AcceptAndServe(c.id, func(opts []grpc.ServerOption) *grpc.Server {
			c.server = grpc.NewServer(append(opts,
				grpc.MaxRecvMsgSize(wire.MaxMessageSize), grpc.MaxSendMsgSize(wire.MaxMessageSize))...)
			c.register(c.server)
			close(c.ready)
			return c.server
		})
	}()
	return c, nil
}

func (c *contract) stop() {
	if c.conn == nil { // it was never dispensed
		return
	}
	select {
	case <-c.ready:
		c.server.Stop()
		<-c.over
	case <-c.over:
	}
}

package sdk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

// OrphanDrainTimeout bounds the drain of an extension whose host is gone, or that a signal tells to end.
const OrphanDrainTimeout = 5 * time.Second

// Main is the whole main function of an extension: it serves d to the host that runs the program, and exits. With the
// argument "describe" it prints a schema.Description, with "check" it reads a block of configuration on its standard input
// and prints a schema.CheckResult (exit code 1 if something is wrong with the block). With "-debug" it waits for a host to
// attach, and prints what to put into its configuration for that; it serves until Ctrl-C. Run by hand in any other way it
// says what the program is, and exits with code 2.
//
// What the extension prints to os.Stdout goes to the host's log, and so does what it logs by the default loggers of
// packages slog and log. Interrupts of the terminal are the host's business and are ignored; SIGTERM drains.
//
// When the host is gone, the extension drains for at most OrphanDrainTimeout. Then, as its very last act, it kills its
// process group (on Unix, where it leads one, as it does under a host), because nobody else is left to end what it has
// started. A child in a session or a group of its own (setsid, setpgid) is out of reach, then and always: end it in Drain.
func Main(d Definition) { os.Exit(run(d)) }

func run(d Definition) int {
	p := program{def: d, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	if err := d.validate(); err != nil {
		return p.complain(err)
	}
	if os.Getenv(protocol.EnvCheck) != "1" && os.Getenv(protocol.CookieKey) == protocol.CookieValue {
		return p.serve()
	}
	mode := os.Args[len(os.Args)-1]
	if os.Getenv(protocol.EnvCheck) != "1" && (mode == "-debug" || mode == "--debug") {
		return p.debug()
	}
	os.Stdout = os.Stderr // standard output is for the answer, whatever the author's code prints
	switch {
	case os.Getenv(protocol.EnvCheck) == "1":
		return p.check(false)
	case mode == "describe":
		return p.describe()
	case mode == "check":
		return p.check(true)
	}
	return p.explain()
}

// serve serves the host until it says that it is enough, is gone, or a signal comes, and then finishes what is in flight.
// Where the host has drained the extension before, that is nothing.
func (p program) serve() int {
	m, err := p.join(os.Getenv, os.Stdin, p.stderr)
	if err != nil {
		return p.complain(err)
	}
	server, line, log := m.server, m.line, m.log
	if os.Getenv(protocol.EnvTether) != "" {
		softenDeath() // only now: the end of the tether will be seen
	}
	// A program that the extension starts must not take the line for its own.
	if err := errors.Join(os.Unsetenv(protocol.EnvTether), os.Unsetenv(protocol.EnvLifeline)); err != nil {
		return p.complain(err)
	}
	m.contract.output = restoreOutput(os.Stdout, os.Stderr)

	// A host that is gone does not read the log any more, which must not end the drain.
	signal.Ignore(os.Interrupt, syscall.SIGPIPE)
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	parent := os.Getppid()
	served := make(chan struct{})
	go func() {
		defer close(served)
		goplugin.Serve(serveConfig(m.contract, p.stderr))
	}()
	var notice time.Duration
	select {
	case <-served:
		if !server.hasDrained() {
			notice = goneNotice // a host that ends an extension drains it; this one may have been killed
		}
	case <-terminate:
		// The kernel sends it when one thread of a dying host ends, and others may live a moment longer. Until it is clear
		// whose signal it is, the extension serves on.
		if !isGone(line, parent, goneNotice) {
			log.Info("told to end by a signal; draining")
		}
	case <-line.Gone():
		log.Warn("the host is gone; draining")
	}
	drain(server, log)
	if isGone(line, parent, notice) {
		removeSockets(os.Getenv(goplugin.EnvUnixSocketDir))
		killOwnGroup()
	}
	return 0
}

// member is an instance of the extension, tied to its host and not serving it yet.
type member struct {
	log      *slog.Logger
	line     tether.Line
	contract *contract
	server   *Server
}

// join ties a new instance to the host that getenv and stdin lead to. Its log goes to lines, and is the default one.
func (p program) join(getenv func(string) string, stdin io.ReadCloser, lines io.Writer) (*member, error) {
	level := new(slog.LevelVar)
	out := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: lines, JSONFormat: true})
	m := &member{log: slog.New(&logHandler{out: out, level: level}), contract: &contract{registered: make(chan *grpc.Server, 1)}}
	slog.SetDefault(m.log)
	var err error
	if m.line, err = tether.Connect(getenv, stdin, p.def.Name); err != nil {
		return nil, err
	}
	m.server, err = NewServer(p.def, Environment{
		Services: m.contract.services, HostServices: m.contract.hostServices, Listen: m.line.Listen, Others: m.line, Log: m.log, Level: level,
	})
	m.contract.server = m.server
	return m, err
}

// drain drains for at most OrphanDrainTimeout. A drain that the host began has the host's own deadline, which may be much
// later; the process does not wait for that one, and takes what is left of it along when it ends.
func drain(server *Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), OrphanDrainTimeout)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		switch n, err := server.Drain(ctx); {
		case err != nil:
			log.Warn("not everything was finished", "unfinished", n, "error", err.Error())
		case n > 0:
			log.Warn("not everything was finished", "unfinished", n)
		}
	}()
	select {
	case <-drained:
		return
	case <-ctx.Done():
	}
	select {
	case <-drained:
	case <-time.After(countTime):
		log.Warn("the drain that the host began goes on for too long; it is cut off")
	}
}

// removeSockets removes the sockets in the directory that the host has made for those of go-plugin, and the directory, unless
// something else is in it. A host that was killed cannot (go-plugin#119).
func removeSockets(dir string) {
	entries, _ := os.ReadDir(dir) // none where there is no directory
	for _, e := range entries {
		if e.Type()&os.ModeSocket != 0 {
			_ = os.Remove(filepath.Join(dir, e.Name())) // what is left is swept when the next host starts
		}
	}
	_ = os.Remove(dir) // it may not be empty, or not be there
}

// countTime is how long a drain whose time is up may take to say what it has cut off.
const countTime = 500 * time.Millisecond

// goneNotice is how long the end of a connection to the host, or the signal of its death, may be ahead of the news that
// the host is gone.
const goneNotice = 500 * time.Millisecond

// isGone reports whether the host, which was parent, is gone, and waits for the news of it for as long as notice.
func isGone(line tether.Line, parent int, notice time.Duration) bool {
	if os.Getppid() != parent {
		return true
	}
	select {
	case <-line.Gone():
		return true
	case <-time.After(notice):
	}
	select { // with no notice, both may be ready
	case <-line.Gone():
		return true
	default:
		return false
	}
}

// restoreOutput returns what takes back what go-plugin is going to do to the standard streams: it sends what is printed
// through pipes and goroutines of this process, whose last words are lost when the process exits. The host reads the real
// ones to their end. It is called when go-plugin serves, and before the extension is made.
func restoreOutput(stdout, stderr *os.File) func() {
	return func() { os.Stdout, os.Stderr = stdout, stderr }
}

func serveConfig(c *contract, stderr io.Writer) *goplugin.ServeConfig {
	return &goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{protocol.Major: {protocol.PluginName: c}},
		Logger:           hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Error, Output: stderr, JSONFormat: true}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts,
				grpc.MaxRecvMsgSize(protocol.MaxMessageSize), grpc.MaxSendMsgSize(protocol.MaxMessageSize))...)
		},
	}
}

// contract is the plugin that go-plugin serves on the extension's side.
type contract struct {
	goplugin.NetRPCUnsupportedPlugin
	server     *Server
	broker     *goplugin.GRPCBroker
	registered chan *grpc.Server // of capacity 1: what it is registered with
	output     func()            // called when the host has introduced itself
}

var _ goplugin.GRPCPlugin = (*contract)(nil)

// GRPCServer is called once, before anything is served.
func (c *contract) GRPCServer(b *goplugin.GRPCBroker, s *grpc.Server) error {
	c.broker = b
	c.server.Register(s)
	select {
	case c.registered <- s:
	default:
	}
	return nil
}

func (c *contract) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("an extension does not run extensions")
}

// services dials the host's services.
func (c *contract) services(brokerID uint32, names []string) (schema.Services, error) {
	conn, err := c.dial(brokerID)
	if conn == nil {
		return schema.Services{}, err
	}
	return wire.Dial(conn, names), nil
}

// hostServices dials what the host offers to a runtime.
func (c *contract) hostServices(brokerID uint32, names []string) (schema.HostServices, error) {
	conn, err := c.dial(brokerID)
	if conn == nil {
		return schema.HostServices{}, err
	}
	return wire.DialHost(conn, names), nil
}

// dial connects to the host, once for the life of the process; nil without an error = it offers nothing.
func (c *contract) dial(brokerID uint32) (*grpc.ClientConn, error) {
	c.output()
	if brokerID == 0 {
		return nil, nil
	}
	return c.broker.DialWithOptions(brokerID, grpc.WithIdleTimeout(0), grpc.WithDefaultCallOptions(
		grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)))
}

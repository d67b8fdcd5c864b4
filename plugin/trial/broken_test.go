package trial_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// envDefect says what is wrong with the extension that this test binary is when it is run by a host.
const envDefect = "TRIAL_DEFECT"

// whole is the extension with nothing wrong.
const whole = "nothing"

// dawdling is how long an extension takes that takes too long.
const dawdling = 4 * time.Second

// greeter is a small extension.
type greeter struct {
	Address string   `json:"address"`
	Count   int      `json:"count"`
	Words   []string `json:"words"`

	defect  string
	counted atomic.Int64
	thought atomic.Int64 // the last number of its brain, where it has one head for all
}

// Commands has one that does nothing.
func (g *greeter) Commands() []sdk.Command {
	return []sdk.Command{sdk.NewCommand("greet", "Greets somebody.", func(_ context.Context, _ sdk.CommandCall, in greeting) (greeting, error) {
		return in, nil
	})}
}

type greeting struct {
	Name string `json:"name"`
}

func (g *greeter) Metrics() map[string]float64 {
	return map[string]float64{"greetings_total": float64(g.counted.Add(1)), "guests": 0}
}

// agents looks who is there, in whose name the defect says.
func (g *greeter) agents(ctx context.Context, h *sdk.Host) error {
	if h.Agents == nil {
		return nil
	}
	switch g.defect {
	case "calls as nobody":
	case "calls as somebody":
		ctx = schema.WithCaller(ctx, schema.Caller{Principal: "admin", Scopes: []schema.Scope{schema.ScopeAdmin}})
	default:
		ctx = h.Self(ctx, sdk.ScopeRead)
	}
	_, err := h.Agents.List(ctx, sdk.AgentQuery{})
	return err
}

// Reload takes any block that is sound, and makes nothing of it.
func (g *greeter) Reload(context.Context, sdk.Extension) error { return nil }

func (g *greeter) Start(ctx context.Context, h *sdk.Host) error {
	if err := g.agents(ctx, h); err != nil {
		return err
	}
	ln, err := h.Listen(ctx, "tcp", g.Address)
	if err != nil {
		return err
	}
	if g.defect == "dies of garbage" {
		h.Go(func(context.Context) error { return diesOfGarbage(ln) })
		return nil
	}
	h.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	return nil
}

// diesOfGarbage serves until somebody sends something that it does not expect.
func diesOfGarbage(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return nil // it is being drained
		}
		go func() {
			defer c.Close()
			first := make([]byte, 4)
			if n, err := c.Read(first); err == nil && !strings.HasPrefix("GET ", string(first[:n])) {
				panic("what is this?")
			}
		}()
	}
}

// broken is the extension as it is called: the sdk's, with something wrong in front of it.
type broken struct {
	goplugin.NetRPCUnsupportedPlugin
	pb.ExtensionServer
	commands   pb.CommandsServer
	brains     pb.BrainsServer
	broker     *goplugin.GRPCBroker
	defect     string
	services   []string
	generation uint64
	asked      atomic.Int64 // for its health
	drains     atomic.Int64
	begun      atomic.Bool
	leaving    chan struct{} // closed by the first drain
}

var _ goplugin.GRPCPlugin = (*broken)(nil)

func (b *broken) GRPCServer(broker *goplugin.GRPCBroker, s *grpc.Server) error {
	b.broker = broker
	pb.RegisterExtensionServer(s, b)
	pb.RegisterCommandsServer(s, brokenCommands{b.commands, b})
	pb.RegisterBrainsServer(s, brokenBrain{b.brains, b})
	return nil
}

// brokenCommands are the commands as they are called.
type brokenCommands struct {
	pb.CommandsServer
	*broken
}

func (c brokenCommands) Run(ctx context.Context, in *pb.RunCommandRequest) (*pb.RunCommandResponse, error) {
	out, err := c.CommandsServer.Run(ctx, in)
	code, text := status.Code(err), status.Convert(err).Message()
	switch {
	case c.defect == "does what it does not know" && code == codes.NotFound,
		c.defect == "takes any input" && code == codes.InvalidArgument,
		c.defect == "is never away" && code == codes.Aborted:
		return &pb.RunCommandResponse{}, nil
	case c.defect == "is only unavailable" && code == codes.Aborted:
		return nil, status.Error(codes.Unavailable, text)
	}
	return out, err
}

// dial connects to the host's services.
func (b *broken) dial(id uint32, names []string) (schema.Services, error) {
	if b.broker == nil || id == 0 {
		return schema.Services{}, nil
	}
	conn, err := b.broker.DialWithOptions(id)
	if err != nil {
		return schema.Services{}, err
	}
	return wire.Dial(conn, names), nil
}

func (b *broken) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("no client")
}

// RegisterService takes the sdk's servers of the extension's life, its commands and its brain, which are registered nowhere else.
func (b *broken) RegisterService(_ *grpc.ServiceDesc, impl any) {
	if server, ok := impl.(pb.ExtensionServer); ok {
		b.ExtensionServer = server
	}
	if server, ok := impl.(pb.CommandsServer); ok {
		b.commands = server
	}
	if server, ok := impl.(pb.BrainsServer); ok {
		b.brains = server
	}
}

// newBroken returns the extension with a defect; line is nil where it is only asked.
func newBroken(defect string, line tether.Line) (*broken, error) {
	b := &broken{defect: defect, leaving: make(chan struct{})}
	env := sdk.Environment{Services: b.dial, Log: slog.New(slog.DiscardHandler)}
	if line != nil {
		env.Others = line
		if defect != "listens by itself" {
			env.Listen = line.Listen
		}
	}
	server, err := sdk.NewServer(sdk.Definition{
		Name: "greeter", Version: "1", New: func() sdk.Extension { return &greeter{Address: "127.0.0.1:0", Words: []string{}, defect: defect} },
	}, env)
	if err != nil {
		return nil, err
	}
	server.Register(b)
	return b, nil
}

// extension is the whole program.
func extension(defect string) int {
	if os.Getenv(protocol.EnvCheck) == "1" {
		return checked(defect)
	}
	line, err := tether.Connect(os.Getenv, os.Stdin, "greeter")
	if err != nil {
		return 1
	}
	b, err := newBroken(defect, line)
	if err != nil {
		return 1
	}
	if defect == "outlives its host" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	} else {
		go func() { <-line.Gone(); os.Exit(0) }()
	}
	if defect == "ignores SIGTERM" {
		signal.Ignore(syscall.SIGTERM)
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{protocol.Major: {protocol.PluginName: b}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.MaxRecvMsgSize(protocol.MaxMessageSize))...)
		},
	})
	return 0
}

// checked answers what the extension is and what it thinks of the block on its standard input.
func checked(defect string) int {
	block, err := io.ReadAll(os.Stdin)
	b, err2 := newBroken(defect, nil)
	raw, err3 := sdk.ConfigSchema(&greeter{Address: "127.0.0.1:0", Words: []string{}})
	if errors.Join(err, err2, err3) != nil {
		return 1
	}
	d := schema.Description{Name: "greeter", Version: "1", Protocol: protocol.Major, Requires: []string{}, ConfigSchema: raw}
	problems := []schema.Problem{}
	in, err := b.ExtensionServer.Init(context.Background(), &pb.InitRequest{})
	for _, c := range in.GetCommands() {
		d.Commands = append(d.Commands, wire.FromCommand(c))
	}
	if in.GetBrain() != nil {
		info := wire.FromBrainInfo(in.GetBrain())
		d.Brain = &info
	}
	out, err2 := b.Configure(context.Background(), &pb.ConfigureRequest{Config: block})
	if errors.Join(err, err2) != nil {
		return 1
	}
	for _, p := range out.GetProblems() {
		problems = append(problems, schema.Problem{Severity: schema.Severity(p.GetSeverity()), Pointer: p.GetPointer(), Message: p.GetMessage()})
	}
	switch defect {
	case "prints a banner":
		fmt.Println("Welcome!")
	case "requires telepathy":
		d.Requires = []string{"telepathy"}
	case "has no schema":
		d.ConfigSchema = json.RawMessage(`{}`)
	case "accepts anything":
		d.ConfigSchema = json.RawMessage(`{"type":"object"}`)
	case "accepts nothing":
		problems = append(problems, schema.Problem{Severity: schema.SeverityError, Message: "I do not like it"})
	case "has a command with an odd name":
		d.Commands[0].Name = "Greet everybody!"
	case "is another version":
		d.Version = "2"
	case "leaves a child":
		stray()
	}
	if json.NewEncoder(os.Stdout).Encode(schema.CheckResult{Description: d, Problems: problems}) != nil {
		return 1
	}
	return 0
}

// stray starts a process that nobody ends.
func stray() {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = ownSession()
	_ = cmd.Start() // or there is none, and the defect is missed
}

func (b *broken) Init(ctx context.Context, in *pb.InitRequest) (*pb.InitResponse, error) {
	b.services, b.generation = in.GetServices(), in.GetGeneration()
	out, err := b.ExtensionServer.Init(ctx, in)
	if b.defect == "has no name" && out != nil {
		out.Name = ""
	}
	if b.defect == "has other commands" && out != nil {
		out.Commands[0].Description = "Something else."
	}
	if b.defect == "has another brain" && out != nil {
		out.Brain.Description = "Something else."
	}
	return out, err
}

func (b *broken) Configure(ctx context.Context, in *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	block := in.GetConfig()
	switch b.defect {
	case "accepts anything":
		block = []byte(`{"address":"127.0.0.1:0"}`)
	case "takes what is no object for nothing":
		if !strings.HasPrefix(string(block), `{"`) {
			block = []byte("{}")
		}
	case "reads small blocks":
		if len(block) > 64<<10 {
			os.Exit(3)
		}
	}
	out, err := b.ExtensionServer.Configure(ctx, &pb.ConfigureRequest{Config: block})
	switch {
	case b.defect == "finds one problem" && len(out.GetProblems()) > 1:
		out.Problems = out.GetProblems()[:1]
	case b.defect == "knows ASCII":
		for _, p := range out.GetProblems() {
			p.Pointer = strings.Map(func(r rune) rune { return min(r, 'x') }, p.GetPointer())
		}
	}
	return out, err
}

func (b *broken) Start(ctx context.Context, in *pb.StartRequest) (*pb.StartResponse, error) {
	switch {
	case b.defect == "needs services" && len(b.services) == 0:
		return nil, status.Error(codes.Internal, "nil pointer")
	case b.defect == "is there once" && b.generation > 1:
		return nil, status.Error(codes.Internal, "somebody is here already")
	case b.defect == "starts again" && b.begun.Load():
		return &pb.StartResponse{}, nil
	case b.defect == "leaves a child":
		stray()
	}
	out, err := b.ExtensionServer.Start(ctx, in)
	b.begun.Store(err == nil)
	if b.defect == "says that it listens" && err == nil {
		out.Listeners = []string{"127.0.0.1:1"}
	}
	return out, err
}

func (b *broken) Health(ctx context.Context, in *pb.HealthRequest) (*pb.HealthResponse, error) {
	n := b.asked.Add(1)
	switch b.defect {
	case "is always well":
		return &pb.HealthResponse{}, nil
	case "tires":
		if n > 50 {
			return nil, status.Error(codes.Internal, "leave me alone")
		}
	case "opens files":
		f, err := os.Open(os.DevNull)
		opened = append(opened, f)
		if err != nil {
			return nil, err
		}
	}
	out, err := b.ExtensionServer.Health(ctx, in)
	if b.defect == "counts nonsense" && err == nil {
		out.Metrics["Greetings, everybody"] = 1
	}
	if b.defect == "loses count" && err == nil {
		out.Metrics["greetings_total"] = float64(1000 - n)
	}
	return out, err
}

func (b *broken) Reload(ctx context.Context, in *pb.ReloadRequest) (*pb.ReloadResponse, error) {
	out, err := b.ExtensionServer.Reload(ctx, in)
	switch {
	case b.defect == "refuses its own block":
		return &pb.ReloadResponse{Problems: []*pb.Problem{{Severity: string(schema.SeverityError), Message: "I liked the other one"}}}, nil
	case b.defect == "dies of another block":
		os.Exit(3)
	case b.defect == "takes any block" && err == nil,
		b.defect == "reloads what does not run" && status.Code(err) == codes.FailedPrecondition:
		return &pb.ReloadResponse{}, nil
	}
	return out, err
}

// opened are files that would be closed if they were collected.
var opened []*os.File

func (b *broken) Drain(ctx context.Context, in *pb.DrainRequest) (*pb.DrainResponse, error) {
	n := b.drains.Add(1)
	if n == 1 {
		close(b.leaving)
	}
	switch {
	case b.defect == "drains once" && n > 1:
		return nil, status.Error(codes.Internal, "it is drained")
	case b.defect == "does not drain":
		return &pb.DrainResponse{}, nil
	case b.defect == "drains what runs" && !b.begun.Load():
		return nil, status.Error(codes.FailedPrecondition, "it does not run")
	case b.defect == "dawdles":
		<-time.After(dawdling)
	}
	return b.ExtensionServer.Drain(ctx, in)
}

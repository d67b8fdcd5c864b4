package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/plugin/tether"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// look is how often a script that waits for something looks whether it is there.
const look = 5 * time.Millisecond

// forever blocks the process, which somebody else has to end.
func forever() { select {} }

func (s Script) run() int {
	if os.Getenv(protocol.EnvCheck) == "1" {
		return s.check()
	}
	major := protocol.Major
	switch s {
	case StdoutFirst:
		fmt.Println("Welcome to my extension!")
	case NeverReady:
		forever()
	case SilentExit:
		return 3
	case DiesEarly:
		panic("no luck today")
	case WrongMajor:
		major = 99
	}
	line, err := tether.Connect(os.Getenv, os.Stdin, "scripted")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if s == IgnoresTheEnd {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	} else {
		go func() { <-line.Gone(); os.Exit(0) }()
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig:  goplugin.HandshakeConfig{MagicCookieKey: protocol.CookieKey, MagicCookieValue: protocol.CookieValue},
		VersionedPlugins: map[int]goplugin.PluginSet{major: {protocol.PluginName: &served{script: s, line: line, stderr: os.Stderr}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer:       goplugin.DefaultGRPCServer,
	})
	if s == IgnoresTheEnd {
		forever()
	}
	return 0
}

func (s Script) check() int {
	result := schema.CheckResult{
		Description: schema.Description{Name: "scripted", Version: "1", Protocol: protocol.Major, Requires: []string{}, ConfigSchema: json.RawMessage(`{}`)},
		Problems:    []schema.Problem{},
	}
	switch s {
	case ChecksGarbage:
		fmt.Println("Usage: scripted [flags]")
		return 0
	case ChecksAfterText:
		fmt.Println("Welcome!\n{\n}")
		defer fmt.Println("Good bye!")
	case ChecksNothing:
		_, _ = fmt.Fprintln(os.Stderr, "let me think")
		forever()
	case ChecksTooMuch:
		for {
			if _, err := os.Stdout.Write(bytes.Repeat([]byte("x"), 1<<20)); err != nil {
				return 1
			}
		}
	case ChecksOldMajor:
		result.Description.Protocol = 0
	case ChecksAndFails:
		_, _ = fmt.Fprintln(os.Stderr, "I cannot even begin")
		return 4
	case ChecksWithChild:
		if _, err := child(); err != nil {
			return 1
		}
		forever()
	case RefusesConfig:
		result.Problems = problems()
	}
	if json.NewEncoder(os.Stdout).Encode(result) != nil {
		return 1
	}
	return 0
}

func problems() []schema.Problem {
	return []schema.Problem{
		{Severity: schema.SeverityError, Pointer: "/port", Message: "is not a port", Suggestion: "use 1 to 65535"},
		{Severity: schema.SeverityError, Pointer: "/host", Message: "is no address"},
		{Severity: schema.SeverityWarning, Pointer: "/cors", Message: "is odd"},
	}
}

// child starts a process that lives longer than any test.
func child() (int, error) {
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// served is the extension's side of the contract, without any of the sdk's care.
type served struct {
	goplugin.NetRPCUnsupportedPlugin
	pb.UnimplementedExtensionServer
	script Script
	line   tether.Line
	stderr *os.File // before go-plugin replaces it
	sick   atomic.Bool
	leaks  atomic.Bool
	listen string // where it serves

	mu     sync.Mutex
	leaked []*os.File // or they would be closed when they are collected
}

func (p *served) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterExtensionServer(s, p)
	return nil
}

func (p *served) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("no client")
}

func (p *served) Init(context.Context, *pb.InitRequest) (*pb.InitResponse, error) {
	out := &pb.InitResponse{Name: "scripted", Version: "1"}
	switch p.script {
	case DiesInInit:
		os.Exit(5)
	case Requires:
		out.Requires = []string{schema.ServiceMemory}
	}
	return out, nil
}

func (p *served) Configure(_ context.Context, in *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	out := &pb.ConfigureResponse{}
	block := struct{ Listen string }{Listen: "127.0.0.1:0"}
	if err := json.Unmarshal(in.GetConfig(), &block); err != nil {
		return nil, err
	}
	p.listen = block.Listen
	if p.script == RefusesConfig {
		for _, q := range problems() {
			out.Problems = append(out.Problems, &pb.Problem{
				Severity: string(q.Severity), Pointer: q.Pointer, Message: q.Message, Suggestion: q.Suggestion,
			})
		}
	}
	return out, nil
}

func (p *served) Start(ctx context.Context, _ *pb.StartRequest) (*pb.StartResponse, error) {
	if p.script == WaitsInStart {
		p.script = another()
	}
	switch p.script {
	case PanicsInStart:
		panic("out of coffee")
	case HangsInStart:
		forever()
	case FailsInStart:
		return nil, errors.New("the stars are wrong")
	}
	ln, err := p.line.Listen(ctx, "tcp", p.listen)
	if err != nil {
		return nil, err
	}
	go p.serve(ln)
	return &pb.StartResponse{Listeners: []string{ln.Addr().String()}}, nil
}

// another waits until the file has another script than WaitsInStart, and returns that.
func another() Script {
	for {
		if s := written(); s != WaitsInStart {
			return s
		}
		time.Sleep(look)
	}
}

func (p *served) Health(context.Context, *pb.HealthRequest) (*pb.HealthResponse, error) {
	if p.script == NeverHealthy || p.sick.Load() {
		return nil, errors.New("no sleep for a week")
	}
	if p.leaks.Load() {
		if _, err := p.leak(); err != nil {
			return nil, err
		}
	}
	return &pb.HealthResponse{}, nil
}

func (p *served) Reload(ctx context.Context, in *pb.ReloadRequest) (*pb.ReloadResponse, error) {
	if p.script != Reloads {
		return p.UnimplementedExtensionServer.Reload(ctx, in)
	}
	return &pb.ReloadResponse{}, nil
}

func (p *served) Drain(context.Context, *pb.DrainRequest) (*pb.DrainResponse, error) {
	if p.script == HangsInDrain || p.script == IgnoresTheEnd {
		forever()
	}
	return &pb.DrainResponse{}, nil
}

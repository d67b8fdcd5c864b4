// Command host is a host as the previous release was: it knows the protocol of that release, from the frozen copy beside it. It
// runs the extension that its arguments name, with the second of them as its block, through all of its life, and prints what
// came of each step. It has neither a tether nor a directory for the state of extensions.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/stagehouse/stagehouse/plugin/testdata/previous/stagehousev1"
)

const patience = 20 * time.Second

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: host PROGRAM BLOCK")
		os.Exit(2)
	}
	if err := run(os.Args[1], []byte(os.Args[2])); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(program string, config []byte) error {
	c := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey: "STAGEHOUSE_EXTENSION", MagicCookieValue: "9f1d7c1e-0c53-4d8e-9a35-5b7d0a6f2c41",
		},
		VersionedPlugins:    map[int]plugin.PluginSet{1: {"extension": contract{}}},
		Cmd:                 exec.Command(program),
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:              hclog.NewNullLogger(),
		AutoMTLS:            true,
		GRPCBrokerMultiplex: true,
	})
	defer c.Kill()
	rpc, err := c.Client()
	if err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	raw, err := rpc.Dispense("extension")
	if err != nil {
		return fmt.Errorf("launch: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return raw.(*link).life(ctx, config)
}

type contract struct{ plugin.NetRPCUnsupportedPlugin }

type link struct {
	broker *plugin.GRPCBroker
	client pb.ExtensionClient
}

func (contract) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("it is no extension")
}

func (contract) GRPCClient(_ context.Context, b *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return &link{broker: b, client: pb.NewExtensionClient(c)}, nil
}

// life takes the extension from its introduction to its drain.
func (l *link) life(ctx context.Context, config []byte) error {
	id := l.broker.NextId()
	go l.broker.AcceptAndServe(id, func(opts []grpc.ServerOption) *grpc.Server {
		s := grpc.NewServer(opts...)
		pb.RegisterAgentsServer(s, agents{})
		return s
	})
	introduced, err := l.client.Init(ctx, &pb.InitRequest{
		Extension: "modern", Generation: 1, BrokerId: id, Services: []string{"agents"}, HostVersion: "0.0.9", LogLevel: "info",
	})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	fmt.Printf("init: %s %s requires %q\n", introduced.GetName(), introduced.GetVersion(), introduced.GetRequires())
	configured, err := l.client.Configure(ctx, &pb.ConfigureRequest{Config: config})
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if problems := configured.GetProblems(); len(problems) > 0 {
		return fmt.Errorf("configure: %v", problems)
	}
	started, err := l.client.Start(ctx, &pb.StartRequest{})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	if _, err := l.client.Health(ctx, &pb.HealthRequest{}); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	for _, address := range started.GetListeners() {
		text, err := visit(ctx, address)
		if err != nil {
			return fmt.Errorf("visit: %w", err)
		}
		fmt.Printf("visit: %s\n", text)
	}
	drained, err := l.client.Drain(ctx, &pb.DrainRequest{DeadlineMs: 5000, Final: true})
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	fmt.Printf("drain: %d unfinished\n", drained.GetUnfinished())
	return nil
}

func visit(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// agents is what the host offers: one agent.
type agents struct{ pb.UnimplementedAgentsServer }

func (agents) List(_ context.Context, in *pb.ListAgentsRequest) (*pb.ListAgentsResponse, error) {
	if in.GetCaller().GetPrincipal() != "extension:modern" {
		return nil, fmt.Errorf("the caller is %q", in.GetCaller().GetPrincipal())
	}
	return &pb.ListAgentsResponse{Agents: []*pb.Agent{{Id: "nyx", Name: "Nyx", Status: "running"}}}, nil
}

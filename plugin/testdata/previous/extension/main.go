//go:build unix

// Command extension is an extension as the previous release of the sdk made them: it knows the protocol of that release, from
// the frozen copy beside it, and imports nothing of stagehouse that changes. It greets the agents of its host over HTTP, and says
// which generation of it does and how often it has been asked whether it is well.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	pb "github.com/stagehouse/stagehouse/plugin/testdata/previous/stagehousev1"
)

// major returns the version of the boundary that the program says it speaks, which a test may have be another one.
func major() int {
	if n, err := strconv.Atoi(os.Getenv("PREVIOUS_MAJOR")); err == nil {
		return n
	}
	return 1
}

func main() {
	if os.Getenv("STAGEHOUSE_CHECK") == "1" {
		if err := check(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	x := &extension{tether: connect()}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey: "STAGEHOUSE_EXTENSION", MagicCookieValue: "9f1d7c1e-0c53-4d8e-9a35-5b7d0a6f2c41",
		},
		VersionedPlugins: map[int]plugin.PluginSet{major(): {"extension": x}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}

type block struct {
	Address  string `json:"address"`
	Greeting string `json:"greeting"`
}

func parse(config []byte) (block, error) {
	b := block{Address: "127.0.0.1:0", Greeting: "Hello"}
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	return b, d.Decode(&b)
}

// check answers what the extension is and what it thinks of its block.
func check() error {
	config, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	problems := []map[string]string{}
	if _, err := parse(config); err != nil {
		problems = append(problems, map[string]string{"severity": "error", "pointer": "", "message": err.Error()})
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"description": map[string]any{
			"name": "previous", "version": "0.0.9", "protocol": major(), "requires": []string{"agents"},
			"configSchema": map[string]any{"type": "object"},
		},
		"problems": problems,
	})
}

type extension struct {
	plugin.NetRPCUnsupportedPlugin
	pb.UnimplementedExtensionServer
	broker *plugin.GRPCBroker
	tether *tether

	name       string
	generation uint64
	agents     pb.AgentsClient
	block      block
	front      *front
	checks     atomic.Int64
}

func (x *extension) GRPCServer(b *plugin.GRPCBroker, s *grpc.Server) error {
	x.broker = b
	pb.RegisterExtensionServer(s, x)
	return nil
}

func (x *extension) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("it is no host")
}

func (x *extension) Init(_ context.Context, in *pb.InitRequest) (*pb.InitResponse, error) {
	conn, err := x.broker.Dial(in.GetBrokerId())
	if err != nil {
		return nil, err
	}
	x.name, x.generation, x.agents = in.GetExtension(), in.GetGeneration(), pb.NewAgentsClient(conn)
	return &pb.InitResponse{Name: "previous", Version: "0.0.9", Requires: []string{"agents"}}, nil
}

func (x *extension) Configure(_ context.Context, in *pb.ConfigureRequest) (out *pb.ConfigureResponse, err error) {
	out = &pb.ConfigureResponse{}
	if x.block, err = parse(in.GetConfig()); err != nil {
		out.Problems = append(out.Problems, &pb.Problem{Severity: "error", Message: err.Error()})
	}
	return out, nil
}

func (x *extension) Start(context.Context, *pb.StartRequest) (*pb.StartResponse, error) {
	ln, err := x.tether.listen(x.block.Address)
	if err != nil {
		return nil, err
	}
	x.front = newFront(ln, http.HandlerFunc(x.greet))
	go func() {
		<-x.tether.serve
		x.front.run()
	}()
	return &pb.StartResponse{Listeners: []string{ln.Addr().String()}}, nil
}

func (x *extension) greet(w http.ResponseWriter, r *http.Request) {
	page, err := x.agents.List(r.Context(), &pb.ListAgentsRequest{
		Caller: &pb.Caller{Principal: "extension:" + x.name, Scopes: []string{"read"}},
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	for _, a := range page.GetAgents() {
		fmt.Fprintf(w, "%s, %s! ", x.block.Greeting, a.GetName())
	}
	fmt.Fprintf(w, "generation %d, %d checks", x.generation, x.checks.Load())
}

func (x *extension) Health(context.Context, *pb.HealthRequest) (*pb.HealthResponse, error) {
	x.checks.Add(1)
	return &pb.HealthResponse{}, nil
}

func (x *extension) Drain(ctx context.Context, in *pb.DrainRequest) (*pb.DrainResponse, error) {
	fmt.Fprintf(os.Stderr, "generation %d drains, final: %v\n", x.generation, in.GetFinal())
	ctx, cancel := context.WithTimeout(ctx, time.Duration(in.GetDeadlineMs())*time.Millisecond)
	defer cancel()
	x.front.close()
	x.tether.left()
	return &pb.DrainResponse{Unfinished: x.front.finish(ctx)}, nil
}

// Package sdktest runs an extension inside a test: in memory, over the real wire but without a process ([Start]), as a real
// process ([Exec]), and through its whole life, both ways ([TestExtension]). Neither needs a program to be built first.
//
// An extension that waits for times is tested in a bubble of testing/synctest, where a day is over at once: all that Start
// does is in memory, so that the clock of the bubble moves whenever the extension has nothing to do but to wait. The
// extension needs nothing for it; it uses package time.
//
//	synctest.Test(t, func(t *testing.T) {
//		host := sdktest.NewHost(sdk.Agent{ID: "nyx"})
//		sdktest.Start(t, definition(), `{"everyMs": 3600000}`, host.Services())
//		time.Sleep(24 * time.Hour)
//		synctest.Wait()
//		...
//	})
//
// One that listens needs [InBubble], too, because a clock does not move while somebody waits at a real socket.
package sdktest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// Bounds of what a harness waits for.
const (
	DefaultStartTimeout = 10 * time.Second
	DefaultDrainTimeout = 5 * time.Second
)

// endTimeout is how long an extension in memory may take to end when its test is over; what it has not finished then is cut off.
const endTimeout = time.Second

const bufferBytes = 256 << 10

// Running is an extension that runs.
type Running struct {
	client    pb.ExtensionClient
	commands  pb.CommandsClient
	brains    pb.BrainsClient
	calls     atomic.Int64 // of commands
	brokerID  uint32       // of the connection with the services, where there is a broker
	stateDir  string
	listeners []string
	http      *http.Client
}

// Start runs d with config, a JSON object ("" = {}), against services: every call in both directions crosses a real gRPC
// connection, in memory. It binds its listeners by itself and stops when the test ends. Whatever a host would refuse
// fails the test.
func Start(t testing.TB, d sdk.Definition, config string, services schema.Services, opts ...Option) *Running {
	t.Helper()
	r, err := open(t, d, services, opts...)
	if err != nil {
		t.Fatalf("start extension %s: %v", d.Name, err)
	}
	r.mustBegin(t, d, config, services)
	return r
}

// Exec is Start with a real process: this test binary started again, for this test alone and no further than this call, where
// it becomes the extension. A test does nothing before it that a second process should not do, too. The process is drained
// when the test ends.
func Exec(t testing.TB, d sdk.Definition, config string, services schema.Services, opts ...Option) *Running {
	t.Helper()
	becomeExtension(d)
	r := launch(t, t.Name(), d, services, opts...)
	r.mustBegin(t, d, config, services)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), DefaultDrainTimeout)
		defer cancel()
		if err := r.drain(ctx, true); err != nil {
			t.Errorf("drain extension %s at the end of its test: %v", d.Name, err)
		}
	})
	return r
}

// mustBegin walks an extension through its life until it is healthy.
func (r *Running) mustBegin(t testing.TB, d sdk.Definition, config string, services schema.Services) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultStartTimeout)
	defer cancel()
	if err := r.begin(ctx, d, config, services); err != nil {
		t.Fatalf("start extension %s: %v", d.Name, err)
	}
}

// Check returns what d thinks of config, a JSON object, without starting it.
func Check(t testing.TB, d sdk.Definition, config string) []schema.Problem {
	t.Helper()
	r, err := open(t, d, schema.Services{})
	if err != nil {
		t.Fatalf("check a block of extension %s: %v", d.Name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), DefaultStartTimeout)
	defer cancel()
	problems, err := r.configure(ctx, d, config, schema.Services{})
	if err != nil {
		t.Fatalf("check a block of extension %s: %v", d.Name, err)
	}
	return problems
}

// Drain drains the extension until the deadline of ctx, or for DefaultDrainTimeout, and fails if something was cut off.
func (r *Running) Drain(ctx context.Context) error { return r.drain(ctx, false) }

// drain drains the extension; final says that no other generation follows.
func (r *Running) drain(ctx context.Context, final bool) error {
	bound := DefaultDrainTimeout
	if deadline, ok := ctx.Deadline(); ok {
		bound = time.Until(deadline)
	}
	out, err := r.client.Drain(context.WithoutCancel(ctx), &pb.DrainRequest{DeadlineMs: bound.Milliseconds(), Final: final})
	if err != nil {
		return wire.FromStatus(err)
	}
	if n := out.GetUnfinished(); n > 0 {
		return fmt.Errorf("%d requests or goroutines were cut off", n)
	}
	return nil
}

// Health asks the extension whether it is well.
func (r *Running) Health(ctx context.Context) error {
	_, err := r.client.Health(ctx, &pb.HealthRequest{})
	return wire.FromStatus(err)
}

// Metrics returns what the extension counts, as a host sees it.
func (r *Running) Metrics(ctx context.Context) (map[string]float64, error) {
	out, err := r.client.Health(ctx, &pb.HealthRequest{})
	return out.GetMetrics(), wire.FromStatus(err)
}

// Listeners returns the addresses that the extension serves on, in the order in which it asked for them.
func (r *Running) Listeners() []string { return slices.Clone(r.listeners) }

// Client returns a client of what the extension serves, as http://ADDRESS for one of Listeners. With InBubble it is the only
// way there.
func (r *Running) Client() *http.Client { return r.http }

// begin returns what keeps the extension from being well.
func (r *Running) begin(ctx context.Context, d sdk.Definition, config string, services schema.Services) error {
	for _, name := range d.Requires {
		if !slices.Contains(services.Names(), name) {
			return fmt.Errorf("it requires the service %q, and the test offers %v", name, services.Names())
		}
	}
	problems, err := r.configure(ctx, d, config, services)
	if err != nil {
		return err
	}
	for _, p := range problems {
		if p.Severity != schema.SeverityWarning {
			return fmt.Errorf("configure: %s: %s %s", p.Pointer, p.Message, p.Suggestion)
		}
	}
	out, err := r.client.Start(ctx, &pb.StartRequest{})
	if err != nil {
		return fmt.Errorf("start: %w", wire.FromStatus(err))
	}
	r.listeners = out.GetListeners()
	if err := r.Health(ctx); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}

// configure introduces the host and hands the block over.
func (r *Running) configure(ctx context.Context, d sdk.Definition, config string, services schema.Services) ([]schema.Problem, error) {
	if _, err := r.client.Init(ctx, r.initRequest(d, services)); err != nil {
		return nil, fmt.Errorf("init: %w", wire.FromStatus(err))
	}
	out, err := r.client.Configure(ctx, &pb.ConfigureRequest{Config: []byte(config)})
	if err != nil {
		return nil, fmt.Errorf("configure: %w", wire.FromStatus(err))
	}
	return problemsOf(out.GetProblems()), nil
}

func problemsOf(all []*pb.Problem) []schema.Problem {
	var problems []schema.Problem
	for _, p := range all {
		problems = append(problems, schema.Problem{
			Severity: schema.Severity(p.GetSeverity()), Pointer: p.GetPointer(), Message: p.GetMessage(), Suggestion: p.GetSuggestion(),
		})
	}
	return problems
}

func (r *Running) initRequest(d sdk.Definition, services schema.Services) *pb.InitRequest {
	return &pb.InitRequest{
		Extension: d.Name, Generation: 1, BrokerId: r.brokerID, Services: services.Names(), LogLevel: "debug", StateDir: r.stateDir,
	}
}

// open connects a new instance of d, which has not been introduced to anybody yet, to services.
func open(t testing.TB, d sdk.Definition, services schema.Services, opts ...Option) (*Running, error) {
	t.Helper()
	o := optionsOf(t, opts)
	host, err := connect(t, func(s *grpc.Server) { wire.Register(s, services, d.Name) })
	if err != nil {
		return nil, err
	}
	w := &testWriter{t: t, open: true}
	t.Cleanup(w.close)
	server, err := sdk.NewServer(d, sdk.Environment{
		Services: func(_ uint32, names []string) (schema.Services, error) { return wire.Dial(host, names), nil },
		Listen:   o.network.listen(),
		Log:      slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { // what the extension does ends before its state directory does
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		_, _ = server.Drain(ctx) // a test that cares drains by itself
		server.Close()
	})
	conn, err := connect(t, func(s *grpc.Server) { server.Register(s) })
	if err != nil {
		return nil, err
	}
	return &Running{client: pb.NewExtensionClient(conn), commands: pb.NewCommandsClient(conn), brains: pb.NewBrainsClient(conn), stateDir: o.state, http: o.network.client(t)}, nil
}

// connect serves what register registers over a connection in memory, until the test ends.
func connect(t testing.TB, register func(*grpc.Server)) (*grpc.ClientConn, error) {
	ln := bufconn.Listen(bufferBytes)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessageSize), grpc.MaxSendMsgSize(wire.MaxMessageSize))
	register(server)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) }) // it ends with Stop
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)))
	if err != nil {
		return nil, fmt.Errorf("connect in memory: %w", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, nil
}

// testWriter writes an extension's log to the test's, until the test ends: testing panics on a line that comes later.
type testWriter struct {
	t    testing.TB
	mu   sync.Mutex
	open bool
}

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open {
		w.t.Logf("%s", b)
	}
	return len(b), nil
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = false
}

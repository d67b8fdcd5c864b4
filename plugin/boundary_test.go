//go:build unix

package plugin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/hosttest"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

const (
	envRelay    = "STAGEHOUSE_TEST_RELAY"
	envSeparate = "STAGEHOUSE_TEST_SEPARATE" // the relay has each connection separately, as in languages without yamux
)

// relayMain makes this process the extension relay, if a test has started it as that.
func relayMain() {
	if os.Getenv(envSeparate) != "" {
		_ = os.Unsetenv("PLUGIN_MULTIPLEX_GRPC") // go-plugin does not offer it then
	}
	if os.Getenv(envRelay) != "" {
		sdk.Main(sdk.Definition{Name: "relay", Version: "1", New: func() sdk.Extension { return &relay{} }})
	}
}

// relay is an extension that offers the services that it gets to whoever connects to it, and measures calls of them.
type relay struct{}

func (*relay) Start(ctx context.Context, h *sdk.Host) error {
	services, err := h.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessageSize), grpc.MaxSendMsgSize(wire.MaxMessageSize))
	wire.Register(s, h.Services, h.Name)
	h.Go(func(ctx context.Context) error {
		defer context.AfterFunc(ctx, s.Stop)()
		return s.Serve(services)
	})
	measure, err := h.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.Serve(measure, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		took, err := measureGets(r.Context(), h.Agents, n)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, took.Nanoseconds())
	}))
	return nil
}

func measureGets(ctx context.Context, agents schema.Agents, n int) (time.Duration, error) {
	ctx = schema.WithCaller(ctx, schema.Caller{Principal: "bench", Scopes: []schema.Scope{schema.ScopeRead}})
	begun := time.Now()
	for range n {
		if _, err := agents.Get(ctx, "nyx"); err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

// startRelay runs the relay against services, all of them or those that are granted, and returns where it offers them, and where it measures.
func startRelay(tb testing.TB, services schema.Services, grants ...string) (offered, measure string) {
	tb.Helper()
	spec := relaySpec(tb, `{}`)
	spec.Grants = grants
	return startRelaySpec(tb, services, spec)
}

func startRelaySpec(tb testing.TB, services schema.Services, spec plugin.Spec) (offered, measure string) {
	tb.Helper()
	m := plugin.New(services)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	if err := m.Start(context.Background(), spec); err != nil {
		tb.Fatal(err)
	}
	listeners := m.Status()[0].Listeners
	return listeners[0], listeners[1]
}

// relaySpec returns how to run the relay.
func relaySpec(tb testing.TB, block string) plugin.Spec {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return plugin.Spec{
		Name: "relay", Path: path, Config: json.RawMessage(block),
		Env: map[string]string{envRelay: "1", "GORACE": "exitcode=0 atexit_sleep_ms=0"},
	}
}

func openRuntime(tb testing.TB) schema.Services {
	tb.Helper()
	rt, err := local.Open(context.Background(), local.Options{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := rt.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return guard.New(rt.Services())
}

// The contract holds through a real process: the suite's calls go to an extension, which makes them of its host.
func TestServicesThroughAProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole kit through a process takes long")
	}
	hosttest.TestServices(t, func(t *testing.T) schema.Services {
		services := openRuntime(t)
		offered, _ := startRelay(t, services)
		conn, err := grpc.NewClient("passthrough:///"+offered, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageSize), grpc.MaxCallSendMsgSize(wire.MaxMessageSize)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return wire.Dial(conn, services.Names())
	})
}

// A process without multiplexing has its services on a connection of their own, and finds them there.
func TestServicesOverASeparateConnection(t *testing.T) {
	services := openRuntime(t)
	spec := relaySpec(t, `{}`)
	spec.Env[envSeparate] = "1"
	offered, _ := startRelaySpec(t, services, spec)
	conn, err := grpc.NewClient("passthrough:///"+offered, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "p", Scopes: []schema.Scope{schema.ScopeRead}})
	if a, err := wire.Dial(conn, services.Names()).Agents.Get(ctx, "nyx"); err != nil || a.ID != "nyx" {
		t.Errorf("a call = %v, %v", a.ID, err)
	}
}

// BenchmarkUnaryCall compares a call from an extension's process with the same call inside the host's.
func BenchmarkUnaryCall(b *testing.B) {
	services := openRuntime(b)
	_, measure := startRelay(b, services)
	b.ResetTimer()
	answer, err := get(fmt.Sprintf("http://%s/?n=%d", measure, b.N))
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	over, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		b.Fatal(answer)
	}
	direct, err := measureGets(context.Background(), services.Agents, b.N)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(over)/float64(b.N), "ns/boundary")
	b.ReportMetric(float64(direct.Nanoseconds())/float64(b.N), "ns/direct")
	b.ReportMetric(float64(over)/float64(max(1, direct.Nanoseconds())), "boundary/direct")
}

func TestAnExtensionGetsWhatItIsGranted(t *testing.T) {
	services := openRuntime(t)
	offered, _ := startRelay(t, services, schema.ServiceAgents)
	conn, err := grpc.NewClient("passthrough:///"+offered, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got := wire.Dial(conn, services.Names())
	ctx := schema.WithCaller(context.Background(), schema.Caller{Principal: "p", Scopes: []schema.Scope{schema.ScopeRead}})
	if _, err := got.Agents.Get(ctx, "nyx"); err != nil {
		t.Errorf("a granted service = %v", err)
	}
	if _, err := got.Events.Head(ctx); schema.CodeOf(err) != schema.CodeUnimplemented {
		t.Errorf("a service that is not granted = %v", err)
	}
}

package hosttest_test

import (
	"context"
	"iter"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/hosttest"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/local/brain/builtin"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spending returns options of a reference runtime whose brain says that it has used a model, so that there is usage to report.
func spending(dir string) local.Options {
	return local.Options{Dir: dir, Brains: map[string]brain.Factory{local.BuiltinBrain: newSpender}}
}

// spender is a brain that uses a model once for every turn, and answers as another one does.
type spender struct{ brain.Brain }

func newSpender(ctx context.Context, agentID string, options schema.Object) (brain.Brain, error) {
	b, err := builtin.New(ctx, agentID, options)
	return spender{b}, err
}

func (b spender) Respond(ctx context.Context, t brain.Turn) iter.Seq2[brain.Step, error] {
	return func(yield func(brain.Step, error) bool) {
		u := brain.Usage{Provider: "test", Model: t.Agent.ID, Tokens: schema.TokenUsage{InputTokens: int64(len(t.Message.Content)), OutputTokens: 1}}
		if yield(brain.Step{Usage: &u}, nil) {
			b.Brain.Respond(ctx, t)(yield)
		}
	}
}

// open returns the services of a new reference runtime.
func open(t *testing.T) schema.Services { return openFor(t) }

func openFor(t conform.T) schema.Services {
	t.Helper()
	r, err := local.Open(t.Context(), spending(t.TempDir()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close runtime: %v", err)
		}
	})
	return r.Services()
}

// overWire returns svc as it is seen through a connection.
func overWire(t *testing.T, svc schema.Services) schema.Services {
	t.Helper()
	ln := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessageSize), grpc.MaxSendMsgSize(wire.MaxMessageSize))
	wire.Register(srv, svc, "hosttest")
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	cc, err := grpc.NewClient("passthrough:///bufconn",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cc.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
		srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return wire.Dial(cc, svc.Names())
}

// TestDocsShowThisTest keeps the chapter for owners of runtimes true.
func TestDocsShowThisTest(t *testing.T) {
	source, err := os.ReadFile("hosttest_test.go")
	if err != nil {
		t.Fatal(err)
	}
	chapter, err := os.ReadFile(filepath.Join("..", "..", "docs", "runtimes.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets := regexp.MustCompile("(?s)```go\n(// Test.*?)```").FindAllStringSubmatch(string(chapter), -1)
	if len(snippets) != 1 || !strings.Contains(string(source), snippets[0][1]) {
		t.Errorf("docs/runtimes.md shows %q, which is not in this file", snippets)
	}
}

// TestDirect has nothing in front of the runtime, so that the guard cannot cover up for it.
func TestDirect(t *testing.T) { hosttest.TestRuntime(t, open) }

func TestCloseAndOpen(t *testing.T) {
	hosttest.TestLasting(t, func(ctx context.Context, dir string) (host.Runtime, error) {
		return local.Open(ctx, local.Options{Dir: dir})
	})
}

func TestGuarded(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services { return guard.New(open(t)) })
}

func TestOverWire(t *testing.T) {
	hosttest.TestServices(t, func(t *testing.T) schema.Services { return overWire(t, guard.New(open(t))) })
}

package wire_test

import (
	"context"
	"net"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect serves svc as for an extension named "ext" and returns a connection to it.
func connect(t testing.TB, svc schema.Services, opts ...wire.Option) *grpc.ClientConn {
	t.Helper()
	return serving(t, func(r grpc.ServiceRegistrar) { wire.Register(r, svc, "ext", opts...) })
}

// serving serves what register registers and returns a connection to it.
func serving(t testing.TB, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	t.Helper()
	ln := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessageSize), grpc.MaxSendMsgSize(wire.MaxMessageSize))
	register(srv)
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
	return cc
}

// dial serves svc and returns the client's view of all of it.
func dial(t testing.TB, svc schema.Services, opts ...wire.Option) schema.Services {
	t.Helper()
	return wire.Dial(connect(t, svc, opts...), svc.Names())
}

// as returns a context of a caller.
func as(t testing.TB, principal string, scopes ...schema.Scope) context.Context {
	return schema.WithCaller(t.Context(), schema.Caller{Principal: principal, Scopes: scopes, Extension: "a lie"})
}

func wantCode(t testing.TB, err error, want schema.ErrorCode) {
	t.Helper()
	if got := schema.CodeOf(err); got != want {
		t.Errorf("error %v has code %q, want %q", err, got, want)
	}
}

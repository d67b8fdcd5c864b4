package wire

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// Option changes how services are registered.
type Option func(*server)

// WithLogger makes contained panics visible: the method, the kind of panic and the stack, and never its value, which
// may hold what somebody said. Without it they are visible to the client only, as CodeInternal.
func WithLogger(log *slog.Logger) Option {
	return func(s *server) { s.log = log }
}

// FromHost believes which extension the caller of a request names: for a runtime, which nobody calls but its host.
func FromHost() Option { return func(s *server) { s.believes = true } }

// Register puts the services that are offered behind s. Every call reaches its service with a context that carries the
// caller of the request, whose Extension is always the given one (but see FromHost). Errors become statuses (see [ToStatus]), and a panic in
// a service becomes CodeInternal.
func Register(s grpc.ServiceRegistrar, svc schema.Services, extension string, opts ...Option) {
	srv := newServer(opts)
	srv.extension = extension
	if svc.Agents != nil {
		pb.RegisterAgentsServer(s, agentsServer{server: srv, svc: svc.Agents})
	}
	if svc.Chat != nil {
		pb.RegisterChatServer(s, chatServer{server: srv, svc: svc.Chat})
	}
	if svc.Memory != nil {
		pb.RegisterMemoryServer(s, memoryServer{server: srv, svc: svc.Memory})
	}
	if svc.Events != nil {
		pb.RegisterEventsServer(s, eventsServer{server: srv, svc: svc.Events})
	}
	if svc.Usage != nil {
		pb.RegisterUsageServer(s, usageServer{server: srv, svc: svc.Usage})
	}
	if svc.Identity != nil {
		pb.RegisterIdentityServer(s, identityServer{server: srv, svc: svc.Identity})
	}
}

// server is what the adapters of one registration share.
type server struct {
	extension string
	believes  bool // that the caller is the one that the request says
	log       *slog.Logger
}

func newServer(opts []Option) *server {
	s := &server{log: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(s)
	}
	return s
}

// callContext returns the context with which a service is called.
func (s *server) callContext(ctx context.Context, m *pb.Caller) context.Context {
	c := FromCaller(m)
	if !s.believes {
		c.Extension = s.extension
	}
	ctx = schema.WithCaller(ctx, c)
	if o := FromOnce(m.GetOnce()); o != nil {
		ctx = schema.WithOnce(ctx, o)
	}
	return ctx
}

// serve makes one call of a service.
func serve[T any](ctx context.Context, s *server, caller *pb.Caller, call func(context.Context) (T, error)) (T, error) {
	out, err := contained(ctx, s, caller, call)
	if err != nil {
		var none T
		return none, ToStatus(blame(ctx, err))
	}
	return out, nil
}

// contained makes a call and turns a panic into an error.
func contained[T any](
	ctx context.Context, s *server, caller *pb.Caller, call func(context.Context) (T, error),
) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(ctx, p)
		}
	}()
	inner := s.callContext(ctx, caller)
	defer func() { tell(ctx, schema.OnceFrom(inner)) }()
	return call(inner)
}

// panicked reports a panic to the log and returns what the client is told of it.
func (s *server) panicked(ctx context.Context, p any) error {
	method, _ := grpc.Method(ctx)
	kind := fmt.Sprintf("%T", p)
	if e, ok := p.(runtime.Error); ok {
		kind = e.Error()
	}
	s.log.ErrorContext(ctx, "service panicked",
		"extension", s.extension, "method", method, "panic", kind, "stack", string(debug.Stack()))
	return schema.Errorf(schema.CodeInternal, "%s failed unexpectedly; the host's log has the details", method)
}

// blame makes the end of a call's context the reason for a failure that has no better one.
func blame(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && schema.CodeOf(err) == schema.CodeInternal {
		return &schema.Error{Code: schema.CodeOf(cause), Message: givenUp(cause), Cause: err}
	}
	return err
}
